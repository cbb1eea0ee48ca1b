"""History of the last minutes: the store's own ring, asked as any other store of history is.

In      the store; the queries of backend.py
Out     what the ring still has
Callers api/routes.py, for the model's aggregated routes
Source  docs/architecture.md: the store belongs to the loop, and one series of its ring is microseconds
Never   leaves the loop
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import AsyncGenerator, Mapping
from typing import TYPE_CHECKING

from heapfast._name_list import NameList
from heapfast.catalog.keys import Kind
from heapfast.errors import HistoryTooLarge
from heapfast.history.backend import AggregateQuery, Buckets, Entity, Points, RawQuery
from heapfast.query.buckets import Samples, aggregate

if TYPE_CHECKING:
    from heapfast._batch import Batch
    from heapfast._core import Store

_RESOURCE = int(Kind.RESOURCE)

#: Items that are answered before the loop gets its turn.
SLICE_ITEMS = 50


class MemoryBackend:
    """See HistoryBackend."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def read_raw(self, query: RawQuery) -> AsyncGenerator[Points]:
        left = query.max_points
        async for item, timestamps_ns, values in self.read_items(query):
            left -= len(timestamps_ns)
            if left < 0:
                raise HistoryTooLarge(query.max_points)
            yield Points(item, timestamps_ns, values)

    async def read_aggregated(self, query: AggregateQuery) -> AsyncGenerator[Buckets]:
        left = query.max_points
        async for item, timestamps_ns, values in self.read_items(query):
            samples = Samples(timestamps_ns, values)
            stamps, found = aggregate(samples, query.aggregations, start_ns=query.start_ns, bucket_ns=query.bucket_ns)
            left -= len(stamps)
            if left < 0:
                raise HistoryTooLarge(query.max_points)
            if stamps:
                yield Buckets(item, stamps, found)

    async def read_items(self, query: RawQuery) -> AsyncGenerator[tuple[int, array[int], array[int] | array[float]]]:
        """Yields item, timestamps and values of each entity that has any; the loop gets its turn in between."""
        for item, entity in enumerate(query.entities):
            # A pod's UID is looked for in all of a batch.
            if item % SLICE_ITEMS == SLICE_ITEMS - 1 or entity.pod_id is not None:
                await asyncio.sleep(0)
            timestamps_ns, values = self._read(entity, query)
            if timestamps_ns:
                yield item, timestamps_ns, values

    def _read(self, entity: Entity, query: RawQuery) -> tuple[array[int], array[int] | array[float]]:
        """Timestamps and values of one entity; of several label sets by time, then by resource."""
        column, slot = self._store.metric_id(query.metric), self._find(entity)
        found: list[tuple[int, int | float]] = []
        if column >= 0 and slot >= 0 and query.end_ns - query.start_ns > 1:
            bounds = (column, query.start_ns + 1, query.end_ns - 1)
            if query.labels is None:
                found = self._store.series(entity.kind, slot, *bounds)
            for resource in self._resources(entity.kind, slot, query.labels):
                found += self._store.series(_RESOURCE, resource, *bounds)
            found.sort(key=_timestamp)
        timestamps_ns = array("q", [at for at, _ in found])
        if found and isinstance(found[0][1], float):
            return timestamps_ns, array("d", [value for _, value in found])
        return timestamps_ns, array("q", [value for _, value in found])

    async def list_metrics(self, entity: Entity) -> list[str]:
        slot = self._find(entity)
        return self._store.metric_names(entity.kind, slot) if slot >= 0 else []

    async def list_entities(self, kind: Kind, parent: Entity | None = None) -> NameList:
        names = NameList()
        batch = self._store.newest
        slot = -1 if parent is None else self._find(parent)
        if batch is None or (parent is not None and slot < 0):
            return names
        await asyncio.get_running_loop().run_in_executor(None, _list_names, names, batch, kind, slot)
        return names

    async def close(self) -> None:
        """The store is not ours."""

    def _find(self, entity: Entity) -> int:
        store = self._store
        match entity.kind:
            case Kind.CLUSTER:
                return 0
            case Kind.NODE:
                return store.find(entity.kind, entity.node)
            case Kind.NAMESPACE:
                return store.find(entity.kind, entity.namespace)
            case Kind.SYS_CONTAINER:
                return store.find(entity.kind, entity.node, entity.container)
        namespace, pod = entity.namespace, entity.pod
        if entity.pod_id is not None:
            slot = -1 if store.newest is None else store.newest.pod_with_id(entity.pod_id)
            if slot < 0 or entity.kind == Kind.POD:
                return slot
            namespace, pod = store.name(Kind.NAMESPACE, store.parent(Kind.POD, slot)), store.name(Kind.POD, slot)
        if entity.kind == Kind.POD:
            return store.find(entity.kind, namespace, pod)
        return store.find(entity.kind, namespace, pod, entity.container)

    def _resources(self, kind: Kind, slot: int, labels: Mapping[str, str] | None) -> list[int]:
        batch = self._store.newest
        if batch is None:
            return []
        resources = batch.resources(kind, slot)
        if labels is None:
            return resources
        return [resource for resource in resources if labels.items() <= batch.resource_labels(resource).items()]


def _list_names(names: NameList, batch: Batch, kind: Kind, parent: int) -> None:
    names.add_batch(batch, kind, parent)
    names.sort()


def _timestamp(sample: tuple[int, int | float]) -> int:
    return sample[0]
