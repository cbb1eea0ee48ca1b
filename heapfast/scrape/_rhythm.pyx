"""Whether a kubelet samples in a steady rhythm, and where in a window it is best asked (see _rhythm.pxd).

In      the sample times of each good answer, and when it was asked for
Out     milliseconds after the window's end at which its newest sample has just been taken; -1 for no such place
Callers places.py, once an answer
Source  ours. cAdvisor draws every pause between two samples of a container anew, from 10 to 20 s: no rhythm, and no
        place. Kubelets that sample all containers together, at a steady period, have one
Never   reads a clock, or moves anything

What counts as a rhythm: nine tenths of all samples were taken in one round, or in two that follow each other; rounds of
several answers in a row lie whole periods apart. The period is what goes into all these distances. Who is asked every
20 s sees nothing that tells 10 s from 20 s: as long as nothing was older than 10 s, it is the default of kubelets.

    kubelet's clock is behind, or it shows samples late    the sample is not there yet: the lag is doubled, and
                                                           halved again after some 250 answers
    kubelet's clock is ahead                               it is asked later than would be best, by as much
    drift                                                  followed: each sample that fits is the one to count from
    restart, a step of its clock                           no rhythm after three answers that do not fit
"""
from heapfast._types cimport int64_t, time_zero, uint8_t, uint32_t, uint64_t
from heapfast.wire._rows cimport Rows, row_t

cdef int64_t MS_NS = 1_000_000

#: Somewhere in the year 2116.
cdef int64_t LATEST_NS = 1 << 62

#: From a sample to when it is asked for, as long as nothing says that it takes longer to be there.
LAG_SECONDS = LAG_MS / 1000.0


cdef inline bint is_near(int64_t newest_ns, const row_t* row) noexcept nogil:
    """Whether a sample was taken together with one that is not older."""
    return <uint64_t>newest_ns - <uint64_t>row.sample_ns <= <uint64_t>(NEAR_MS * MS_NS)


cdef int64_t last_round(const row_t* row, uint32_t n, bint* are_many) noexcept nogil:
    """The last sample of the newest round that took all containers together; 0 where there is no such round.

    OUT are_many: at least MANY were taken together.

    An answer in the middle of a round has the rest of the round before, whose last sample then counts.
    """
    cdef uint32_t i, timed = 0, near = 0
    cdef int64_t newest_ns = time_zero(), before_ns = time_zero()
    for i in range(n):
        if row[i].sample_ns != time_zero():
            timed += 1
            newest_ns = max(newest_ns, row[i].sample_ns)
    for i in range(n):
        if row[i].sample_ns != time_zero():
            if is_near(newest_ns, &row[i]):
                near += 1
            else:
                before_ns = max(before_ns, row[i].sample_ns)
    if near * 10 < timed * 9:
        for i in range(n):
            near += row[i].sample_ns != time_zero() and row[i].sample_ns <= before_ns and is_near(before_ns, &row[i])
        newest_ns = before_ns
    are_many[0] = near >= MANY
    # No kubelet's clock is that wrong, and differences of such times overflow.
    return newest_ns if near * 10 >= timed * 9 and 0 < newest_ns < LATEST_NS else 0


cdef int64_t common_ms(int64_t a, int64_t b) noexcept nogil:
    """The largest span that goes into both, give or take the tolerance."""
    cdef int64_t rest
    while b > TOLERANCE_MS:
        rest = a % b
        a = b
        b = min(rest, b - rest)
    return a


cdef inline int64_t modulo(int64_t a, int64_t b) noexcept nogil:
    cdef int64_t rest = a % b
    return rest + b if rest < 0 else rest


