"""One kubelet that is scraped, and how that went so far.

In      a node's name and address; outcomes
Out     what the next scrape and self-metrics want to know of it
Callers manager.py makes and drops, round.py reports, monitoring.py and /debug read
Never   opens a connection, or outlives its node's address: a new address is a new target
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from heapfast.errors import ScrapeError

if TYPE_CHECKING:
    from heapfast.scrape._rhythm import Rhythm
    from heapfast.scrape.http import Connection

#: Reasons that say the node itself is away. Nobody waits for it until it has answered again (Q18).
DOWN_REASONS: Final = frozenset(("refused", "unreachable", "timeout"))

#: Pauses of a node that is away: after the second failure in a row, and at most. Seconds.
FIRST_BACKOFF_SECONDS: Final = 5.0
MAX_BACKOFF_SECONDS: Final = 300.0


#: Targets whose turns lie within so much start together: alone, each wakes the loop for itself, and finds the caches
#: as others left them.
START_STEP_MS: Final = 20


class Target:
    """A kubelet at one address.

    Where two sources are scraped, there is one for each, with one connection: they are each other's twins.

    Attributes:
        name: of the node, as the API server has it.
        source: name of what it is asked for.
        is_side: it is asked for the source beside the main one.
        twin: the same kubelet as a target of the other source; None where there is one source.
        good_period: the last period (see beside.py) that an answer was taken in; -1 for none.
        hostname: of the node; a label of self-metrics.
        path: to ask at instead of the source's own; "" for the source's own.
        head: of the request, where it is the same every time; b"" until it was made.
        address: "IP:PORT", IPv6 in brackets; names the target in errors, self-metrics and the Host header.
        phase: from 0 to below 1, by the node's name: where in the spread its scrape starts.
        rhythm: in which its kubelet samples; None before an answer was looked at for it.
        place_ms: how long after a window's end its scrape starts, where the rhythm decides that; -1 for the phase.
        wanted_ms: when it would best start; the place is there, or later where that was taken. -1 as the place.
        in_flight: a request is out.
        is_awaited: the round that asked counts on its answer.
        outcome: reason of the last failure, "ok", or "" before the first scrape.
        error: text of the last failure, "" after a success.
        started: monotonic seconds of the last start.
        last_start_ns: the same on the wall clock, 0 before the first; published once it has ended.
        last_good_ns: wall clock at the end of the last success, 0 before the first.
        last_seconds: how long the last scrape took.
        failures: in a row.
        retry_at: the loop's time before which it is left alone; -inf for no back-off.
        scrapes, request_seconds, scrape_seconds: sums over all scrapes; a scrape is request, parsing and delivery.
        body_bytes: of the last good answer.
        bad_values: of the last answer that could be parsed, left out because they were not what they should be.
    """

    __slots__ = (
        "address", "bad_values", "body_bytes", "connection", "error", "failures", "good_period", "head", "hostname",
        "in_flight", "ip", "is_awaited", "is_removed", "is_side", "last_good_ns", "last_seconds", "last_start_ns",
        "name", "outcome", "path", "phase", "place_ms", "port", "request_seconds", "retry_at", "rhythm",
        "scrape_seconds", "scrapes", "source", "started", "started_ns", "twin", "wanted_ms",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        hostname: str,
        ip: str,
        port: int,
        connection: Connection,
        source: str = "",
        *,
        is_side: bool = False,
    ) -> None:
        self.name = name
        self.source = source
        self.is_side = is_side
        self.twin: Target | None = None
        self.good_period = -1
        self.hostname = hostname
        self.ip = ip
        self.port = port
        self.address = host_port(ip, port)
        self.phase = zlib.crc32(name.encode()) / 2**32
        self.rhythm: Rhythm | None = None
        self.place_ms = -1
        self.wanted_ms = -1
        self.path = ""
        self.head = b""
        self.connection = connection
        self.in_flight = False
        self.is_awaited = False
        self.is_removed = False
        self.outcome = ""
        self.error = ""
        self.started = 0.0
        self.started_ns = 0
        self.last_start_ns = 0
        self.last_good_ns = 0
        self.last_seconds = 0.0
        self.failures = 0
        self.retry_at = -math.inf
        self.scrapes = 0
        self.request_seconds = 0.0
        self.scrape_seconds = 0.0
        self.body_bytes = 0
        self.bad_values = 0

    def beside(self, source: str) -> Target:
        """Make its twin, for a second source."""
        self.twin = Target(self.name, self.hostname, self.ip, self.port, self.connection, source, is_side=True)
        self.twin.twin = self
        return self.twin

    @property
    def is_busy(self) -> bool:
        """Whether its connection is, with a request of either source."""
        return self.in_flight or (self.twin is not None and self.twin.in_flight)

    @property
    def label(self) -> str:
        """Names it in the log."""
        return self.name if self.twin is None else f"{self.name} ({self.source})"

    def start_seconds(self, spread_seconds: float) -> float:
        """How long after a window's end, or after a round's begin where its phase decides, its scrape starts."""
        if self.place_ms >= 0:
            return self.place_ms / 1e3
        return self.phase * spread_seconds * 1e3 // START_STEP_MS * START_STEP_MS / 1e3

    def is_down(self) -> bool:
        """Whether its last scrape says that the node is away."""
        return self.outcome in DOWN_REASONS

    def start(self, monotonic: float, now_ns: int) -> None:
        self.in_flight = True
        self.started = monotonic
        self.started_ns = now_ns

    def finish(self, request_seconds: float, scrape_seconds: float) -> None:
        """Note the end of a scrape, good or bad."""
        self.in_flight = False
        self.last_start_ns = self.started_ns
        self.last_seconds = scrape_seconds
        self.scrapes += 1
        self.request_seconds += request_seconds
        self.scrape_seconds += scrape_seconds

    def succeed(self, now_ns: int, body_bytes: int) -> None:
        self.outcome = "ok"
        self.error = ""
        self.failures = 0
        self.retry_at = -math.inf
        self.last_good_ns = now_ns
        self.body_bytes = body_bytes

    def fail(self, error: ScrapeError, now: float, jitter: float) -> None:
        """Note a failure.

        Args:
            now: the loop's time.
            jitter: from 0 to 1, scales the back-off from half to whole.
        """
        self.outcome = error.reason
        self.error = str(error)
        self.failures += 1
        if self.is_down() and self.failures > 1:
            # No larger exponent matters, and 2.0**1024 would overflow.
            pause = min(MAX_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2.0 ** min(self.failures - 2, 16))
            self.retry_at = now + pause * (0.5 + jitter / 2)

    def forgive(self) -> None:
        """Try it again at once: its node object has changed."""
        self.retry_at = -math.inf

    def describe(self) -> Mapping[str, Any]:
        """Its state as one JSON object, with that of its twin in it."""
        more: dict[str, Any] = {}
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


def host_port(ip: str, port: int) -> str:
    """IP:PORT, with an IPv6 address in brackets."""
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
