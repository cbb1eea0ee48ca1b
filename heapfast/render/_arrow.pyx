"""Answers of /apis/heapfast/v1/query as an Arrow IPC stream: keys as text, time as a timestamp, functions as doubles.

In      an Aggregate that has run, its groups in the order of the answer
Out     one stream, of record batches
Callers api/query.py, in a thread
Source  docs/query.md, which is ours; Apache Arrow's columnar format; messages: arrow.py
Never   holds the GIL while it writes columns
"""
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from heapfast._aggregate cimport Aggregate
from heapfast._grouping cimport Grouping
from heapfast._types cimport int32_t, int64_t, span_t, uint8_t, uint32_t
from heapfast.render._json cimport JsonBuffer, buffer_t, put_char, put_literal, put_raw, reserve, rune_width

from heapfast.errors import StoreError
from heapfast.render.arrow import END_OF_STREAM, Column, batch_message, schema_message

cdef enum:
    BATCH_ROWS = 65536         # so that no column has more text than 31 bits can say
    MAX_COLUMNS = 40
    BUFFERS = 3                # of a column of text: which rows have one, where each ends, the text

ROWS_A_BATCH = BATCH_ROWS

cdef struct row_t:
    uint32_t group
    uint32_t bucket

cdef struct column_t:
    int64_t n_nulls
    int64_t size[BUFFERS]      # bytes, without padding


def render_arrow_rows(Aggregate aggregate not None, const uint32_t[::1] groups not None, keys, functions) -> bytes:
    """Return the stream: a row a group and bucket that has samples, as render_json_rows has objects.

    Args:
        groups: in the order of the answer.
        keys, functions: names of the columns.
    """
    cdef JsonBuffer owner = JsonBuffer()
    cdef buffer_t* buffer = &owner.buffer
    cdef Grouping grouping = aggregate.grouping
    cdef column_t column[MAX_COLUMNS]
    cdef int n_keys = grouping.n_keys, n_columns = grouping.n_keys + 1 + aggregate.n_over, i
    cdef Py_ssize_t n = groups.shape[0], n_rows, start, stop, at
    cdef const uint32_t* group = &groups[0] if n else NULL
    cdef row_t* row
    cdef bytes message
    if len(keys) != n_keys or len(functions) != aggregate.n_over or n_columns > MAX_COLUMNS:
        raise StoreError(f"BUG: {len(keys)} keys and {len(functions)} functions are not those of the answer")
    row = <row_t*>malloc((<size_t>n * aggregate.n_buckets + 1) * sizeof(row_t))
    if row == NULL:
        raise MemoryError("cannot render an answer: out of memory")
    try:
        with nogil:
            n_rows = _find_rows(aggregate, group, n, row)
        _put_bytes(buffer, schema_message(keys, functions))
        for start in range(0, n_rows, BATCH_ROWS):
            stop = min(start + BATCH_ROWS, n_rows)
            memset(column, 0, sizeof(column))
            at = buffer.len
            _put_bytes(buffer, _message(stop - start, column, n_columns, n_keys))
            with nogil:
                for i in range(n_keys):
                    _put_texts(buffer, grouping, i, row + start, stop - start, &column[i])
                _put_times(buffer, aggregate, row + start, stop - start, &column[n_keys])
                for i in range(aggregate.n_over):
                    _put_values(buffer, aggregate, i, row + start, stop - start, &column[n_keys + 1 + i])
            message = _message(stop - start, column, n_columns, n_keys)
            if not buffer.failed:
                memcpy(buffer.data + at, <const char*>message, len(message))
        _put_bytes(buffer, END_OF_STREAM)
    finally:
        free(row)
    return owner.take()


cdef bytes _message(Py_ssize_t n_rows, const column_t* column, int n_columns, int n_keys):
    cdef int i, k
    columns = []
    for i in range(n_columns):
        sizes = [column[i].size[k] for k in range(BUFFERS if i < n_keys else BUFFERS - 1)]
        columns.append(Column(column[i].n_nulls, tuple(sizes)))
    return batch_message(n_rows, columns)


cdef _put_bytes(buffer_t* buffer, bytes text):
    put_raw(buffer, text, len(text))


