"""Long lists of names (see _name_list.pxd).

In      names of a closed batch, of a column of Arrow, of a JSON list, or texts
Out     all of them in order, each once
Callers the stores of history/ fill and sort, render/_names.pyx writes
Source  issue 5: the loop never held more than 5 ms; as many texts as a cluster has pods take that long to be freed
Never   makes an object a name, but for who iterates
"""
from libc.stdlib cimport free, malloc, qsort, realloc
from libc.string cimport memcmp, memcpy

from heapfast._batch cimport Batch, check_kind
from heapfast._frame cimport frame_t
from heapfast._text cimport text_ptr, text_t
from heapfast._types cimport span_t, uint32_t
from heapfast.wire._cursor cimport (
    CURSOR_MEMORY,
    CURSOR_OK,
    CURSOR_TOKEN,
    cursor_message,
    cursor_t,
    fail,
    peek_token,
    scan_string,
    string_t,
)
from heapfast.wire._text cimport decode_json
from heapfast.wire._walk cimport next_element

from heapfast.errors import ParseError, StoreError

cdef enum:
    FIRST_NAMES = 64
    FIRST_BYTES = 1024
    UTF8_GROWTH = 3            # bytes that one byte of JSON may become


cdef int _compare(const void* a, const void* b) noexcept nogil:
    cdef const span_t* left = <const span_t*>a
    cdef const span_t* right = <const span_t*>b
    cdef uint32_t n = min(left.len, right.len)
    cdef int order = memcmp(left.ptr, right.ptr, n) if n else 0
    return order if order else (left.len > right.len) - (left.len < right.len)


cdef inline bint _is_same(const span_t* a, const span_t* b) noexcept nogil:
    return a.len == b.len and (a.len == 0 or memcmp(a.ptr, b.ptr, a.len) == 0)


