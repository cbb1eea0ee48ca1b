"""Sums, averages and percentiles of groups and buckets (see _aggregate.pxd).

In      a snapshot and a grouping; functions, window and bucket
Out     one value a group, bucket and function
Callers api/query.py, in a thread; render/_query.pyx reads the answer
Source  docs/query.md, which is ours; percentiles and medians: query/aggregation.py
Never   holds the GIL while it works, or looks at a batch that is not closed
"""
from libc.math cimport isfinite, sqrt
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

from array import array

from heapfast._grouping cimport Grouping
from heapfast._pack cimport decode_block, packed_t
from heapfast._percentile cimport rank, select
from heapfast._snapshot cimport Snapshot
from heapfast._types cimport SLOT_NONE, absent_i64, int64_t, uint32_t, uint64_t

from heapfast.errors import StoreError

SUM = FUNCTION_SUM
AVERAGE = FUNCTION_AVERAGE
MIN = FUNCTION_MIN
MAX = FUNCTION_MAX
COUNT = FUNCTION_COUNT
STDDEV = FUNCTION_STDDEV
LAST = FUNCTION_LAST
MEDIAN = FUNCTION_MEDIAN
PERCENTILE = FUNCTION_PERCENTILE

cdef enum:
    MAX_OVER = 16
    BLOCKS_AT_A_TIME = 32      # of 64 slots: 60 KB of what is read and added to

cdef enum:
    RUN_OK = 0
    RUN_NO_MEMORY = -1
    RUN_TOO_MANY_SAMPLES = -2
    RUN_CANCELLED = -3

cdef double NAN = float("nan")


class TooManySamples(StoreError):
    """Percentiles that need more samples in memory than they may have."""


class Cancelled(StoreError):
    """Nobody waits for the answer any more."""


cdef int make(void** to, size_t n, size_t width) noexcept nogil:
    """Makes an array, unless it is there. 0, or -1 when memory is out."""
    if to[0] == NULL:
        to[0] = calloc(n, width)
    return 0 if to[0] != NULL else -1


cdef inline double ranked(double* value, uint32_t n, function_t function) noexcept nogil:
    return rank(value, n, function.code == FUNCTION_MEDIAN, function.percentile)