cdef Py_ssize_t _find_rows(Aggregate aggregate, const uint32_t* groups, Py_ssize_t n, row_t* out) noexcept nogil:
    cdef Py_ssize_t i, bucket, found = 0
    cdef double value
    for i in range(n):
        for bucket in range(aggregate.n_buckets - 1, -1, -1):
            value = aggregate.value_of(bucket, 0, groups[i])
            if value == value:
                out[found].group = groups[i]
                out[found].bucket = <uint32_t>bucket
                found += 1
    return found


# Room for a buffer of so many bytes, padded; where it is, zeroed. NULL: out of memory.
cdef char* _take(buffer_t* buffer, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t whole = (size + 7) & ~7
    cdef char* taken
    if not reserve(buffer, whole):
        return NULL
    taken = buffer.data + buffer.len
    memset(taken, 0, whole)
    buffer.len += whole
    return taken


cdef void _put_times(
    buffer_t* buffer, Aggregate aggregate, const row_t* row, Py_ssize_t n, column_t* column
) noexcept nogil:
    cdef Py_ssize_t i
    cdef int64_t* time_ns
    # Each row has one: which rows do need not be said.
    column.size[1] = n * sizeof(int64_t)
    time_ns = <int64_t*>_take(buffer, column.size[1])
    if time_ns != NULL:
        for i in range(n):
            time_ns[i] = aggregate.bucket_start_ns[row[i].bucket]


cdef void _put_values(
    buffer_t* buffer, Aggregate aggregate, int function, const row_t* row, Py_ssize_t n, column_t* column
) noexcept nogil:
    cdef Py_ssize_t i
    cdef Py_ssize_t at = buffer.len
    cdef double found
    cdef uint8_t* is_there
    cdef double* value
    column.size[0] = (n + 7) // 8
    column.size[1] = n * sizeof(double)
    if _take(buffer, column.size[0]) == NULL or _take(buffer, column.size[1]) == NULL:
        return
    is_there = <uint8_t*>buffer.data + at
    value = <double*>(buffer.data + at + ((column.size[0] + 7) & ~7))
    for i in range(n):
        found = aggregate.value_of(row[i].bucket, function, row[i].group)
        if found - found == 0:
            value[i] = found
            is_there[i >> 3] |= <uint8_t>(1 << (i & 7))
        else:
            column.n_nulls += 1    # NaN and infinities, as in JSON


cdef void _put_texts(
    buffer_t* buffer, Grouping grouping, int key, const row_t* row, Py_ssize_t n, column_t* column
) noexcept nogil:
    cdef Py_ssize_t i
    cdef Py_ssize_t at = buffer.len, ends, texts
    cdef span_t text
    column.size[0] = (n + 7) // 8
    column.size[1] = (n + 1) * sizeof(int32_t)
    if _take(buffer, column.size[0]) == NULL or _take(buffer, column.size[1]) == NULL:
        return
    ends = at + ((column.size[0] + 7) & ~7)
    texts = buffer.len
    for i in range(n):
        text = grouping.text(key, row[i].group)
        if text.ptr == NULL:
            column.n_nulls += 1
        else:
            (<uint8_t*>buffer.data + at)[i >> 3] |= <uint8_t>(1 << (i & 7))
            _put_utf8(buffer, text)
        # The buffer may have moved.
        (<int32_t*>(buffer.data + ends))[i + 1] = <int32_t>(buffer.len - texts)
    column.size[2] = buffer.len - texts
    while buffer.len & 7 and not buffer.failed:
        put_char(buffer, 0)


cdef void _put_utf8(buffer_t* buffer, span_t text) noexcept nogil:
    """What a kubelet sends need not be UTF-8; what is not is replaced, as in JSON."""
    cdef uint32_t i = 0, start = 0
    cdef Py_ssize_t width
    while i < text.len:
        width = 1 if <uint8_t>text.ptr[i] < 0x80 else rune_width(<const uint8_t*>text.ptr + i, text.len - i)
        if width:
            i += <uint32_t>width
            continue
        put_raw(buffer, text.ptr + start, i - start)
        put_literal(buffer, b"\xef\xbf\xbd")
        i += 1
        start = i
    put_raw(buffer, text.ptr + start, text.len - start)