cdef class Rhythm:
    """What one target's answers have shown."""

    def __cinit__(self):
        self.lag_ms = LAG_MS

    @property
    def is_steady(self):
        """Whether there is a rhythm."""
        return self.agreed >= AGREED_MIN

    def follow(self, Rows rows not None, int64_t asked_ns, int64_t end_ns, int64_t resolution_ns, bint is_placed):
        """Takes one answer, and says where to ask from now on.

        Args:
            asked_ns: our wall time when it was asked for.
            end_ns: end of a window, any one.
            is_placed: the target is asked where this said. One that is not, and is asked in time all the same, may
                well sample whenever it is asked: it is left alone.

        Returns:
            Milliseconds after a window's end, at least 0 and less than the step; -1 where no place is the best.
        """
        cdef bint are_many = False
        cdef int64_t newest_ns = last_round(rows.row, rows.n_rows, &are_many)
        cdef int64_t step_ns, lag_ns
        if newest_ns:
            self._learn(newest_ns, are_many)
            self._note_age(asked_ns)
        else:
            self._strike(0)
        if self.agreed < AGREED_MIN:
            return -1
        step_ns = self._step_ns(resolution_ns)
        lag_ns = self.lag_ms * MS_NS
        if step_ns <= 2 * lag_ns:
            return -1
        if not is_placed and modulo(asked_ns - self.newest_ns, step_ns) <= 2 * lag_ns:
            return -1
        return modulo(self.newest_ns + lag_ns - end_ns, step_ns) // MS_NS

    cdef void _learn(self, int64_t newest_ns, bint are_many) noexcept:
        cdef int64_t apart_ns = newest_ns - self.newest_ns
        cdef int64_t apart_ms, periods, rest, common
        if self.newest_ns == 0:
            self.newest_ns = newest_ns
            return
        if apart_ns <= TOLERANCE_MS * MS_NS:
            if apart_ns < -TOLERANCE_MS * MS_NS:
                self._strike(newest_ns)
            return
        apart_ms = apart_ns // MS_NS
        if self.period_ms == 0:
            self.newest_ns = newest_ns
            if PERIOD_MIN_MS <= apart_ms <= PERIOD_MAX_MS:
                self.period_ms = <uint32_t>apart_ms
            return
        periods = (apart_ms + self.period_ms // 2) // self.period_ms
        rest = apart_ms - periods * self.period_ms
        if periods and -TOLERANCE_MS <= rest <= TOLERANCE_MS:
            self.newest_ns = newest_ns
            # A quarter of the way to what this answer says, to the nearest millisecond.
            self.period_ms = <uint32_t>((4 * periods * self.period_ms + rest + 2 * periods) // (4 * periods))
            self.strikes = 0
            self.is_missed = False
            if self.agreed < AGREED_MIN:
                self.agreed = min(<uint8_t>AGREED_MIN, self.agreed + (2 if are_many else 1))
            elif self.agreed < AGREED_MAX:
                self.agreed += 1
            else:
                self.agreed = AGREED_MIN
                self.lag_ms = max(<uint32_t>LAG_MS, self.lag_ms // 2)
                self.is_whole = False
            return
        common = common_ms(self.period_ms, apart_ms)
        if common >= PERIOD_MIN_MS:
            # What was taken for the period were several.
            self.newest_ns = newest_ns
            self.period_ms = <uint32_t>common
            self.agreed = self.strikes = self.is_missed = 0
        elif self.agreed < AGREED_MIN:
            self._begin(newest_ns)
        else:
            self._strike(newest_ns)

    cdef void _strike(self, int64_t newest_ns) noexcept:
        self.strikes += 1
        if self.strikes >= STRIKES_MAX:
            self._begin(newest_ns)

    cdef void _begin(self, int64_t newest_ns) noexcept:
        self.newest_ns = newest_ns
        self.period_ms = 0
        self.lag_ms = LAG_MS
        self.agreed = self.strikes = self.is_missed = self.is_whole = 0

    cdef void _note_age(self, int64_t asked_ns) noexcept:
        """Asks later where the next sample was due, and not there yet."""
        cdef int64_t overdue_ms = (asked_ns - self.newest_ns) // MS_NS - self.period_ms
        if overdue_ms + self.period_ms > USUAL_MS + LAG_MS // 3:
            self.is_whole = True
        if self.agreed < AGREED_MIN or self.is_missed:
            return
        # Half a period late: that one has been left out.
        if LAG_MS // 3 <= overdue_ms < self.period_ms // 2:
            self.is_missed = True
            self.lag_ms = min(2 * self.lag_ms, <uint32_t>PERIOD_MAX_MS)

    cdef int64_t _step_ns(self, int64_t resolution_ns) noexcept:
        cdef int64_t resolution_ms = resolution_ns // MS_NS
        cdef int64_t period_ms = self.period_ms
        cdef int64_t common
        if not self.is_whole and period_ms > USUAL_MS and (period_ms + TOLERANCE_MS) % USUAL_MS <= 2 * TOLERANCE_MS:
            period_ms = USUAL_MS
        common = common_ms(resolution_ms, period_ms)
        if common < STEP_MIN_MS:
            return 0
        return resolution_ns // ((resolution_ms + common // 2) // common)
