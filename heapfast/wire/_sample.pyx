"""One cAdvisor sample, with the spec that says what of it counts -> one row's values.

In      where the members of `spec` and of a sample are
Out     values, resources and custom metrics of a row
Callers _cadvisor.pyx
Source  spec/heapster-pipeline.md 3.5: a metric is there exactly when its flag in `spec` holds; what a sample lacks is 0
Never   keeps a bad value as 0: it is absent, and so is a sum with a bad part
"""
from libc.stdint cimport INT64_MAX
from libc.stdio cimport snprintf

from heapfast._types cimport (
    M_CPU_USAGE,
    M_MEMORY_CACHE,
    M_MEMORY_MAJOR_PAGE_FAULTS,
    M_MEMORY_PAGE_FAULTS,
    M_MEMORY_RSS,
    M_MEMORY_USAGE,
    M_MEMORY_WORKING_SET,
    M_NETWORK_RX,
    M_NETWORK_RX_ERRORS,
    M_NETWORK_TX,
    M_NETWORK_TX_ERRORS,
    N_STANDARD,
    RESOURCE_DISK,
    RESOURCE_FILESYSTEM,
    int64_t,
    span_t,
    time_zero,
    uint32_t,
)
from heapfast.wire._cursor cimport CURSOR_MEMORY, cursor_t, fail, peek, skip_value
from heapfast.wire._read cimport (
    READ_BAD,
    enter,
    read_count,
    read_flag,
    read_float,
    read_other,
    read_signed,
    read_time,
)
from heapfast.wire._resource_rows cimport (
    ACCELERATOR_ID,
    ACCELERATOR_MAKE,
    ACCELERATOR_MODEL,
    append_resource,
    is_word,
    new_resource,
    no_text,
    read_accelerator,
    read_key,
    read_plain,
    read_plain_text,
)
from heapfast.wire._rows cimport CUSTOM_CUMULATIVE, CUSTOM_GAUGE, Rows, custom_row_t, resource_row_t, row_t
from heapfast.wire._unique cimport same_text
from heapfast.wire._walk cimport NAME_UNKNOWN, names, names_t, next_element, next_member, over, walk_t

# In the order in which kubelets write them.
cdef names_t SPEC_NAMES = names({
    "creation_time": SPEC_CREATION_TIME, "labels": SPEC_LABELS, "has_cpu": SPEC_HAS_CPU, "has_memory": SPEC_HAS_MEMORY,
    "has_network": SPEC_HAS_NETWORK, "has_filesystem": SPEC_HAS_FILESYSTEM, "has_diskio": SPEC_HAS_DISKIO,
    "has_custom_metrics": SPEC_HAS_CUSTOM_METRICS, "custom_metrics": SPEC_CUSTOM_METRICS, "image": SPEC_IMAGE})
cdef names_t SAMPLE_NAMES = names({
    "timestamp": SAMPLE_TIMESTAMP, "cpu": SAMPLE_CPU, "diskio": SAMPLE_DISKIO, "memory": SAMPLE_MEMORY,
    "network": SAMPLE_NETWORK, "filesystem": SAMPLE_FILESYSTEM, "accelerators": SAMPLE_ACCELERATORS,
    "custom_metrics": SAMPLE_CUSTOM_METRICS})

# Ids below are metric ids, places in resource_row_t.value, or these.
cdef enum:
    NESTED = 100
    DEVICE
    MAJOR
    MINOR
    HAS_INODES
    NAME
    TYPE
    FORMAT
    TIMESTAMP
    INT_VALUE
    FLOAT_VALUE
cdef names_t CPU_NAMES = names({"usage": NESTED})
cdef names_t CPU_USAGE_NAMES = names({"total": M_CPU_USAGE})
cdef names_t MEMORY_NAMES = names({
    "usage": M_MEMORY_USAGE, "cache": M_MEMORY_CACHE, "rss": M_MEMORY_RSS, "working_set": M_MEMORY_WORKING_SET,
    "container_data": NESTED})
