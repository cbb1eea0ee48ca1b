"""The order of the rows of several sorted tables as one, entity after entity.

In      tables of one order, as Arrow's buffers; which of them end where they end, and which go on
Out     numbers of rows, as far as what follows in the tables cannot change them
Callers history/ranges.py
Source  docs/history.md for the order; Arrow's columnar format for validity, offsets and values
Never   compares more often than the number of tables a row, or takes the tables' word for their order

Tables are batches of the same cluster, so nearly all of them have every entity. Each entity is looked for in all tables
at once, and its rows are taken from one after another: about two comparisons a row, where a heap needs a logarithm.

    table 0  a a b b d d ─┐
    table 1  a b b c ─────┼─▶ a a a | b b b b | c ... but not yet: table 1 goes on, there may be more of c
"""
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport INT64_MIN, uint8_t
from libc.stdlib cimport qsort
from libc.string cimport memcmp, memset

from heapfast._types cimport int32_t, int64_t

# type, namespace, pod, container, node; resource, make, model, id
cdef enum:
    N_KEYS = 9

cdef struct texts_t:
    const uint8_t* validity    # borrowed from the table; NULL = none is null
    const int32_t* offset      # borrowed; NULL = all are null
    const char* data           # borrowed
    Py_ssize_t first           # of the table, in the buffers

cdef struct table_t:
    texts_t key[N_KEYS]
    const int64_t* time_ns     # borrowed; of the table's first row
    Py_ssize_t n
    Py_ssize_t at              # first row that is not in the order yet
    Py_ssize_t end             # one past the last row of the entity at `at`
    Py_ssize_t base            # number of the table's first row among all rows
    bint is_last               # nothing follows

cdef struct place_t:
    int64_t time_ns
    int64_t row

cdef enum:
    ORDER_DONE = 0             # all rows are in the order
    ORDER_SHORT = 1            # a table that goes on has to be longer
    ORDER_BROKEN = 2           # a table is not sorted


cdef inline bint has_text(texts_t* texts, Py_ssize_t i) noexcept nogil:
    if texts.offset == NULL:
        return False
    i += texts.first
    return texts.validity == NULL or texts.validity[i >> 3] >> (i & 7) & 1


cdef int compare_entities(table_t* a, Py_ssize_t i, table_t* b, Py_ssize_t j) noexcept nogil:
    """Below 0, 0 or above 0: bytewise, null behind all texts."""
    cdef texts_t* one
    cdef texts_t* other
    cdef bint has_one, has_other
    cdef int32_t begin, n, other_begin, other_n
    cdef int k, order
    for k in range(N_KEYS):
        one, other = a.key + k, b.key + k
        has_one, has_other = has_text(one, i), has_text(other, j)
        if has_one != has_other:
            return -1 if has_one else 1
        if not has_one:
            continue
        begin = one.offset[one.first + i]
        n = one.offset[one.first + i + 1] - begin
        other_begin = other.offset[other.first + j]
        other_n = other.offset[other.first + j + 1] - other_begin
        if n and other_n:
            order = memcmp(one.data + begin, other.data + other_begin, min(n, other_n))
            if order:
                return order
        if n != other_n:
            return -1 if n < other_n else 1
    return 0


cdef int compare_places(const void* a, const void* b) noexcept nogil:
    cdef const place_t* one = <const place_t*>a
    cdef const place_t* other = <const place_t*>b
    if one.time_ns != other.time_ns:
        return -1 if one.time_ns < other.time_ns else 1
    return (one.row > other.row) - (one.row < other.row)


cdef int order_tables(
    table_t* tables,           # IN   at 0; OUT at, of each
    int n_tables,              # IN
    table_t* before,           # IN   one row of the entity that was last; NULL = there was none
    int* ties,                 # IN   room for n_tables
    place_t* places,           # IN   room for all rows
    Py_ssize_t* n_rows,        # OUT  in the order
    int* which,                # OUT  the table that is short or not sorted
) noexcept nogil:
    cdef table_t* last = before
    cdef Py_ssize_t i, n = 0, first, last_row = 0
    cdef int64_t time_ns
    cdef int k, order, n_ties
    cdef table_t* table
    cdef bint is_ordered
    while True:
        n_rows[0] = n
        n_ties = 0
        for k in range(n_tables):
            table = &tables[k]
            if table.at == table.n:
                if table.is_last:
                    continue
                which[0] = k
                return ORDER_SHORT
            order = 0
            if n_ties:
                order = compare_entities(table, table.at, &tables[ties[0]], tables[ties[0]].at)
            if order < 0:
                n_ties = 0
            if order <= 0:
                ties[n_ties] = k
                n_ties += 1
        if n_ties == 0:
            return ORDER_DONE
        table = &tables[ties[0]]
        if last != NULL and compare_entities(last, last_row, table, table.at) >= 0:
            which[0] = ties[0]
            return ORDER_BROKEN
        for k in range(n_ties):
            table = &tables[ties[k]]
            table.end = table.at + 1
            while table.end < table.n and compare_entities(table, table.at, table, table.end) == 0:
                table.end += 1
            if table.end == table.n and not table.is_last:
                which[0] = ties[k]
                return ORDER_SHORT
        first = n
        is_ordered = True
        time_ns = INT64_MIN
        for k in range(n_ties):
            table = &tables[ties[k]]
            for i in range(table.at, table.end):
                is_ordered = is_ordered and time_ns <= table.time_ns[i]
                time_ns = table.time_ns[i]
                places[n].time_ns = time_ns
                places[n].row = table.base + i
                n += 1
            last, last_row = table, table.at
            table.at = table.end
        if not is_ordered:
            qsort(&places[first], n - first, sizeof(place_t), compare_places)


