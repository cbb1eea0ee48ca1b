"""Lists of `/apis/metrics/v1alpha1`, written in slices so that the loop stays free.

In      a closed batch, slots of selected nodes or pods, the containers of each pod's spec
Out     chunks of indented JSON, items in the order of namespace and name (B12)
Callers api/metrics_v1alpha1.py
Source  spec/heapster-rest.md 9.2; what an item looks like: _usage.pyx
Never   selects, or holds the loop longer than a slice
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import AsyncIterator, Awaitable, Callable

from heapfast._batch import Batch
from heapfast.catalog.keys import Kind
from heapfast.render._order import sort_slots
from heapfast.render._usage import UsageWriter

#: Items written before the loop gets its turn: about 1 ms, measured with two containers a pod.
SLICE_ITEMS = 500

#: Up to so many slots are sorted on the loop, in well under 1 ms; more go to a thread.
SORT_INLINE = 500

#: An empty list: `items` is null, not [].
EMPTY_LIST = b'{\n  "metadata": {},\n  "items": null\n }'

#: Runs a function in a thread and gives its result.
RunInThread = Callable[..., Awaitable["array[int]"]]


async def render_node_list(batch: Batch, slots: array[int], now_ns: int, run: RunInThread) -> AsyncIterator[bytes]:
    """Write the nodes among `slots` that have usage."""
    writer = UsageWriter(batch, now_ns)
    async for chunk in _render(batch, Kind.NODE, slots, run, writer, writer.add_node):
        yield chunk


async def render_pod_list(
    batch: Batch,
    slots: array[int],
    now_ns: int,
    run: RunInThread,
    spec_containers: Callable[[int], list[int]],
) -> AsyncIterator[bytes]:
    """Write the pods among `slots` that have usage; `spec_containers` is asked between slices, on the loop."""
    writer = UsageWriter(batch, now_ns)

    def add(slot: int) -> bool:
        return writer.add_pod(slot, spec_containers(slot))

    async for chunk in _render(batch, Kind.POD, slots, run, writer, add):
        yield chunk


async def _render(
    batch: Batch,
    kind: Kind,
    slots: array[int],
    run: RunInThread,
    writer: UsageWriter,
    add: Callable[[int], bool],
) -> AsyncIterator[bytes]:
    if len(slots) <= SORT_INLINE:
        ordered = sort_slots(batch, kind, slots)
    else:
        ordered = await run(sort_slots, batch, kind, slots)
    writer.begin_list()
    for start in range(0, len(ordered), SLICE_ITEMS):
        if start:
            yield writer.take()
            await asyncio.sleep(0)
        for slot in ordered[start : start + SLICE_ITEMS]:
            add(slot)
    writer.end_list()
    yield writer.take()