# The container's own faults, not those of the hierarchy below it.
cdef names_t CONTAINER_DATA_NAMES = names({
    "pgfault": M_MEMORY_PAGE_FAULTS, "pgmajfault": M_MEMORY_MAJOR_PAGE_FAULTS})
cdef names_t NETWORK_NAMES = names({"interfaces": NESTED})
cdef names_t INTERFACE_NAMES = names({"rx_bytes": 0, "rx_errors": 1, "tx_bytes": 2, "tx_errors": 3})
cdef names_t DISKIO_NAMES = names({"io_service_bytes": NESTED})
cdef names_t DISK_NAMES = names({"device": DEVICE, "major": MAJOR, "minor": MINOR, "stats": NESTED})
cdef names_t FILESYSTEM_NAMES = names({
    "device": DEVICE, "capacity": 1, "usage": 0, "available": 2, "has_inodes": HAS_INODES, "inodes": 3,
    "inodes_free": 4})
cdef names_t ACCELERATOR_NAMES = names({
    "make": ACCELERATOR_MAKE, "model": ACCELERATOR_MODEL, "id": ACCELERATOR_ID, "memory_total": 0, "memory_used": 1,
    "duty_cycle": 2})
# Maps with keys of their own.
cdef names_t NO_NAMES = names({})
cdef names_t CUSTOM_SPEC_NAMES = names({"name": NAME, "type": TYPE, "format": FORMAT})
cdef names_t CUSTOM_VALUE_NAMES = names({
    "timestamp": TIMESTAMP, "int_value": INT_VALUE, "float_value": FLOAT_VALUE})

cdef enum:
    CUSTOMS_MAX = 256          # custom metrics of one container; more are counted as bad. The store has room for 212
    DISK_ID_MAX = 48           # bytes of two 63-bit numbers, a colon and a NUL

cdef uint32_t CPU_BITS = 1 << M_CPU_USAGE
cdef uint32_t FAULT_BITS = 1 << M_MEMORY_PAGE_FAULTS | 1 << M_MEMORY_MAJOR_PAGE_FAULTS
cdef uint32_t MEMORY_BITS = (
    FAULT_BITS | 1 << M_MEMORY_USAGE | 1 << M_MEMORY_CACHE | 1 << M_MEMORY_RSS | 1 << M_MEMORY_WORKING_SET)
cdef uint32_t NETWORK_BITS = (
    1 << M_NETWORK_RX | 1 << M_NETWORK_RX_ERRORS | 1 << M_NETWORK_TX | 1 << M_NETWORK_TX_ERRORS)
cdef int[4] NETWORK_METRICS
NETWORK_METRICS[:] = [M_NETWORK_RX, M_NETWORK_RX_ERRORS, M_NETWORK_TX, M_NETWORK_TX_ERRORS]


cdef bint find_members(cursor_t* c, Rows rows, const names_t* table, where_t* where) noexcept nogil:
    cdef walk_t walk = over(table)
    where[0] = no_members()
    if not enter(c, rows, c'{'):
        return False
    while next_member(c, &walk):
        if walk.id != NAME_UNKNOWN:
            where.at[walk.id] = c.at if peek(c) != c'n' else NULL
        skip_value(c)
    return True


cdef inline bint flag(cursor_t* c, Rows rows, const where_t* spec, int member) noexcept nogil:
    return go_to(c, spec.at[member]) and read_flag(c, rows)


cdef inline void set_zero(row_t* row, uint32_t bits) noexcept nogil:
    cdef int m
    row.present |= bits
    for m in range(N_STANDARD):
        if bits >> m & 1:
            row.value[m] = 0


# Enters an object or array that speaks for `bits`. When it is something else, they are lost.
cdef inline bint enter_or_lose(cursor_t* c, Rows rows, row_t* row, char bracket, uint32_t bits) noexcept nogil:
    if peek(c) == bracket:
        c.at += 1
        return True
    if read_other(c, rows) == READ_BAD:
        row.present &= ~bits
    return False