cdef const char* start_of(object buffer, Py_ssize_t n_bytes) except? NULL:
    """Where a buffer's bytes are, as long as it lives."""
    cdef Py_buffer view
    PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE)
    cdef const char* start = <const char*>view.buf
    cdef Py_ssize_t size = view.len
    PyBuffer_Release(&view)
    if size < n_bytes:
        raise ValueError(f"BUG: a buffer of {size} bytes, want {n_bytes}")
    return start


cdef int fill_table(table_t* table, object given) except -1:
    """Takes a Table (ranges.py) apart, whose buffers the caller keeps."""
    cdef Py_ssize_t end
    cdef int k
    cdef texts_t* texts
    n, is_last, (time, first), keys = given
    if len(keys) != N_KEYS:
        raise ValueError(f"BUG: {len(keys)} columns, want {N_KEYS}")
    memset(table, 0, sizeof(table_t))
    table.n, table.is_last = n, is_last
    table.time_ns = <const int64_t*>start_of(time, (table.n + first) * sizeof(int64_t)) + <Py_ssize_t>first
    for k, key in enumerate(keys):
        if key is None:
            continue
        validity, offsets, data, first = key
        texts = &table.key[k]
        texts.first = first
        end = texts.first + table.n
        if validity is not None:
            texts.validity = <const uint8_t*>start_of(validity, (end + 7) // 8)
        texts.offset = <const int32_t*>start_of(offsets, (end + 1) * sizeof(int32_t))
        if data is not None:
            texts.data = start_of(data, texts.offset[end])
    return 0


def order_of(list given not None, before=None):
    """Puts rows of tables into one order: by entity, then time, then table.

    An entity is in it when all its rows are there: what is left over is the caller's to give again, and what follows.

    Args:
        given: one a table: how many rows; whether nothing follows; its times as (buffer, number of the first value); of
            each of the nine columns of the order (validity or None, offsets, data, number of the first value), or None
            where all are null.
        before: likewise, a table of one row: the entity of the last row that is in the order already.

    Returns:
        Numbers of rows, as int64, counted through all tables; how many of each table they are; and the number of the
        table that has to be longer before there can be more, None when all rows are in the order.

    Raises:
        NotInOrder: one of the tables is not sorted; no other is said to be.
    """
    cdef int n_tables = len(given), k, status, which = -1
    cdef Py_ssize_t n_all = 0, n = 0, i
    cdef table_t first
    cdef table_t* last = NULL
    cdef table_t* tables = <table_t*>PyMem_Malloc((n_tables + 1) * sizeof(table_t))
    cdef int* ties = <int*>PyMem_Malloc((n_tables + 1) * sizeof(int))
    cdef place_t* places = NULL
    cdef int64_t* out
    try:
        if tables == NULL or ties == NULL:
            raise MemoryError
        for k in range(n_tables):
            fill_table(&tables[k], given[k])
            tables[k].base = n_all
            n_all += tables[k].n
        if before is not None:
            fill_table(&first, before)
            last = &first
        places = <place_t*>PyMem_Malloc((n_all + 1) * sizeof(place_t))
        if places == NULL:
            raise MemoryError
        with nogil:
            status = order_tables(tables, n_tables, last, ties, places, &n, &which)
        if status == ORDER_BROKEN:
            raise NotInOrder(which)
        order = PyBytes_FromStringAndSize(NULL, n * sizeof(int64_t))
        out = <int64_t*>PyBytes_AS_STRING(order)
        for i in range(n):
            out[i] = places[i].row
        return order, [tables[k].at for k in range(n_tables)], which if status == ORDER_SHORT else None
    finally:
        PyMem_Free(tables)
        PyMem_Free(ties)
        PyMem_Free(places)


class NotInOrder(Exception):
    """A table is not sorted.

    Attributes:
        table: its number.
    """

    def __init__(self, table):
        super().__init__(f"table {table} is not sorted")
        self.table = table
