"""Conditions that look at many values of a label: which of them are integers beyond a bound, and who has them.

In      values of one label; postings by value
Out     some of the values; postings of some
Callers index.py, query/selection.py; body for _values.pxd
Source  naive forms: requirement.Requirement.admits_number and a look-up, value by value
Never   gives the loop its turn: who calls from there looks at a slice at a time
"""
from array import array

from cpython.dict cimport PyDict_GetItemWithError
from cpython.ref cimport PyObject
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdint cimport INT64_MAX

from heapfast._types cimport int64_t, uint64_t

cdef enum:
    MAX_DIGITS = 40


cdef bint read_int64(const char* ptr, Py_ssize_t len, int64_t* number) noexcept nogil:
    cdef bint is_negative = False
    cdef uint64_t digit, value = 0
    cdef uint64_t limit = INT64_MAX
    cdef Py_ssize_t i
    if len and (ptr[0] == c"-" or ptr[0] == c"+"):
        is_negative = ptr[0] == c"-"
        ptr += 1
        len -= 1
    if len == 0 or len > MAX_DIGITS:
        return False
    if is_negative:
        limit += 1
    for i in range(len):
        if not c"0" <= ptr[i] <= c"9":
            return False
        digit = ptr[i] - c"0"
        if value > (limit - digit) // 10:
            return False
        value = 10 * value + digit
    # Negated as unsigned, so that the smallest int64 has its absolute value too.
    number[0] = <int64_t>(0 - value if is_negative else value)
    return True


def integers_beyond(list values not None, int64_t bound, bint is_greater) -> list:
    """Return those of some values that are int64 and lie beyond a bound, in their order."""
    cdef Py_ssize_t size
    cdef int64_t number
    cdef const char* ptr
    cdef str text
    cdef list found = []
    for text in values:
        # What is not ASCII is no integer; a copy of it as UTF-8 would stay with it.
        if not text.isascii():
            continue
        ptr = PyUnicode_AsUTF8AndSize(text, &size)
        if read_int64(ptr, size, &number) and (number > bound if is_greater else number < bound):
            found.append(text)
    return found


def slots_beyond(list sets not None, str key not None, slots, int64_t bound, bint is_greater) -> array:
    """Return those of some slots whose value of a label is int64 and lies beyond a bound, in their order."""
    cdef Py_ssize_t size
    cdef int64_t number
    cdef const char* ptr
    cdef object found = array("I")
    cdef str text
    cdef tuple labels, label
    for slot in slots:
        kept = sets[slot] if slot < len(sets) else None
        if kept is None:
            continue
        labels = kept.labels
        for label in labels:
            if label[0] != key:
                continue
            text = label[1]
            # What is not ASCII is no integer; a copy of it as UTF-8 would stay with it.
            if text.isascii():
                ptr = PyUnicode_AsUTF8AndSize(text, &size)
                if read_int64(ptr, size, &number) and (number > bound if is_greater else number < bound):
                    found.append(slot)
            break
    return found


def gather_postings(dict postings not None, values) -> tuple:
    """Look values up: the slots of those that one entity alone has, and the terms of the others."""
    cdef PyObject* found
    cdef object slots = array("I")
    cdef list own = [], terms = []
    for value in values:
        found = PyDict_GetItemWithError(postings, value)
        if found == NULL:
            continue
        if type(<object>found) is int:
            own.append(<object>found)
        else:
            terms.append(<object>found)
    if own:
        slots.extend(own)
    return slots, terms
