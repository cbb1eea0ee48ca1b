"""Which pods have begun to run something, as their watch tells it.

In      every pod that the store takes, with its slot; slots that are given up
Out     started(node, slot), once for each pod that turns Running, runs one more container, or restarts one
Callers pod.py
Never   keeps more than two bytes a pod, or tells anything twice: a list after a broken watch is no news
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from heapfast.processors.pod import ContainerSpec

#: What a slot holds: containers that run (at most 255) above, their restarts (modulo 256) below; 0 runs nothing.
_RUNS_SHIFT: Final = 8
_BYTE: Final = 0xFF

#: Places of a ContainerSpec.
_RESTARTS: Final = 6
_HAS_ENDED: Final = 7


class PodStarts:
    """Compares each pod with what it ran before.

    Args:
        started: is told the name of the node, and the pod's slot.
    """

    def __init__(self, started: Callable[[str, int], None]) -> None:
        self._started = started
        self._by_slot = array("H")

    def put(self, slot: int, node: str, containers: Sequence[ContainerSpec]) -> None:
        """Takes note of a pod in phase Running."""
        if slot >= len(self._by_slot):
            self._by_slot.extend([0] * (slot + 1 - len(self._by_slot)))
        before, now = self._by_slot[slot], _summary(containers)
        self._by_slot[slot] = now
        has_more = now >> _RUNS_SHIFT > before >> _RUNS_SHIFT
        has_restarted = now != 0 and (now ^ before) & _BYTE != 0
        if node and (has_more or has_restarted):
            self._started(node, slot)

    def remove(self, slot: int) -> None:
        """Forgets a pod that is gone, or runs no more. A slot that nobody has, -1 too, is nothing."""
        if 0 <= slot < len(self._by_slot):
            self._by_slot[slot] = 0


def _summary(containers: Sequence[ContainerSpec]) -> int:
    # A container that its pod's status does not list counts -1 restarts.
    restarts = [one[_RESTARTS] for one in containers if one[_RESTARTS] >= 0]
    runs = sum(one[_RESTARTS] >= 0 and not one[_HAS_ENDED] for one in containers)
    return min(runs, _BYTE) << _RUNS_SHIFT | sum(restarts) & _BYTE if runs else 0
