"""What rounds count: a few additions a scrape.

In      outcomes of scrapes
Out     ScrapeCounters, sums over all targets
Callers _round.pyx counts, manager.py what it asks out of turn; monitoring.py shows
Never   makes anything for who looks
"""
from heapfast._histogram cimport Histogram

from collections import Counter

from heapfast._histogram import Bounds

# Of scrape durations, seconds. Written with their fractions: another text would be another series.
cdef object BOUNDS = Bounds((0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0), str)


cdef class ScrapeCounters:
    """Sums over all targets, kept by the rounds."""

    def __cinit__(self):
        self.outcomes = Counter()
        self.side_outcomes = Counter()
        self.durations = Histogram(BOUNDS)

    cdef int observe(self, str outcome, double seconds, Py_ssize_t body_bytes, bint is_side) except -1:
        """Count a scrape that has ended."""
        self.outcomes[outcome] += 1
        if is_side:
            self.side_outcomes[outcome] += 1
        self.body_bytes += body_bytes
        self.durations.observe(seconds)
        return 0
