"""The sampling rhythm of one kubelet, as far as its answers show it.

    samples    |         |         |         |         |       a period apart, most containers at one moment
    asked      . x       .     x   .         . x       .       one window of the resolution after the other
               └ lag     ▲
                         a sample and a place in the window meet again after every `step`: the largest
                         span that goes into both, the period and the resolution (10 s and 15 s: 5 s)

48 bytes a target, and 0.5 us an answer of 60 containers.
"""
from heapfast._types cimport int64_t, uint8_t, uint32_t
from heapfast.wire._rows cimport Rows


cdef enum:
    TOLERANCE_MS = 200         # samples of a steady kubelet may be so much off their rhythm
    NEAR_MS = 2000             # one round: all within so much before its last sample
    PERIOD_MIN_MS = 4000       # what samples oftener than this is fresh enough whenever it is asked
    PERIOD_MAX_MS = 120000
    USUAL_MS = 10000           # the kubelet's default
    STEP_MIN_MS = 2000         # nothing is won by places that are nearer to each other
    LAG_MS = 150               # from a sample to when it is asked for
    AGREED_MIN = 4             # answers in a row that must fit, before a rhythm is one; of many samples half as many do
    MANY = 8                   # so many are not sampled together by chance
    AGREED_MAX = 255
    STRIKES_MAX = 3            # answers in a row that do not fit, after which it is none any more


cdef class Rhythm:
    cdef:
        readonly int64_t newest_ns     # last sample of the newest round that fitted, Unix ns of the kubelet; 0 = none
        readonly uint32_t period_ms    # between two samples; 0 = not known
        readonly uint32_t lag_ms       # how long after a sample it has been seen to be there
        uint8_t agreed                 # answers that fitted; AGREED_MIN make a rhythm
        uint8_t strikes                # answers in a row that did not
        uint8_t is_whole               # a sample older than USUAL_MS was the newest: the period is not several of those
        uint8_t is_missed              # the sample after newest_ns was asked for, and was not there yet

    cdef void _learn(self, int64_t newest_ns, bint are_many) noexcept
    cdef void _strike(self, int64_t newest_ns) noexcept
    cdef void _begin(self, int64_t newest_ns) noexcept
    cdef void _note_age(self, int64_t asked_ns) noexcept
    cdef int64_t _step_ns(self, int64_t resolution_ns) noexcept
