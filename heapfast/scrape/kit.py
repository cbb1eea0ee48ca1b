"""What rounds need, give and tell.

In      nothing
Out     Kit: the parts that every round works with; ScrapeReport; ScrapeObserver, Deliver: who is told
Callers manager.py makes the kit, _round.pyx works with it
Never   does anything
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from heapfast.clock import Clock
from heapfast.scrape._counters import ScrapeCounters
from heapfast.scrape._target import Target
from heapfast.scrape.beside import Beside

if TYPE_CHECKING:
    from heapfast.scrape.places import Places
    from heapfast.scrape.sources.source import Source
    from heapfast.wire._rows import Rows

#: Takes one answer. `rows` is the same object every time and only valid during the call.
Deliver = Callable[[Target, "Rows"], None]


@dataclass(frozen=True, slots=True)
class ScrapeReport:
    """How a round went, when it was over.

    Attributes:
        targets: there were.
        delivered: gave rows in time.
        failed: gave an error in time.
        skipped: were still busy with an earlier round, or had not started when the deadline came.
        backed_off: were left alone, because they have been away for a while.
        unanswered: were asked, and had given nothing when the round was over.
        took_seconds: from the first start.
    """

    targets: int
    delivered: int
    failed: int
    skipped: int
    backed_off: int
    unanswered: int
    took_seconds: float


class ScrapeObserver(Protocol):
    """Who counts scrapes under names of its own. Called on the loop; must not raise."""

    def observe_request(self, node: str, start_ns: int, seconds: float, *, is_success: bool) -> None: ...
    def observe_round(self, seconds: float) -> None: ...
    def forget(self, node: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Kit:
    """What every round needs.

    Attributes:
        rows: filled anew for each answer.
        deliver_late: takes answers that came after their round was over; None drops them unread.
        jitter: gives numbers from 0 to 1.
        observer: is told of every scrape of the main source that has ended; None for nobody.
        beside: the second source; None where there is one.
        places: looks at answers of the main source; None where targets are asked at their phases, whatever they say.
    """

    source: Source
    rows: Rows
    clock: Clock
    counters: ScrapeCounters
    deliver_late: Deliver | None
    jitter: Callable[[], float]
    observer: ScrapeObserver | None = None
    beside: Beside | None = None
    places: Places | None = None