cdef class NameList:
    """Names in the order they were added; once sorted, in their own, each once.

    Of one thread at a time. Everything but `add` and iteration runs without the GIL.
    """

    def __cinit__(self, names=()):
        self.add(names)

    def __dealloc__(self):
        free(self.data)
        free(self.end)

    def __len__(self):
        return self.n

    def __iter__(self):
        cdef Py_ssize_t i
        cdef size_t start = 0
        for i in range(self.n):
            # What a kubelet sends need not be UTF-8.
            yield self.data[start:self.end[i]].decode("utf-8", "replace")
            start = self.end[i]

    def add(self, names):
        """Enter some texts. A slice of a long list at a time: this holds the GIL."""
        cdef bytes raw
        for name in names:
            raw = name.encode("utf-8", "surrogateescape")
            if not self._put(raw, len(raw)):
                raise MemoryError("cannot list names: out of memory")

    def add_batch(self, Batch batch not None, int kind, Py_ssize_t parent=-1):
        """Enter the names of a kind of entities in a closed batch: all of them, or those of one parent.

        Args:
            parent: its slot; -1 for all.
        """
        cdef const frame_t* frame
        cdef const frame_t* owner = NULL
        cdef Py_ssize_t i
        cdef bint ok = True
        check_kind(kind)
        frame = &batch.frame[kind]
        if parent >= 0:
            owner = &batch.frame[batch._owner_kind(kind)]
        with nogil:
            if owner == NULL:
                for i in range(frame.n):
                    if frame.present[i]:
                        ok = ok and self._put_text(frame.name[i])
            elif parent < owner.n and owner.first[kind] != NULL:
                for i in range(owner.first[kind][parent], owner.first[kind][parent + 1]):
                    ok = ok and self._put_text(frame.name[owner.child[kind][i]])
        if not ok:
            raise MemoryError("cannot list names: out of memory")

    cdef bint _put_text(self, const text_t* text) noexcept nogil:
        return self._put(NULL, 0) if text == NULL else self._put(text_ptr(text), text.len)

    def add_column(self, const int[::1] ends not None, const unsigned char[::1] texts):
        """Enter a column of texts as Arrow has it.

        Args:
            ends: where the first begins, then where each ends.
            texts: None where all are empty.
        """
        cdef Py_ssize_t i, size = 0 if texts is None else texts.shape[0]
        cdef const char* text = <const char*>&texts[0] if size else NULL
        cdef bint ok = True
        cdef bint is_ascending = ends.shape[0] > 0 and ends[0] >= 0
        with nogil:
            for i in range(1, ends.shape[0]):
                is_ascending = is_ascending and ends[i - 1] <= ends[i]
            if is_ascending and ends[ends.shape[0] - 1] <= size:
                for i in range(1, ends.shape[0]):
                    ok = ok and self._put(text + ends[i - 1], ends[i] - ends[i - 1])
            else:
                is_ascending = False
        if not is_ascending:
            raise StoreError(f"BUG: texts in {size} bytes do not end where they should")
        if not ok:
            raise MemoryError("cannot list names: out of memory")

    def add_json(self, const unsigned char[::1] text not None):
        """Enter the strings of a JSON list.

        Raises:
            ParseError: the text is anything else; then nothing is entered.
        """
        cdef size_t size = text.shape[0], error_at = 0, size_before = self.size
        cdef const char* ptr = <const char*>&text[0] if size else NULL
        cdef Py_ssize_t n_before = self.n
        cdef int error
        with nogil:
            error = self._put_json(ptr, size, &error_at)
        if error == CURSOR_OK:
            return
        self.n, self.size = n_before, size_before
        if error == CURSOR_MEMORY:
            raise MemoryError("cannot list names: out of memory")
        raise ParseError("a list of names", cursor_message(error).decode(), error_at)

    def add_list(self, NameList other not None):
        """Enter all names of another list."""
        cdef Py_ssize_t i
        cdef size_t start = 0
        cdef bint ok
        with nogil:
            ok = self._reserve(other.n, other.size)
            if ok:
                for i in range(other.n):
                    self._put(other.data + start, other.end[i] - start)
                    start = other.end[i]
        if not ok:
            raise MemoryError("cannot list names: out of memory")

    def sort(self):
        """Bring the names in order, bytewise, and leave each but once. More may be entered afterwards."""
        cdef bint ok = True
        with nogil:
            if not self.is_sorted:
                ok = self._sort()
        if not ok:
            raise MemoryError("cannot sort names: out of memory")

    cdef bint _reserve(self, Py_ssize_t n, size_t size) noexcept nogil:
        cdef size_t cap
        cdef Py_ssize_t n_cap
        cdef void* bigger
        if self.cap - self.size < size:
            cap = max(<size_t>FIRST_BYTES, 2 * self.cap, self.size + size)
            bigger = realloc(self.data, cap)
            if bigger == NULL:
                return False
            self.data = <char*>bigger
            self.cap = cap
        if self.n_cap - self.n < n:
            n_cap = max(<Py_ssize_t>FIRST_NAMES, 2 * self.n_cap, self.n + n)
            bigger = realloc(self.end, n_cap * sizeof(size_t))
            if bigger == NULL:
                return False
            self.end = <size_t*>bigger
            self.n_cap = n_cap
        return True

    cdef bint _put(self, const char* ptr, size_t len) noexcept nogil:
        if not self._reserve(1, len):
            return False
        if len:
            memcpy(self.data + self.size, ptr, len)
        # Not `+=`: where the debug build looks whether there is a self, that takes the GIL.
        self.size = self.size + len
        self.end[self.n] = self.size
        self.n = self.n + 1
        self.is_sorted = False
        return True

    cdef int _put_json(self, const char* ptr, size_t len, size_t* error_at) noexcept nogil:
        cdef cursor_t c
        cdef string_t text
        cdef bint inside = False
        c.start = c.at = ptr
        c.end = ptr + len
        c.error = CURSOR_OK
        c.error_at = ptr
        if peek_token(&c) != c"[":
            fail(&c, CURSOR_TOKEN)
        else:
            c.at += 1
        while next_element(&c, &inside):
            if c.at[0] != c'"':
                fail(&c, CURSOR_TOKEN)
            elif scan_string(&c, &text):
                if not self._reserve(1, UTF8_GROWTH * <size_t>text.len):
                    fail(&c, CURSOR_MEMORY)
                    continue
                self.size = self.size + decode_json(text.ptr, text.len, self.data + self.size)
                self.end[self.n] = self.size
                self.n = self.n + 1
                self.is_sorted = False
        peek_token(&c)
        if c.at < c.end:
            fail(&c, CURSOR_TOKEN)
        error_at[0] = c.error_at - ptr
        return c.error

    cdef bint _sort(self) noexcept nogil:
        cdef span_t* span = <span_t*>malloc((<size_t>self.n + 1) * sizeof(span_t))
        cdef char* sorted_data = <char*>malloc(self.size + 1)
        cdef size_t start = 0
        cdef Py_ssize_t i, n = 0
        if span == NULL or sorted_data == NULL:
            free(span)
            free(sorted_data)
            return False
        for i in range(self.n):
            span[i].ptr = self.data + start
            span[i].len = <uint32_t>(self.end[i] - start)
            start = self.end[i]
        qsort(span, self.n, sizeof(span_t), _compare)
        start = 0
        for i in range(self.n):
            if i and _is_same(&span[i - 1], &span[i]):
                continue
            if span[i].len:
                memcpy(sorted_data + start, span[i].ptr, span[i].len)
            start += span[i].len
            self.end[n] = start
            n += 1
        free(span)
        free(self.data)
        self.data = sorted_data
        self.cap = self.size + 1
        self.size = start
        self.n = n
        self.is_sorted = True
        return True
