"""Where in the window each target is asked: by its name, or just after its kubelet has sampled.

In      each good answer of a target, with the window that it belongs to
Out     Target.place_ms: how long after a window's end it is asked; targets in the order of their starts
Callers manager.py, _round.pyx
Source  docs/architecture.md, "The tick"; _rhythm.pyx knows a rhythm when it sees one
Never   asks anybody oftener, or later than half of a round's deadline after the window's end

    0 ─────── spread ────────┐        limit
    | hash hash hash hash ha |        |       whose rhythm is not known: at phase x spread
    |  place         place place      |       whose rhythm is: at the first moment just after a sample

Kubelets that sample in unison would all be asked at one moment. So places are a step or a few apart, each has room
for few, and who finds no room is asked at a later one: then they are all asked at twice the pace of those that are
spread by name.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from heapfast.scrape._rhythm import Rhythm
from heapfast.scrape._target import START_STEP_MS, Target

if TYPE_CHECKING:
    from heapfast.scrape.loop import Window
    from heapfast.wire._rows import Rows

#: Targets that one place has room for, however few there are.
_ROOM: Final = 8

#: Steps between two places, where there are few targets: then more of them share one, and fewer wake the loop for
#: themselves. At 1,000 nodes a scrape cost 175 us of CPU with a place at each step, 121 us with one at each fifth.
_MAX_STRIDE: Final = 5

#: Targets from which on each step is a place: over 5 s, 20 to each. More at a time would hold up who asks meanwhile.
_MANY_TARGETS: Final = 5_000

#: A place is given up for a better one when it is so much off.
_SLACK_MS: Final = 100


class Places:
    """The places of all targets.

    Args:
        deadline_seconds: of a round; a place is in its first half.

    Attributes:
        placed: targets that are asked just after their kubelet has sampled.
    """

    def __init__(self, deadline_seconds: float) -> None:
        self._room = _ROOM
        self._stride = _MAX_STRIDE
        self._taken = array("H", [0]) * (round(deadline_seconds * 1e3) // 2 // START_STEP_MS)  # targets in each step
        self._order: tuple[Target, ...] | None = None
        self.placed = 0

    def order(self, targets: Iterable[Target], spread_seconds: float) -> tuple[Target, ...]:
        """The targets of the next round, in order of their starts."""
        if self._order is None:
            self._order = tuple(sorted(targets, key=lambda target: target.start_seconds(spread_seconds)))
            starts_a_step = len(self._order) * START_STEP_MS / (1e3 * spread_seconds) if spread_seconds else 0.0
            self._stride = min(_MAX_STRIDE, math.ceil(_MANY_TARGETS / max(1, len(self._order))))
            self._room = max(_ROOM, math.ceil(2 * starts_a_step * self._stride))
        return self._order

    def forget_order(self) -> None:
        """Targets have come or gone."""
        self._order = None

    def note(self, target: Target, rows: Rows, window: Window) -> None:
        """Look at a good answer, and have its target asked elsewhere from the next window on if that is better."""
        if target.rhythm is None:
            target.rhythm = Rhythm()
        resolution_ns = window.end_ns - window.start_ns
        wanted_ms = target.rhythm.follow(rows, target.started_ns, window.end_ns, resolution_ns, target.place_ms >= 0)
        if wanted_ms < 0:
            self.release(target)
        elif target.place_ms < 0 or abs(wanted_ms - target.wanted_ms) > _SLACK_MS:
            self.release(target)
            self._place(target, wanted_ms)

    def release(self, target: Target) -> None:
        """Have a target asked at its phase again."""
        if target.place_ms >= 0:
            self._taken[target.place_ms // START_STEP_MS] -= 1
            target.place_ms = target.wanted_ms = -1
            self.placed -= 1
            self._order = None

    def _place(self, target: Target, wanted_ms: int) -> None:
        apart_ms = self._stride * START_STEP_MS
        for step in range(-(-wanted_ms // apart_ms) * self._stride, len(self._taken), self._stride):
            if self._taken[step] < self._room:
                self._taken[step] += 1
                target.place_ms, target.wanted_ms = step * START_STEP_MS, wanted_ms
                self.placed += 1
                self._order = None
                return