cdef class Aggregate:
    """One answer: made with what is asked for, run once in a thread.

    Args:
        across: (function, percentile) that makes one value of a group's at each tick; None: all samples of a bucket are
            pooled.
        over: of these functions, each makes one value of a bucket.
        start_ns: exclusive.
        end_ns: inclusive.
        bucket_ns: buckets begin at its multiples since 1970; 0 for one bucket of all, called by its newest tick.
        is_rate: the change a second since the tick before takes the place of each value.
        is_counter: a value that falls is a reset, and has no rate.
        max_samples: that may be in memory at a time, for percentiles.
    """

    def __cinit__(
        self,
        Snapshot snapshot not None,
        Grouping grouping not None,
        *,
        across,
        over,
        int64_t start_ns,
        int64_t end_ns,
        int64_t bucket_ns=0,
        bint is_rate=False,
        bint is_counter=False,
        int64_t max_samples=20_000_000,
    ):
        if snapshot.kind != grouping.slot_kind or grouping.newest is not snapshot.newest:
            raise StoreError("BUG: a snapshot and a grouping of different things")
        if not 0 < len(over) <= MAX_OVER:
            raise StoreError(f"BUG: {len(over)} functions over the ticks of a bucket")
        self.snapshot = snapshot
        self.grouping = grouping
        self.is_pooled = across is None
        self.across.code = FUNCTION_SUM
        if across is not None:
            self.across.code, self.across.percentile = across
        for code, percentile in over:
            self.over[self.n_over].code = code
            self.over[self.n_over].percentile = percentile
            self.n_over += 1
        self.start_ns = start_ns
        self.end_ns = end_ns
        self.bucket_ns = bucket_ns
        self.is_rate = is_rate
        self.is_counter = is_counter
        self.max_samples = max_samples

    def __dealloc__(self):
        self._let_go()
        free(self.bucket_start_ns)
        free(self.answer)

    cdef void _let_go(self) noexcept nogil:
        """Frees all but the answer, without the GIL: 70 MB of samples take the system 10 ms."""
        cdef void** owned[13]
        cdef int i
        owned[:] = [
            <void**>&self.count, <void**>&self.sum, <void**>&self.low, <void**>&self.high, <void**>&self.mean,
            <void**>&self.square, <void**>&self.last, <void**>&self.sample, <void**>&self.bits, <void**>&self.value,
            <void**>&self.across_square, <void**>&self.member, <void**>&self.member_base,
        ]
        for i in range(13):
            free(owned[i][0])
            owned[i][0] = NULL
        free(self.base)
        free(self.across_value)
        free(self.across_count)
        self.base = NULL
        self.across_value = NULL
        self.across_count = NULL

    def cancel(self):
        """Stops `run` after the tick that it is at. From any thread."""
        self.is_cancelled = True

    def run(self):
        """Works it out. In a thread; about 5 nanoseconds a sample.

        Raises:
            MemoryError, TooManySamples, Cancelled.
        """
        cdef int status
        with nogil:
            status = self._prepare()
            if status == RUN_OK:
                status = self._run()
            self._let_go()
        if status == RUN_NO_MEMORY:
            raise MemoryError("cannot aggregate: out of memory")
        if status == RUN_TOO_MANY_SAMPLES:
            raise TooManySamples(f"cannot aggregate: percentiles need more than {self.max_samples} samples in memory")
        if status == RUN_CANCELLED:
            raise Cancelled("cannot aggregate: nobody waits for it any more")

    def best(self, uint32_t n, bint descending):
        """The first n groups by the first function in the newest bucket, and only those that have a value."""
        return self._ordered(n, True, descending)

    def sorted(self):
        """All groups that have a value in any bucket, by the texts of their keys."""
        return self._ordered(SLOT_NONE, False, False)

    def rows(self):
        """(texts of the group, start of the bucket, values), by group and time. For tests."""
        cdef Py_ssize_t bucket
        cdef int i
        found = []
        for group in self.sorted():
            for bucket in range(self.n_buckets - 1, -1, -1):
                values = [self.value_of(bucket, i, group) for i in range(self.n_over)]
                if values[0] == values[0]:
                    found.append((tuple(self.grouping.texts(group)), self.bucket_start_ns[bucket], tuple(values)))
        return found

    cdef _ordered(self, uint32_t at_most, bint by_value, bint descending):
        cdef uint32_t n = self.grouping.n_groups, group, n_found = 0, k
        cdef Py_ssize_t bucket
        cdef uint32_t* order = <uint32_t*>malloc((<size_t>n + 1) * sizeof(uint32_t))
        cdef uint32_t* scratch = <uint32_t*>malloc((<size_t>n + 1) * sizeof(uint32_t))
        cdef double* value = <double*>malloc((<size_t>n + 1) * sizeof(double))
        cdef const double* by = self.answer if by_value else NULL
        cdef double bound
        try:
            if order == NULL or scratch == NULL or value == NULL:
                raise MemoryError
            with nogil:
                for bucket in range(1 if by_value and self.n_buckets else self.n_buckets):
                    for group in range(n):
                        if bucket == 0:
                            scratch[group] = 0
                        if self.value_of(bucket, 0, group) == self.value_of(bucket, 0, group):
                            scratch[group] = 1
                if self.n_buckets:
                    for group in range(n):
                        if scratch[group]:
                            order[n_found] = group
                            n_found += 1
                if by_value and at_most < n_found:
                    # Only what is at least as good as the last of the best need be sorted.
                    for k in range(n_found):
                        value[k] = by[order[k]]
                    bound = select(value, n_found, n_found - at_most if descending else at_most - 1)
                    k = 0
                    for group in range(n_found):
                        if (by[order[group]] >= bound) if descending else (by[order[group]] <= bound):
                            order[k] = order[group]
                            k += 1
                    n_found = k
                self.grouping._sort(order, scratch, by, descending, n_found)
            n_found = min(n_found, at_most)
            return array("I", (<char*>order)[:n_found * sizeof(uint32_t)])
        finally:
            free(order)
            free(scratch)
            free(value)

    cdef double value_of(self, Py_ssize_t bucket, int function, uint32_t group) noexcept nogil:
        """What a function makes of a group in a bucket; NaN where there is no sample."""
        return self.answer[(bucket * self.n_over + function) * self.grouping.n_groups + group]

    # -- memory --

    cdef int _prepare(self) noexcept nogil:
        cdef size_t n = <size_t>self.grouping.n_groups + 1
        cdef size_t n_slots
        cdef uint64_t total = 0, members = 0
        cdef uint32_t group
        cdef int i, code, failed
        cdef bint has_samples = False
        # Whatever else is made of one value is that value.
        self.is_by_slot = self.is_pooled or (
            self.grouping.is_single and self.across.code != FUNCTION_COUNT and self.across.code != FUNCTION_STDDEV
        )
        self.n_blocks = (self.grouping.n_slots >> 6) + 1
        n_slots = <size_t>self.n_blocks << 6
        if (
            make(<void**>&self.count, n, sizeof(uint32_t))
            or make(<void**>&self.bits, n_slots, sizeof(int64_t))
            or make(<void**>&self.value, n_slots, sizeof(double))
            or make(<void**>&self.across_value, n, sizeof(double))
            or make(<void**>&self.across_count, n, sizeof(uint32_t))
            or make(<void**>&self.base, n, sizeof(uint64_t))
            or make(<void**>&self.bucket_start_ns, self.snapshot.n_ticks + 1, sizeof(int64_t))
        ):
            return RUN_NO_MEMORY
        for i in range(self.n_over):
            code = self.over[i].code
            failed = 0
            if code == FUNCTION_SUM or code == FUNCTION_AVERAGE:
                failed = make(<void**>&self.sum, n, sizeof(double))
            elif code == FUNCTION_MIN:
                failed = make(<void**>&self.low, n, sizeof(double))
            elif code == FUNCTION_MAX:
                failed = make(<void**>&self.high, n, sizeof(double))
            elif code == FUNCTION_STDDEV:
                failed = make(<void**>&self.mean, n, sizeof(double)) or make(<void**>&self.square, n, sizeof(double))
            elif code == FUNCTION_LAST:
                failed = make(<void**>&self.last, n, sizeof(double))
            if failed:
                return RUN_NO_MEMORY
            has_samples = has_samples or code == FUNCTION_MEDIAN or code == FUNCTION_PERCENTILE
        for group in range(self.grouping.n_groups):
            self.base[group] = total
            total += self.grouping.size[group] if self.is_by_slot else 1
        self.base[self.grouping.n_groups] = total
        self.n_stored_ticks = has_samples
        if not self.is_pooled and self.across.code == FUNCTION_STDDEV:
            if make(<void**>&self.across_square, n, sizeof(double)):
                return RUN_NO_MEMORY
        if not self.is_by_slot and self.across.code >= FUNCTION_MEDIAN:
            if make(<void**>&self.member_base, n, sizeof(uint64_t)):
                return RUN_NO_MEMORY
            for group in range(self.grouping.n_groups):
                self.member_base[group] = members
                members += self.grouping.size[group]
            if make(<void**>&self.member, members + 1, sizeof(double)):
                return RUN_NO_MEMORY
        return RUN_OK

    # -- time --

    cdef int _run(self) noexcept nogil:
        self._count_ticks()
        if self.bucket_ns == 0 and self.is_by_slot:
            return self._run_by_block()
        return self._run_by_tick()

    cdef void _count_ticks(self) noexcept nogil:
        """Says which ticks count: those in the window, and of rates those that have one before them."""
        cdef Py_ssize_t tick
        cdef Py_ssize_t n = self.snapshot.n_ticks - 1 if self.is_rate else self.snapshot.n_ticks
        cdef int64_t timestamp_ns
        for tick in range(n):
            timestamp_ns = self.snapshot.timestamp_ns[tick]
            if timestamp_ns <= self.start_ns:
                break
            if timestamp_ns > self.end_ns:
                continue
            if self.n_counted == 0:
                self.newest_ns = timestamp_ns
                self.first_tick = tick
            self.oldest_ns = timestamp_ns
            self.n_counted = self.n_counted + 1

    cdef int _run_by_block(self) noexcept nogil:
        """One bucket of single slots: some of them through all of the time, so that what is added to stays near.

        Not 64 at a time: each tick's columns would be read in pieces that no prefetcher foresees.
        """
        cdef uint32_t block, start = 0, stop
        cdef Py_ssize_t tick
        cdef Py_ssize_t last = self.first_tick + self.n_counted - 1
        cdef int status
        if self.n_counted == 0:
            return RUN_OK
        status = self._begin_bucket(self.n_counted)
        if status:
            return status
        while start < self.n_blocks:
            if self.is_cancelled:
                return RUN_CANCELLED
            stop = min(start + BLOCKS_AT_A_TIME, self.n_blocks)
            for block in range(start, stop):
                self._load(block)
            for tick in range(last + 1):
                for block in range(start, stop):
                    if not self.grouping.is_block_wanted[block]:
                        continue
                    if tick >= self.first_tick:
                        self._read(tick, block)
                        self._feed(self.value + block * 64, self.grouping.group + block * 64, 64)
                    else:
                        self._decode(self.snapshot.column[tick + 1], block)
            start = stop
        return self._end_bucket(self._bucket_of(self.newest_ns))

    cdef int _run_by_tick(self) noexcept nogil:
        """Ticks from the newest backwards, as the ring is read; a bucket is complete when a tick of another comes."""
        cdef Py_ssize_t tick, other, n_ticks
        cdef Py_ssize_t last = self.first_tick + self.n_counted - 1
        cdef int64_t bucket_start_ns = 0, of
        cdef bint is_open = False
        cdef uint32_t block
        cdef int status
        if self.n_counted == 0:
            return RUN_OK
        for block in range(self.n_blocks):
            self._load(block)
        for tick in range(last + 1):
            if self.is_cancelled:
                return RUN_CANCELLED
            if tick < self.first_tick:
                for block in range(self.n_blocks):
                    if self.grouping.is_block_wanted[block]:
                        self._decode(self.snapshot.column[tick + 1], block)
                continue
            of = self._bucket_of(self.snapshot.timestamp_ns[tick])
            if is_open and of != bucket_start_ns:
                status = self._end_bucket(bucket_start_ns)
                if status:
                    return status
                is_open = False
            if not is_open:
                n_ticks = 0
                for other in range(tick, last + 1):
                    if self._bucket_of(self.snapshot.timestamp_ns[other]) != of:
                        break
                    n_ticks += 1
                status = self._begin_bucket(n_ticks)
                if status:
                    return status
                bucket_start_ns = of
                is_open = True
            for block in range(self.n_blocks):
                if self.grouping.is_block_wanted[block]:
                    self._read(tick, block)
            if self.is_by_slot:
                self._feed(self.value, self.grouping.group, self.grouping.n_slots)
            else:
                self._combine()
                self._feed(self.across_value, NULL, self.grouping.n_groups)
        return self._end_bucket(bucket_start_ns)

    cdef int64_t _bucket_of(self, int64_t timestamp_ns) noexcept nogil:
        if self.bucket_ns == 0:
            return self.newest_ns
        return timestamp_ns - timestamp_ns % self.bucket_ns

    # -- 64 slots --

    cdef void _load(self, uint32_t block) noexcept nogil:
        """Makes `bits` those of the newest batch."""
        cdef const int64_t* column = self.grouping.frame.column[self.snapshot.metric]
        cdef uint32_t slot
        if column == NULL:
            self._decode(self.grouping.frame.packed[self.snapshot.metric], block)
            return
        for slot in range(block * 64, block * 64 + 64):
            self.bits[slot] = column[slot] if slot < self.grouping.n_slots else absent_i64()

    cdef void _decode(self, const packed_t* packed, uint32_t block) noexcept nogil:
        """Makes `bits` those of a tick; those of the tick after it are there, unless it is the newest."""
        cdef uint32_t slot
        if packed != NULL and block * 64 < packed.n:
            decode_block(packed, block, self.bits + block * 64)
            return
        for slot in range(block * 64, block * 64 + 64):
            self.bits[slot] = absent_i64()

    cdef void _read(self, Py_ssize_t tick, uint32_t block) noexcept nogil:
        """Makes `value` what the samples of a tick are, or their rates, and `bits` those of the tick before it."""
        cdef double* value = self.value + block * 64
        cdef const int64_t* bits = self.bits + block * 64
        cdef double former, seconds
        cdef uint32_t i
        # What is no number is no sample.
        if self.snapshot.is_float:
            for i in range(64):
                memcpy(&former, &bits[i], 8)
                value[i] = former if bits[i] != absent_i64() and isfinite(former) else NAN
        else:
            for i in range(64):
                value[i] = <double>bits[i] if bits[i] != absent_i64() else NAN
        if tick + 1 >= self.snapshot.n_ticks:
            return
        self._decode(self.snapshot.column[tick + 1], block)
        if not self.is_rate:
            return
        seconds = 1e-9 * <double>(self.snapshot.timestamp_ns[tick] - self.snapshot.timestamp_ns[tick + 1])
        for i in range(64):
            if bits[i] == absent_i64():
                value[i] = NAN
                continue
            if self.snapshot.is_float:
                memcpy(&former, &bits[i], 8)
            else:
                former = <double>bits[i]
            if self.is_counter and value[i] < former:
                value[i] = NAN
            elif isfinite(former):
                value[i] = (value[i] - former) / seconds
            else:
                value[i] = NAN

    # -- functions --

    cdef void _combine(self) noexcept nogil:
        """Makes one value of each group's; NaN where none has a sample."""
        cdef uint32_t slot, group
        cdef int code = self.across.code
        cdef double value, difference
        # Locals, also because the checks of the debug build would need the GIL to add to what `self` points to.
        cdef double* into = self.across_value
        cdef double* square = self.across_square
        cdef double* member = self.member
        cdef uint32_t* counts = self.across_count
        cdef const uint64_t* base = self.member_base
        for group in range(self.grouping.n_groups):
            into[group] = 0
            counts[group] = 0
        if square != NULL:
            for group in range(self.grouping.n_groups):
                square[group] = 0
        for slot in range(self.grouping.n_slots):
            group = self.grouping.group[slot]
            if group == SLOT_NONE:
                continue
            value = self.value[slot]
            if value != value:
                continue
            counts[group] += 1
            if code == FUNCTION_SUM or code == FUNCTION_AVERAGE:
                into[group] += value
            elif code == FUNCTION_MIN:
                if counts[group] == 1 or value < into[group]:
                    into[group] = value
            elif code == FUNCTION_MAX:
                if counts[group] == 1 or value > into[group]:
                    into[group] = value
            elif code == FUNCTION_STDDEV:
                difference = value - into[group]
                into[group] += difference / counts[group]
                square[group] += difference * (value - into[group])
            elif member != NULL:
                member[base[group] + counts[group] - 1] = value
        for group in range(self.grouping.n_groups):
            if counts[group] == 0:
                into[group] = NAN
            elif code == FUNCTION_AVERAGE:
                into[group] /= counts[group]
            elif code == FUNCTION_COUNT:
                into[group] = counts[group]
            elif code == FUNCTION_STDDEV:
                into[group] = sqrt(square[group] / counts[group])
            elif member != NULL:
                into[group] = ranked(member + base[group], counts[group], self.across)

    cdef void _feed(self, const double* value, const uint32_t* group, uint32_t n) noexcept nogil:
        """Adds values to the bucket: of the groups themselves, or of slots in groups."""
        cdef uint32_t i, g, count
        cdef double x, difference
        # Locals, for the compiler must think that any store changes what `self` points to.
        cdef uint32_t* counts = self.count
        cdef double* sums = self.sum
        cdef double* low = self.low
        cdef double* high = self.high
        cdef double* last = self.last
        cdef double* mean = self.mean
        cdef double* square = self.square
        cdef double* sample = self.sample
        cdef const uint64_t* base = self.base
        cdef uint64_t n_stored_ticks = self.n_stored_ticks
        for i in range(n):
            x = value[i]
            g = i if group == NULL else group[i]
            if g == SLOT_NONE or x != x:
                continue
            count = counts[g] + 1
            counts[g] = count
            if sums != NULL:
                sums[g] = x if count == 1 else sums[g] + x
            if low != NULL and (count == 1 or x < low[g]):
                low[g] = x
            if high != NULL and (count == 1 or x > high[g]):
                high[g] = x
            if last != NULL and count == 1:
                last[g] = x
            if mean != NULL:
                if count == 1:
                    mean[g] = 0
                    square[g] = 0
                difference = x - mean[g]
                mean[g] += difference / count
                square[g] += difference * (x - mean[g])
            if sample != NULL:
                sample[base[g] * n_stored_ticks + count - 1] = x

    cdef int _begin_bucket(self, Py_ssize_t n_ticks) noexcept nogil:
        cdef uint32_t group
        cdef uint64_t n_samples = self.base[self.grouping.n_groups] * <uint64_t>n_ticks
        for group in range(self.grouping.n_groups):
            self.count[group] = 0
        if self.n_stored_ticks:
            if n_samples > <uint64_t>self.max_samples:
                return RUN_TOO_MANY_SAMPLES
            free(self.sample)
            self.n_stored_ticks = <uint32_t>n_ticks
            self.sample = <double*>malloc((n_samples + 1) * sizeof(double))
            if self.sample == NULL:
                return RUN_NO_MEMORY
        return RUN_OK

    cdef int _end_bucket(self, int64_t start_ns) noexcept nogil:
        cdef size_t n = self.grouping.n_groups
        cdef size_t n_values = n * self.n_over
        cdef Py_ssize_t cap
        cdef double* bigger
        cdef uint32_t group
        cdef int i
        if self.n_buckets == self.cap_buckets:
            cap = self.cap_buckets * 2 if self.cap_buckets else 1
            bigger = <double*>malloc((<size_t>cap * n_values + 1) * sizeof(double))
            if bigger == NULL:
                return RUN_NO_MEMORY
            if self.n_buckets:
                memcpy(bigger, self.answer, <size_t>self.n_buckets * n_values * sizeof(double))
            free(self.answer)
            self.answer = bigger
            self.cap_buckets = cap
        for i in range(self.n_over):
            bigger = self.answer + <size_t>self.n_buckets * n_values + i * n
            for group in range(n):
                bigger[group] = self._finish(self.over[i], group) if self.count[group] else NAN
        self.bucket_start_ns[self.n_buckets] = start_ns
        self.n_buckets = self.n_buckets + 1
        return RUN_OK

    cdef double _finish(self, function_t function, uint32_t group) noexcept nogil:
        if function.code == FUNCTION_SUM:
            return self.sum[group]
        if function.code == FUNCTION_AVERAGE:
            return self.sum[group] / self.count[group]
        if function.code == FUNCTION_MIN:
            return self.low[group]
        if function.code == FUNCTION_MAX:
            return self.high[group]
        if function.code == FUNCTION_COUNT:
            return self.count[group]
        if function.code == FUNCTION_STDDEV:
            return sqrt(self.square[group] / self.count[group])
        if function.code == FUNCTION_LAST:
            return self.last[group]
        return ranked(self.sample + self.base[group] * self.n_stored_ticks, self.count[group], function)
