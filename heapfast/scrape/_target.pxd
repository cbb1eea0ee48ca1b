"""The fields of a target: what every scrape looks at first, side by side.

With 5,000 targets nothing of one is in the caches when its turn comes: each number in an object of its own was a line
of memory more to wait for.
"""
from heapfast._types cimport int64_t
from heapfast.scrape._rhythm cimport Rhythm


cdef enum:
    STEP_MS = 20


cdef class Target:
    cdef:
        readonly object connection        # to ask over; its twin's, too
        readonly Target twin              # the same kubelet as a target of the other source; None where there is one
        public bytes head                 # of the request, where it is the same every time; b"" until it was made
        public double retry_at            # the loop's time before which it is left alone; -inf for no back-off
        readonly str outcome              # reason of the last failure, "ok", or "" before the first scrape
        readonly double started           # monotonic seconds of the last start
        readonly int64_t started_ns       # the same on the wall clock
        readonly bint in_flight           # a request is out
        readonly bint is_awaited          # the round that asked counts on its answer
        public bint is_removed            # it is none any more
        readonly bint is_side             # it is asked for the source beside the main one
        public int place_ms               # how long after a window's end its scrape starts; -1 for the phase decides
        public double start_ms            # the same in the next round, after its begin where the phase decides
        public int wanted_ms              # when it would best start, or later where that was taken; -1 as the place
        readonly double phase             # from 0 to below 1, by the node's name: where in the spread it starts
        public Rhythm rhythm              # its kubelet samples in; None before an answer was looked at for it
        readonly str name                 # of the node, as the API server has it
        public str path                   # to ask at instead of the source's own; "" for the source's own
        public int64_t last_start_ns      # wall clock at the start of the last scrape that ended, 0 before the first
        readonly int64_t last_good_ns     # wall clock at the end of the last success, 0 before the first
        readonly double last_seconds      # how long the last scrape took
        # Sums over all scrapes; a scrape is request, parsing and delivery.
        public int64_t scrapes
        readonly double request_seconds
        readonly double scrape_seconds
        readonly int64_t body_bytes       # of the last good answer
        readonly int64_t bad_values       # of the last answer that could be parsed, left out as not what they should be
        readonly str error                # text of the last failure, "" after a success
        readonly int failures             # in a row
        readonly int64_t good_period      # the last period (see beside.py) that an answer was taken in; -1 for none
        readonly str address              # "IP:PORT", IPv6 in brackets; names it in errors, self-metrics, Host headers
        public str hostname               # of the node; a label of self-metrics
        readonly str source               # name of what it is asked for
        readonly str ip
        readonly int port

    cpdef bint is_down(self)
    cdef void finish(self, double request_seconds, double scrape_seconds) noexcept
    cdef int succeed(self, int64_t now_ns, int64_t body_bytes) except -1
    cdef int fail(self, error, double now, double jitter) except -1
    cpdef forgive(self)

    cdef inline bint occupied(self) noexcept:
        return self.in_flight or (self.twin is not None and self.twin.in_flight)
