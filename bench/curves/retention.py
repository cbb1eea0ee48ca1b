"""What a store holds while its history grows.

In      nodes, after how many batches to look
Out     bytes a container, of the history and of everything
Callers measuring.py, in a process of its own
Source  bench/micro/fleet.py: a busy cluster whose values never repeat
Never   takes the store's word alone: resident memory is beside it
"""

from __future__ import annotations

import gc
from collections.abc import Sequence

from bench.micro.fleet import Size
from bench.micro.store import Ticker, rss_bytes


def measure_retention(nodes: int, batches: Sequence[int]) -> dict[str, list[tuple[float, float]]]:
    """Points by series."""
    gc.collect()
    empty = rss_bytes()
    size = Size(nodes)
    ticker = Ticker(size)
    packed: list[tuple[float, float]] = []
    resident: list[tuple[float, float]] = []
    for number in range(1, max(batches) + 1):
        ticker.tick()
        if number in batches:
            ticker.check()
            containers = size.all_containers
            packed.append((number, round(ticker.store.stats()["packed_bytes"] / containers, 1)))
            resident.append((number, round((rss_bytes() - empty) / containers, 1)))
    return {"history, packed": packed, "resident memory, the fleet's own included": resident}