# Sets the samples of an object. What the object lacks is 0; `bits` says what it speaks for.
cdef void read_samples(cursor_t* c, Rows rows, row_t* row, const names_t* table, uint32_t bits) noexcept nogil:
    cdef walk_t walk = over(table)
    set_zero(row, bits)
    if not enter_or_lose(c, rows, row, c'{', bits):
        return
    while next_member(c, &walk):
        if walk.id < NESTED:
            row.value[walk.id] = 0
            row.present |= <uint32_t> 1 << walk.id
            if read_count(c, rows, &row.value[walk.id]) == READ_BAD:
                row.present &= ~(<uint32_t> 1 << walk.id)
        elif walk.id == NESTED and bits == CPU_BITS:
            read_samples(c, rows, row, &CPU_USAGE_NAMES, CPU_BITS)
        elif walk.id == NESTED:
            read_samples(c, rows, row, &CONTAINER_DATA_NAMES, FAULT_BITS)
        else:
            skip_value(c)


# Adds one interface to the sums; a sum with a bad part, or beyond int64, is absent.
cdef void read_interface(cursor_t* c, Rows rows, row_t* row) noexcept nogil:
    cdef:
        walk_t walk = over(&INTERFACE_NAMES)
        const char* start = c.at
        int64_t[4] value
        bint[4] bad
        int i
        int metric
    if not enter(c, rows, c'{'):
        return
    for i in range(4):
        value[i] = 0
        bad[i] = False
    while next_member(c, &walk):
        if walk.id < 4:
            value[walk.id] = 0
            bad[walk.id] = read_count(c, rows, &value[walk.id]) == READ_BAD
        else:
            skip_value(c)
    for i in range(4):
        metric = NETWORK_METRICS[i]
        if not row.present >> metric & 1:
            continue
        if not bad[i] and value[i] > INT64_MAX - row.value[metric]:
            rows.note_bad(start - c.start)
            bad[i] = True
        if bad[i]:
            row.present &= ~(<uint32_t> 1 << metric)
        else:
            row.value[metric] += value[i]


cdef void read_network(cursor_t* c, Rows rows, row_t* row) noexcept nogil:
    cdef:
        walk_t walk = over(&NETWORK_NAMES)
        bint inside
    set_zero(row, NETWORK_BITS)
    if not enter_or_lose(c, rows, row, c'{', NETWORK_BITS):
        return
    while next_member(c, &walk):
        if walk.id != NESTED:
            skip_value(c)
            continue
        set_zero(row, NETWORK_BITS)
        inside = False
        if enter_or_lose(c, rows, row, c'[', NETWORK_BITS):
            while next_element(c, &inside):
                read_interface(c, rows, row)


# Counts of one disk by kind of access; only two of them are metrics. Keys of maps have a case.
cdef void read_disk_stats(cursor_t* c, Rows rows, resource_row_t* out) noexcept nogil:
    cdef:
        walk_t walk = over(&NO_NAMES)
        span_t key
    out.present = 0b11
    out.value[0] = out.value[1] = 0
    if peek(c) != c'{':
        if read_other(c, rows) == READ_BAD:
            out.present = 0
        return
    c.at += 1
    while next_member(c, &walk):
        if not read_key(c, rows, &walk, &key):
            return
        if is_word(key, "Read", 4):
            read_plain(c, rows, out, 0)
        elif is_word(key, "Write", 5):
            read_plain(c, rows, out, 1)
        else:
            skip_value(c)


cdef void read_disk(cursor_t* c, Rows rows) noexcept nogil:
    cdef:
        walk_t walk = over(&DISK_NAMES)
        resource_row_t out = new_resource(RESOURCE_DISK, no_text())
        int64_t major = 0, minor = 0
        char[DISK_ID_MAX] id
    if not enter(c, rows, c'{'):
        return
    out.present = 0b11
    while next_member(c, &walk):
        if walk.id == DEVICE:
            read_plain_text(c, rows, &out.id)
        elif walk.id == MAJOR:
            major = 0
            read_count(c, rows, &major)
        elif walk.id == MINOR:
            minor = 0
            read_count(c, rows, &minor)
        elif walk.id == NESTED:
            read_disk_stats(c, rows, &out)
        else:
            skip_value(c)
    if out.id.len == 0:
        snprintf(id, DISK_ID_MAX, "%lld:%lld", <long long> major, <long long> minor)
        if not rows.copy_text(id, &out.id):
            fail(c, CURSOR_MEMORY)
    append_resource(c, rows, &out)


