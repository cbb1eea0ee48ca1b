"""One series as JSON: points and the latest timestamp.

In      the store, and which series of it; or columns of timestamps and values
Out     bytes: indented for one series, compact in the list of a pod-list
Callers api/model.py; render/historical.py, which has series in chunks
Source  spec/heapster-rest.md 6.2 and 6.3; B8 (values are signed), B13 (floatValue)
Never   parses a request, or decides which entity is meant
"""
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport INT64_MAX, INT64_MIN

from heapfast._core cimport Store
from heapfast._types cimport N_METRICS, time_zero, uint32_t
from heapfast.codec._rfc3339 cimport format_rfc3339
from heapfast.render._json cimport (
    TIME_MAX_LEN,
    JsonBuffer,
    bits_to_double,
    buffer_t,
    put_char,
    put_double,
    put_int,
    put_line,
    put_literal,
    put_time,
    reserve,
)


cdef void put_series(
    buffer_t* buffer, const int64_t* ts, const int64_t* bits, Py_ssize_t n, bint is_float, bint indented
) noexcept nogil:
    cdef Py_ssize_t i
    cdef int64_t latest = time_zero() if n == 0 else ts[0]
    put_char(buffer, c"{")
    _put_key(buffer, 1, b'"metrics":', indented)
    put_char(buffer, c"[")
    for i in range(n):
        if i:
            put_char(buffer, c",")
        _put_point(buffer, ts[i], bits[i], is_float, indented, False)
        latest = max(latest, ts[i])
    if indented and n:
        put_line(buffer, 1)
    put_literal(buffer, b"],")
    _put_key(buffer, 1, b'"latestTimestamp":', indented)
    put_time(buffer, latest)
    if indented:
        put_line(buffer, 0)
    put_char(buffer, c"}")


def render_points(const int64_t[::1] timestamps_ns, values, bint indented, bint is_first):
    """Return points as they stand between the brackets of a series, those of one chunk of it; times in UTC.

    Args:
        timestamps_ns: as many as there are values.
        values: int64, or doubles, by what their buffer says.
        is_first: no comma before them.
    """
    cdef JsonBuffer owner = JsonBuffer()
    cdef buffer_t* buffer = &owner.buffer
    cdef bint is_float = memoryview(values).format == "d"
    cdef const int64_t[::1] bits = memoryview(values).cast("B").cast("q")
    cdef Py_ssize_t i, n = timestamps_ns.shape[0]
    if bits.shape[0] != n:
        raise ValueError(f"BUG: {n} timestamps for {bits.shape[0]} values")
    for i in range(n):
        if i or not is_first:
            put_char(buffer, c",")
        _put_point(buffer, timestamps_ns[i], bits[i], is_float, indented, True)
    return owner.take()


def render_time(timestamp_ns):
    """Return a time in UTC as a JSON string; year 1 for None."""
    cdef JsonBuffer owner = JsonBuffer()
    put_utc(&owner.buffer, time_zero() if timestamp_ns is None else <int64_t>timestamp_ns)
    return owner.take()


cdef inline void put_utc(buffer_t* buffer, int64_t time_ns) noexcept nogil:
    if reserve(buffer, TIME_MAX_LEN):
        put_char(buffer, c'"')
        buffer.len += format_rfc3339(time_ns, 0, buffer.data + buffer.len)
        put_char(buffer, c'"')


cdef inline void _put_key(buffer_t* buffer, int depth, const char* key, bint indented) noexcept nogil:
    if indented:
        put_line(buffer, depth)
    put_literal(buffer, key)
    if indented:
        put_char(buffer, c" ")


cdef inline void _put_point(
    buffer_t* buffer, int64_t ts, int64_t bits, bint is_float, bint indented, bint is_utc
) noexcept nogil:
    cdef double value = bits_to_double(bits)
    if indented:
        put_line(buffer, 2)
    put_char(buffer, c"{")
    _put_key(buffer, 3, b'"timestamp":', indented)
    if is_utc:
        put_utc(buffer, ts)
    else:
        put_time(buffer, ts)
    put_char(buffer, c",")
    _put_key(buffer, 3, b'"value":', indented)
    if is_float:
        put_int(buffer, truncate(value))
        put_char(buffer, c",")
        _put_key(buffer, 3, b'"floatValue":', indented)
        put_double(buffer, value)
    else:
        put_int(buffer, bits)
    if indented:
        put_line(buffer, 2)
    put_char(buffer, c"}")


# Towards zero, as old clients know it (K4); what int64 cannot hold ends at its bounds.
cdef inline int64_t truncate(double value) noexcept nogil:
    if value >= 9223372036854775808.0:
        return INT64_MAX
    if value < -9223372036854775808.0:
        return INT64_MIN
    return <int64_t>value


def render_series(Store store not None, int kind, tuple slots not None, int metric, int64_t start_ns, int64_t end_ns):
    """Return the indented answer for one series.

    Args:
        store: asked on the loop.
        kind: of the entity, or KIND_RESOURCE for a labelled metric.
        slots: of the entity, empty if it is unknown; of several resources the first with samples counts.
        metric: column, -1 if unknown.
        start_ns: inclusive, as is end_ns.
    """
    cdef JsonBuffer owner = JsonBuffer()
    cdef buffer_t* buffer = &owner.buffer
    _put_found(buffer, store, kind, slots, metric, start_ns, end_ns, True)
    return owner.take()


def render_series_items(
    Store store not None, int kind, list entities not None, int metric, int64_t start_ns, int64_t end_ns
):
    """Return compact items, comma-separated: one for each tuple of slots, empty ones too."""
    cdef JsonBuffer owner = JsonBuffer()
    cdef buffer_t* buffer = &owner.buffer
    cdef bint is_first = True
    for slots in entities:
        if not is_first:
            put_char(buffer, c",")
        is_first = False
        _put_found(buffer, store, kind, slots, metric, start_ns, end_ns, False)
    return owner.take()


cdef int _put_found(
    buffer_t* buffer,
    Store store,
    int kind,
    tuple slots,
    int metric,
    int64_t start_ns,
    int64_t end_ns,
    bint indented,
) except -1:
    cdef Py_ssize_t cap = store.series_capacity() if 0 <= metric < N_METRICS else 0
    cdef Py_ssize_t n = 0
    cdef uint32_t slot
    cdef bint is_float = cap > 0 and store.metrics.is_float[metric]
    # `bits` lies behind `ts`; one more entry, as nothing may be asked for either.
    cdef int64_t* ts = <int64_t*>PyMem_Malloc((2 * cap + 1) * sizeof(int64_t))
    cdef int64_t* bits = ts + cap
    if ts == NULL:
        raise MemoryError("cannot render a series: out of memory")
    try:
        if cap:
            for slot in slots:
                n = store.read_series(kind, slot, metric, start_ns, end_ns, ts, bits)
                if n:
                    break
        # What was found are the last entries.
        put_series(buffer, ts + cap - n, bits + cap - n, n, is_float, indented)
    finally:
        PyMem_Free(ts)
    return 0
