"""Sums over all targets (see _counters.pyx)."""
from heapfast._histogram cimport Histogram
from heapfast._types cimport int64_t


cdef class ScrapeCounters:
    cdef:
        readonly object outcomes         # scrapes that ended, by outcome: "ok" or the reason of the failure
        readonly object side_outcomes    # of these, the ones of the source beside the main one
        readonly Histogram durations     # of scrapes, in seconds
        readonly int64_t late            # of these, the ones that ended after their round
        readonly int64_t skipped         # targets that were still busy when it was their turn
        readonly int64_t backed_off      # targets that were left alone
        public int64_t extra             # targets that were looked at out of turn
        readonly int64_t in_flight       # requests that are out
        readonly int64_t body_bytes      # of all good answers
        readonly int64_t bad_values      # in answers, left out because they were not what they should be
        readonly double parse_seconds    # spent parsing

    cdef int observe(self, str outcome, double seconds, Py_ssize_t body_bytes, bint is_side) except -1
