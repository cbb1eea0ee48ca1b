"""Where in the window each target is asked: by its name, or just after its kubelet has sampled.

In      each good answer of a target, with the window that it belongs to
Out     Target.place_ms: how long after a window's end it is asked; targets in the order of their starts
Callers manager.py, _round.pyx
Source  docs/architecture.md, "The tick"; _rhythm.pyx knows a rhythm when it sees one
Never   asks anybody oftener, or later than half of a round's deadline after the window's end

    0 ─────── spread ────────┐        limit
    | hash hash hash hash ha |        |       whose rhythm is not known: at phase x spread
    |  place         place place      |       whose rhythm is: at the first moment just after a sample

Whoever is asked alone wakes the loop for itself, and finds the caches as others left them: at 100 nodes that is most of
what a scrape costs. So moments are rounded, the fewer targets the more: then some share one. Kubelets that sample in
unison would all be asked at one moment: each has room for few, and who finds none is asked a little later, at twice
the pace of those that are spread by name.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING, Final

from heapfast.scrape._rhythm import Rhythm
from heapfast.scrape._target import START_STEP_MS, Target

if TYPE_CHECKING:
    from heapfast.scrape.loop import Window
    from heapfast.wire._rows import Rows

#: Targets that one place has room for, however few there are.
_ROOM: Final = 8

#: Steps between two places, at most: half a second, which is a quarter of a second that a number is older.
MAX_STRIDE: Final = 25

#: The same, at most, where the place next to the sample has no room.
_NEXT_STRIDE: Final = 5

#: In so much of a window lie the places of kubelets that sample every 10 s, and are asked every 15 s.
_PLACES_MS: Final = 5_000

#: A place is given up for a better one when it is so much off.
_SLACK_MS: Final = 100


class Places:
    """The places of all targets.

    Args:
        deadline_seconds: of a round; a place is in its first half.
        together: targets that are to be asked at one moment. More would hold up who asks us meanwhile.

    Attributes:
        placed: targets that are asked just after their kubelet has sampled.
    """

    def __init__(self, deadline_seconds: float, together: int) -> None:
        self._together = together
        self._room = _ROOM
        self._stride = MAX_STRIDE
        self._taken = array("H", [0]) * (round(deadline_seconds * 1e3) // 2 // START_STEP_MS)  # targets in each step
        self._order: tuple[Target, ...] | None = None
        self.placed = 0

    def order(self, targets: Iterable[Target], spread_seconds: float) -> tuple[Target, ...]:
        """The targets of the next round, in order of their starts, which they are told."""
        if self._order is None:
            ordered = list(targets)
            starts_a_step = len(ordered) * START_STEP_MS / (1e3 * spread_seconds) if spread_seconds else 0.0
            self._stride = self._stride_of(len(ordered) * START_STEP_MS / _PLACES_MS)
            self._room = max(_ROOM, math.ceil(2 * starts_a_step * min(self._stride, _NEXT_STRIDE)))
            apart_ms = START_STEP_MS * self._stride_of(starts_a_step)
            for target in ordered:
                phase_ms = target.phase * spread_seconds * 1e3
                target.start_ms = target.place_ms if target.place_ms >= 0 else phase_ms // apart_ms * apart_ms
            self._order = tuple(sorted(ordered, key=lambda target: target.start_ms))
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
        near = min(self._stride, _NEXT_STRIDE)
        steps = range(_after(wanted_ms, near), len(self._taken), near)
        for step in chain((_after(wanted_ms, self._stride),), steps):
            if step < len(self._taken) and self._taken[step] < self._room:
                self._taken[step] += 1
                target.place_ms, target.wanted_ms = step * START_STEP_MS, wanted_ms
                self.placed += 1
                self._order = None
                return

    def _stride_of(self, targets_a_step: float) -> int:
        """Steps between two moments, so that enough targets share each."""
        return min(MAX_STRIDE, max(1, math.ceil(self._together / targets_a_step))) if targets_a_step else MAX_STRIDE


def _after(wanted_ms: int, stride: int) -> int:
    """The first step, of those so far apart, that is not before."""
    return math.ceil(wanted_ms / (stride * START_STEP_MS)) * stride
