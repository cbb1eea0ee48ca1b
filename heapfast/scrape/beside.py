"""A second source of every target, scraped beside the main one and seldomer, over the same connection.

In      windows, the phase of a target
Out     Beside: whether the second source is due
Callers daemon makes it, manager.py keeps it, _round.pyx asks
Source  ours; the drawing is in _side.pxd
Never   lets a hanging answer hold up the main source: what is left of the window is all the time it has

    main    |x      |x      |x      |x      |x      one scrape a window, at the target's phase
    beside  |  y    |       |       |       |  y    right after it, in one of every `every` windows: which one, the
                                                    phase decides, so that load is flat

One that fails is due again in the next window, and then keeps its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from heapfast.units import NS_PER_SECOND

if TYPE_CHECKING:
    from heapfast.scrape.loop import Window
    from heapfast.scrape.sources.source import Source
    from heapfast.wire._rows import Rows

#: The part of a window after which a second source is given up, so that the next scrape of the main one is in time.
_PART_OF_WINDOW: Final = 0.9


@dataclass(frozen=True, slots=True)
class Beside:
    """The second source.

    Attributes:
        rows: filled anew for each of its answers.
        every: it is scraped in one of so many windows.
    """

    source: Source
    rows: Rows
    every: int

    def period(self, window: Window, phase: float) -> int:
        """The number of the span in which a target of that phase is asked once; grows with windows."""
        resolution_ns = window.end_ns - window.start_ns
        return (window.end_ns // resolution_ns + int(phase * self.every)) // self.every


def make_beside(source: Source, *, every: int) -> Beside:
    return Beside(source, source.new_rows(), every)


def seconds_left(window: Window, elapsed_seconds: float) -> float:
    """How long an answer may take, so long after the target's scrape began."""
    return (window.end_ns - window.start_ns) / NS_PER_SECOND * _PART_OF_WINDOW - elapsed_seconds
