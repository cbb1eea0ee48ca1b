"""Answers of /apis/heapfast/v1/query as text: rows of JSON or CSV.

In      an Aggregate that has run, its groups in the order of the answer
Out     a list of objects, or lines of comma-separated values; how many
Callers api/query.py, in a thread
Source  docs/query.md, which is ours; RFC 8259, RFC 4180
Never   holds the GIL while it writes
"""
from heapfast._aggregate cimport Aggregate
from heapfast._grouping cimport Grouping
from heapfast._types cimport int64_t, span_t, uint32_t
from heapfast.codec._float cimport FLOAT_MAX, write_double
from heapfast.codec._rfc3339 cimport RFC3339_MAX, format_rfc3339
from heapfast.render._json cimport (
    JsonBuffer,
    buffer_t,
    put_char,
    put_double,
    put_literal,
    put_raw,
    put_string,
    reserve,
)

cdef enum:
    MAX_COLUMNS = 40


def count_rows(Aggregate aggregate not None, const uint32_t[::1] groups not None) -> int:
    """Return how many rows an answer with these groups has."""
    cdef Py_ssize_t i, bucket, n = 0
    cdef double value
    with nogil:
        for i in range(groups.shape[0]):
            for bucket in range(aggregate.n_buckets):
                value = aggregate.value_of(bucket, 0, groups[i])
                n += value == value
    return n


def render_json_rows(
    Aggregate aggregate not None, const uint32_t[::1] groups not None, columns, bytes head=b"", bytes tail=b""
) -> bytes:
    """Return a JSON list: one object a group and bucket that has samples.

    Args:
        groups: in the order of the answer.
        columns: names of all members: keys of the group, time, functions.
        head, tail: what to write before and behind: to join long bytes would hold the GIL.
    """
    cdef JsonBuffer owner = JsonBuffer()
    cdef Grouping grouping = aggregate.grouping
    cdef list names = []
    cdef const char* name[MAX_COLUMNS]
    cdef Py_ssize_t name_len[MAX_COLUMNS]
    cdef bytes text
    cdef int i = 0
    for column in columns:
        text = _json_name(column, i == 0)
        names.append(text)
        name[i] = text
        name_len[i] = len(text)
        i += 1
    cdef const uint32_t* group = &groups[0] if groups.shape[0] else NULL
    cdef Py_ssize_t n = groups.shape[0]
    cdef const char* before = head
    cdef const char* behind = tail
    cdef Py_ssize_t before_len = len(head), behind_len = len(tail)
    with nogil:
        put_raw(&owner.buffer, before, before_len)
        put_char(&owner.buffer, c"[")
        _put_rows(aggregate, grouping, group, n, &owner.buffer, name, name_len)
        put_char(&owner.buffer, c"]")
        put_raw(&owner.buffer, behind, behind_len)
    return owner.take()


def render_csv_rows(Aggregate aggregate not None, const uint32_t[::1] groups not None, bytes head=b"") -> bytes:
    """Return lines of comma-separated values, as render_json_rows has objects; `head` before them."""
    cdef JsonBuffer owner = JsonBuffer()
    cdef Grouping grouping = aggregate.grouping
    cdef const uint32_t* group = &groups[0] if groups.shape[0] else NULL
    cdef Py_ssize_t n = groups.shape[0]
    cdef const char* before = head
    cdef Py_ssize_t before_len = len(head)
    with nogil:
        put_raw(&owner.buffer, before, before_len)
        _put_rows(aggregate, grouping, group, n, &owner.buffer, NULL, NULL)
    return owner.take()


cdef bytes _json_name(str name, bint is_first):
    cdef JsonBuffer owner = JsonBuffer()
    cdef bytes raw = name.encode("utf-8", "replace")
    put_char(&owner.buffer, c"{" if is_first else c",")
    put_string(&owner.buffer, raw, len(raw))
    put_char(&owner.buffer, c":")
    return owner.take()


# JSON where there are names, else CSV.
cdef void _put_rows(
    Aggregate aggregate,
    Grouping grouping,
    const uint32_t* groups,
    Py_ssize_t n,
    buffer_t* buffer,
    const char** name,
    const Py_ssize_t* name_len,
) noexcept nogil:
    cdef Py_ssize_t i, bucket
    cdef int column, key, function
    cdef double value
    cdef span_t text
    cdef bint is_first = True
    for i in range(n):
        for bucket in range(aggregate.n_buckets - 1, -1, -1):
            value = aggregate.value_of(bucket, 0, groups[i])
            if value != value:
                continue
            if name != NULL and not is_first:
                put_char(buffer, c",")
            is_first = False
            column = 0
            for key in range(grouping.n_keys):
                text = grouping.text(key, groups[i])
                _begin_value(buffer, name, name_len, column)
                if name == NULL:
                    _put_csv_text(buffer, text)
                elif text.ptr == NULL:
                    put_literal(buffer, b"null")
                else:
                    put_string(buffer, text.ptr, text.len)
                column += 1
            _begin_value(buffer, name, name_len, column)
            _put_time(buffer, aggregate.bucket_start_ns[bucket], name != NULL)
            column += 1
            for function in range(aggregate.n_over):
                _begin_value(buffer, name, name_len, column)
                value = aggregate.value_of(bucket, function, groups[i])
                if name != NULL:
                    put_double(buffer, value)
                elif reserve(buffer, FLOAT_MAX):
                    buffer.len += write_double(value, buffer.data + buffer.len)
                column += 1
            put_char(buffer, c"}" if name != NULL else c"\n")


cdef inline void _begin_value(
    buffer_t* buffer, const char** name, const Py_ssize_t* name_len, int column
) noexcept nogil:
    if name != NULL:
        put_raw(buffer, name[column], name_len[column])
    elif column:
        put_char(buffer, c",")


cdef void _put_time(buffer_t* buffer, int64_t time_ns, bint is_quoted) noexcept nogil:
    """RFC 3339 in UTC, with as many decimals as needed."""
    if reserve(buffer, RFC3339_MAX + 2):
        if is_quoted:
            put_char(buffer, c'"')
        buffer.len += format_rfc3339(time_ns, 0, buffer.data + buffer.len)
        if is_quoted:
            put_char(buffer, c'"')


cdef void _put_csv_text(buffer_t* buffer, span_t text) noexcept nogil:
    cdef uint32_t i
    cdef bint is_quoted = False
    for i in range(text.len):
        if text.ptr[i] == c"," or text.ptr[i] == c'"' or text.ptr[i] == c"\n" or text.ptr[i] == c"\r":
            is_quoted = True
    # An empty text is in quotes, so that it is not taken for none.
    if not is_quoted and (text.len or text.ptr == NULL):
        put_raw(buffer, text.ptr, text.len)
        return
    put_char(buffer, c'"')
    for i in range(text.len):
        if text.ptr[i] == c'"':
            put_char(buffer, c'"')
        put_char(buffer, text.ptr[i])
    put_char(buffer, c'"')