cdef void read_disks(cursor_t* c, Rows rows) noexcept nogil:
    cdef:
        walk_t walk = over(&DISKIO_NAMES)
        uint32_t first = rows.n_resources
        bint inside
    if not enter(c, rows, c'{'):
        return
    while next_member(c, &walk):
        if walk.id != NESTED:
            skip_value(c)
            continue
        rows.n_resources = first
        inside = False
        if enter(c, rows, c'['):
            while next_element(c, &inside):
                read_disk(c, rows)


cdef void read_filesystem(cursor_t* c, Rows rows) noexcept nogil:
    cdef:
        walk_t walk = over(&FILESYSTEM_NAMES)
        resource_row_t out = new_resource(RESOURCE_FILESYSTEM, no_text())
        bint has_inodes = False
    if not enter(c, rows, c'{'):
        return
    out.present = 0b11111
    while next_member(c, &walk):
        if walk.id < 5:
            read_plain(c, rows, &out, walk.id)
        elif walk.id == DEVICE:
            read_plain_text(c, rows, &out.id)
        elif walk.id == HAS_INODES:
            has_inodes = read_flag(c, rows)
        else:
            skip_value(c)
    if not has_inodes:
        out.present &= 0b00111
    append_resource(c, rows, &out)


# spec.custom_metrics: the metrics that may come. Each waits as a row whose i64 is where its values are, -1 = nowhere.
cdef void read_custom_spec(cursor_t* c, Rows rows, uint32_t first) noexcept nogil:
    cdef:
        walk_t walk = over(&CUSTOM_SPEC_NAMES)
        const char* start = c.at
        span_t name = no_text(), type = no_text(), format = no_text()
        custom_row_t* out = NULL
        uint32_t i
    if not enter(c, rows, c'{'):
        return
    while next_member(c, &walk):
        if walk.id == NAME:
            read_plain_text(c, rows, &name)
        elif walk.id == TYPE:
            read_plain_text(c, rows, &type)
        elif walk.id == FORMAT:
            read_plain_text(c, rows, &format)
        else:
            skip_value(c)
    if not ((is_word(type, "gauge", 5) or is_word(type, "cumulative", 10))
            and (is_word(format, "int", 3) or is_word(format, "float", 5))):
        return
    for i in range(first, rows.n_customs):
        if same_text(rows.custom[i].name, name):
            out = &rows.custom[i]
    if name.len == 0 or (out == NULL and rows.n_customs - first == CUSTOMS_MAX):
        rows.note_bad(start - c.start)
        return
    if out == NULL:
        out = rows.add_custom()
        if out == NULL:
            fail(c, CURSOR_MEMORY)
            return
    out.name = name
    out.type = CUSTOM_GAUGE if is_word(type, "gauge", 5) else CUSTOM_CUMULATIVE
    out.is_float = is_word(format, "float", 5)
    out.i64 = -1


# Of the values of a custom metric the newest counts, of equally new ones the first. False: there is none, or it is bad.
cdef bint read_custom_values(cursor_t* c, Rows rows, custom_row_t* out) noexcept nogil:
    cdef:
        walk_t walk
        int64_t newest_ns = 0, time_ns, i64
        double f64
        bint inside = False, found = False, good = False, bad_int, bad_float
    if not enter(c, rows, c'['):
        return False
    while next_element(c, &inside):
        walk = over(&CUSTOM_VALUE_NAMES)
        if not enter(c, rows, c'{'):
            continue
        time_ns = time_zero()
        i64 = 0
        f64 = 0
        bad_int = bad_float = False
        while next_member(c, &walk):
            if walk.id == TIMESTAMP:
                read_time(c, rows, &time_ns)
            elif walk.id == INT_VALUE:
                i64 = 0
                bad_int = read_signed(c, rows, &i64) == READ_BAD
            elif walk.id == FLOAT_VALUE:
                f64 = 0
                bad_float = read_float(c, rows, &f64) == READ_BAD
            else:
                skip_value(c)
        if not found or time_ns > newest_ns:
            found = True
            newest_ns = time_ns
            out.i64 = i64
            out.f64 = f64
            good = not (bad_float if out.is_float else bad_int)
    return good


