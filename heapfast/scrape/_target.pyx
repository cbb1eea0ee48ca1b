"""One kubelet that is scraped, and how that went so far.

In      a node's name and address; outcomes
Out     what the next scrape and self-metrics want to know of it
Callers manager.py makes and drops, _round.pyx reports, monitoring.py and /debug read
Never   opens a connection, or outlives its node's address: a new address is a new target
"""
import math
import zlib

#: Reasons that say the node itself is away. Nobody waits for it until it has answered again (Q18).
DOWN_REASONS = frozenset(("refused", "unreachable", "timeout"))

#: Pauses of a node that is away: after the second failure in a row, and at most. Seconds.
FIRST_BACKOFF_SECONDS = 5.0
MAX_BACKOFF_SECONDS = 300.0

#: Targets whose turns lie within so much start together: alone, each wakes the loop for itself, and finds the caches
#: as others left them.
START_STEP_MS = STEP_MS


cdef class Target:
    """A kubelet at one address; its fields are told in _target.pxd."""

    def __init__(self, str name, str hostname, str ip, int port, connection, str source="", *, bint is_side=False):
        self.name = name
        self.source = source
        self.is_side = is_side
        self.good_period = -1
        self.hostname = hostname
        self.ip = ip
        self.port = port
        self.address = host_port(ip, port)
        self.phase = zlib.crc32(name.encode()) / 2.0**32
        self.place_ms = -1
        self.wanted_ms = -1
        self.path = ""
        self.head = b""
        self.connection = connection
        self.outcome = ""
        self.error = ""
        self.retry_at = -math.inf

    def beside(self, source):
        """Make its twin, for a second source."""
        self.twin = Target(self.name, self.hostname, self.ip, self.port, self.connection, source, is_side=True)
        self.twin.twin = self
        return self.twin

    @property
    def is_busy(self):
        """Whether its connection is, with a request of either source."""
        return self.occupied()

    @property
    def label(self):
        """Names it in the log."""
        return self.name if self.twin is None else f"{self.name} ({self.source})"

    cpdef bint is_down(self):
        """Whether its last scrape says that the node is away."""
        return self.outcome in DOWN_REASONS

    cdef void finish(self, double request_seconds, double scrape_seconds) noexcept:
        """Note the end of a scrape, good or bad."""
        self.in_flight = False
        self.last_start_ns = self.started_ns
        self.last_seconds = scrape_seconds
        self.scrapes += 1
        self.request_seconds += request_seconds
        self.scrape_seconds += scrape_seconds

    cdef int succeed(self, int64_t now_ns, int64_t body_bytes) except -1:
        self.outcome = "ok"
        self.error = ""
        self.failures = 0
        self.retry_at = -math.inf
        self.last_good_ns = now_ns
        self.body_bytes = body_bytes
        return 0

    cdef int fail(self, error, double now, double jitter) except -1:
        """Note a failure.

        Args:
            now: the loop's time.
            jitter: from 0 to 1, scales the back-off from half to whole.
        """
        cdef double pause
        self.outcome = error.reason
        self.error = str(error)
        self.failures += 1
        if self.is_down() and self.failures > 1:
            # No larger exponent matters, and 2.0**1024 would overflow.
            pause = min(MAX_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2.0 ** min(self.failures - 2, 16))
            self.retry_at = now + pause * (0.5 + jitter / 2)
        return 0

    cpdef forgive(self):
        """Try it again at once: its node object has changed."""
        self.retry_at = -math.inf

    def describe(self):
        """Its state as one JSON object, with that of its twin in it."""
        more = {}
        if self.twin is not None:
            more["source"] = self.source
            if not self.is_side:
                more["beside"] = self.twin.describe()
        if self.rhythm is not None:
            more["rhythm"] = {
                "is_steady": self.rhythm.is_steady,
                "period_seconds": self.rhythm.period_ms / 1e3 if self.rhythm.is_steady else None,
                "lag_seconds": self.rhythm.lag_ms / 1e3,
                "start_seconds": self.place_ms / 1e3 if self.place_ms >= 0 else None,
            }
        return {
            "node": self.name,
            "address": self.address,
            "outcome": self.outcome,
            "error": self.error,
            "in_flight": self.in_flight,
            "failures": self.failures,
            "scrapes": self.scrapes,
            "last_seconds": self.last_seconds,
            "last_start_ns": self.last_start_ns,
            "last_good_ns": self.last_good_ns,
            "body_bytes": self.body_bytes,
            "bad_values": self.bad_values,
            **more,
        }


def host_port(ip, port):
    """IP:PORT, with an IPv6 address in brackets."""
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
