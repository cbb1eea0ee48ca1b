"""The routes of Kubernetes Dashboard's metrics scraper, answered from the model.

In      a node, or pods of one namespace, and `cpu` or `memory`
Out     JSON: every point that the ring has, one item a name that has any
Callers routes.py; Kubernetes Dashboard with --sidecar-host set to this port
Source  github.com/kubernetes-sigs/dashboard-metrics-scraper, pkg/api/dashboard: routes, names and order of members
Never   answers 404: what is unknown has no item

CPU is in millicores, memory in bytes. As there, every metric that is not `cpu` is memory, what stands behind it is not
looked at, no items are null, and a uid is a name. Unlike there, items come in the order in which they are asked for,
and memory is `memory/usage`, which is kept for a quarter of an hour; the scraper has the working set, which is taken
where a source (kubernetes.resource) has nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

import msgspec

from heapfast.api.request import Request
from heapfast.api.state import State
from heapfast.catalog.keys import Kind
from heapfast.codec._rfc3339 import format_time
from heapfast.query.window import TIME_MIN_NS

#: Items written before the loop gets its turn: 0.6 ms with a quarter of an hour of points.
SLICE_ITEMS = 100

_CPU = "cpu"
_CPU_METRICS = ("cpu/usage_rate",)
_MEMORY_METRICS = ("memory/usage", "memory/working_set")


class _MetricPoint(msgspec.Struct):
    timestamp: str
    value: int


class _Item(msgspec.Struct, rename="camel"):
    """Members in their order; `dataPoints` is always empty there, too."""

    data_points: tuple[()]
    metric_points: list[_MetricPoint]
    metric_name: str
    uids: tuple[str]


class Dashboard:
    """Handlers of `/api/v1/dashboard`."""

    def __init__(self, state: State) -> None:
        self._store = state.store
        self._clock = state.clock

    def node(self, req: Request, node: str, metric: str, rest: str) -> AsyncIterator[bytes]:
        return self._items(metric, Kind.NODE, [(node,)])

    def pods(self, req: Request, namespace: str, pods: str, metric: str, rest: str) -> AsyncIterator[bytes]:
        """One item for each pod with points, once, also if it is named twice."""
        names = dict.fromkeys(pods.split(","))
        return self._items(metric, Kind.POD, [(namespace, pod) for pod in names])

    async def _items(self, metric: str, kind: Kind, entities: list[tuple[str, ...]]) -> AsyncIterator[bytes]:
        before = b'{"items":['
        for first in range(0, len(entities), SLICE_ITEMS):
            if first:
                await asyncio.sleep(0)
            found = (self._item(metric, kind, entity) for entity in entities[first : first + SLICE_ITEMS])
            items = b",".join(msgspec.json.encode(item) for item in found if item is not None)
            if items:
                yield before + items
                before = b","
        yield b"]}" if before == b"," else b'{"items":null}'

    def _item(self, metric: str, kind: Kind, entity: tuple[str, ...]) -> _Item | None:
        slot = self._store.find(kind, *entity)
        points = self._points(kind, slot, _CPU_METRICS if metric == _CPU else _MEMORY_METRICS) if slot >= 0 else []
        if not points:
            return None
        written = [_MetricPoint(format_time(time_ns), int(value)) for time_ns, value in points]
        return _Item(data_points=(), metric_points=written, metric_name=metric, uids=(entity[-1],))

    def _points(self, kind: Kind, slot: int, metrics: Iterable[str]) -> list[tuple[int, int | float]]:
        """The points of the first metric that has any."""
        now_ns = self._clock.now_ns()
        series = (self._store.series(kind, slot, self._store.metric_id(name), TIME_MIN_NS, now_ns) for name in metrics)
        return next(filter(None, series), [])