cdef void read_customs(cursor_t* c, Rows rows, row_t* row, const where_t* spec, const where_t* sample) noexcept nogil:
    cdef:
        walk_t walk = over(&NO_NAMES)
        uint32_t first = rows.n_customs
        uint32_t i, kept = first
        bint inside = False
        span_t key
        custom_row_t* custom
    if not go_to(c, spec.at[SPEC_CUSTOM_METRICS]):
        return
    if enter(c, rows, c'['):
        while next_element(c, &inside):
            read_custom_spec(c, rows, first)
    if go_to(c, sample.at[SAMPLE_CUSTOM_METRICS]) and enter(c, rows, c'{'):
        while next_member(c, &walk):
            if not read_key(c, rows, &walk, &key):
                return
            for i in range(first, rows.n_customs):
                if same_text(rows.custom[i].name, key):
                    rows.custom[i].i64 = c.at - c.start
            skip_value(c)
    for i in range(first, rows.n_customs):
        custom = &rows.custom[i]
        if custom.i64 >= 0 and go_to(c, c.start + custom.i64) and read_custom_values(c, rows, custom):
            rows.custom[kept] = custom[0]
            kept += 1
    rows.n_customs = kept
    row.custom_count = kept - first


cdef bint find_spec(cursor_t* c, Rows rows, where_t* where) noexcept nogil:
    return find_members(c, rows, &SPEC_NAMES, where)


cdef bint find_sample(cursor_t* c, Rows rows, where_t* where) noexcept nogil:
    return find_members(c, rows, &SAMPLE_NAMES, where)


cdef void read_sample(cursor_t* c, Rows rows, row_t* row, const where_t* spec, const where_t* sample) noexcept nogil:
    cdef bint inside
    if go_to(c, spec.at[SPEC_CREATION_TIME]):
        read_time(c, rows, &row.start_ns)
    if go_to(c, sample.at[SAMPLE_TIMESTAMP]):
        read_time(c, rows, &row.sample_ns)

    if flag(c, rows, spec, SPEC_HAS_CPU):
        set_zero(row, CPU_BITS)
        if go_to(c, sample.at[SAMPLE_CPU]):
            read_samples(c, rows, row, &CPU_NAMES, CPU_BITS)
    if flag(c, rows, spec, SPEC_HAS_MEMORY):
        set_zero(row, MEMORY_BITS)
        if go_to(c, sample.at[SAMPLE_MEMORY]):
            read_samples(c, rows, row, &MEMORY_NAMES, MEMORY_BITS)
    if flag(c, rows, spec, SPEC_HAS_NETWORK):
        set_zero(row, NETWORK_BITS)
        if go_to(c, sample.at[SAMPLE_NETWORK]):
            read_network(c, rows, row)

    if flag(c, rows, spec, SPEC_HAS_DISKIO) and go_to(c, sample.at[SAMPLE_DISKIO]):
        read_disks(c, rows)
    if flag(c, rows, spec, SPEC_HAS_FILESYSTEM) and go_to(c, sample.at[SAMPLE_FILESYSTEM]) and enter(c, rows, c'['):
        inside = False
        while next_element(c, &inside):
            read_filesystem(c, rows)
    if go_to(c, sample.at[SAMPLE_ACCELERATORS]) and enter(c, rows, c'['):
        inside = False
        while next_element(c, &inside):
            read_accelerator(c, rows, &ACCELERATOR_NAMES)
    row.resource_count = rows.n_resources - row.resource_start

    if flag(c, rows, spec, SPEC_HAS_CUSTOM_METRICS):
        read_customs(c, rows, row, spec, sample)
