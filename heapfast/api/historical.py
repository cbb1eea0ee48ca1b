"""The historical API, and the model's aggregates: what was asked of a store of history, streamed.

In      names from the path; `start`, `end`, `labels` and `bucket` from the query
Out     JSON, in chunks as the store of history gives them
Callers routes.py, one method a route
Source  spec/heapster-rest.md 4.3, 4.4, 6 and 8; B1, B4 (200 and empty, or 400), B5, B12, B13, B17; K20
Never   knows which store it is that answers

Parameters are checked first, then names, then the store is asked (3.6). An answer of one chunk is sent as one, so most
failures are still answers; what fails in the middle of a large one breaks the connection off.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterable
from dataclasses import replace
from typing import Final

from heapfast.api.errors import Unavailable
from heapfast.api.model import Model
from heapfast.api.request import Request
from heapfast.api.responders import Responders
from heapfast.api.series_params import (
    AggregateParams,
    SeriesParams,
    check_buckets,
    historical_aggregate_params,
    historical_params,
    model_aggregate_params,
)
from heapfast.api.state import State
from heapfast.api.watched import Watch, watched
from heapfast.catalog.keys import Kind
from heapfast.catalog.metrics import DEPRECATED
from heapfast.errors import QueryError
from heapfast.history.backend import AggregateQuery, Entity, HistoryBackend, RawQuery
from heapfast.query.quoting import quote
from heapfast.query.window import TIME_MAX_NS, TIME_MIN_NS
from heapfast.render._names import node_with_hostname, render_name_list, render_strings
from heapfast.render.historical import BucketsWriter, SeriesWriter

_NODE = int(Kind.NODE)

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]*")
#: A system container may be named after its cgroup (B18).
_CONTAINER_NAME: Final = re.compile(r"[A-Za-z0-9_.:/-]*")
_METRIC_NAME: Final = re.compile(r"[A-Za-z0-9_./:-]*")
_QUOTES: Final = frozenset("\"'")

#: Buckets that are written before the loop gets its turn: about 1 ms.
SLICE_BUCKETS: Final = 100
#: Names of a list that are checked before it does: about 2 ms.
SLICE_NAMES: Final = 500


class Aggregates:
    """Handlers of all `metrics-aggregated` routes, over any store of history."""

    def __init__(self, state: State, backend: HistoryBackend) -> None:
        self._backend = backend
        self._clock = state.clock
        self._store = state.store
        self._limits = state.history_limits

    def cluster_aggregates(self, req: Request, aggregations: str, metric: str) -> AsyncGenerator[bytes]:
        return self._aggregates(req, [Entity(Kind.CLUSTER)], aggregations, metric)

    def node_aggregates(self, req: Request, node: str, aggregations: str, metric: str) -> AsyncGenerator[bytes]:
        return self._aggregates(req, [self._node(node)], aggregations, metric)

    def namespace_aggregates(
        self, req: Request, namespace: str, aggregations: str, metric: str
    ) -> AsyncGenerator[bytes]:
        return self._aggregates(req, [Entity(Kind.NAMESPACE, namespace=namespace)], aggregations, metric)

    def pod_aggregates(
        self, req: Request, namespace: str, pod: str, aggregations: str, metric: str
    ) -> AsyncGenerator[bytes]:
        return self._aggregates(req, [Entity(Kind.POD, namespace=namespace, pod=pod)], aggregations, metric)

    def container_aggregates(
        self, req: Request, namespace: str, pod: str, container: str, aggregations: str, metric: str
    ) -> AsyncGenerator[bytes]:
        entity = Entity(Kind.POD_CONTAINER, namespace=namespace, pod=pod, container=container)
        return self._aggregates(req, [entity], aggregations, metric)

    def free_container_aggregates(
        self, req: Request, node: str, container: str, aggregations: str, metric: str
    ) -> AsyncGenerator[bytes]:
        return self._aggregates(req, [self._system_container(node, container)], aggregations, metric)

    def pod_list_aggregates(
        self, req: Request, namespace: str, pods: str, aggregations: str, metric: str
    ) -> AsyncGenerator[bytes]:
        names = pods.split(",")
        entities = (Entity(Kind.POD, namespace=namespace, pod=pod) for pod in names)
        return self._aggregates(req, entities, aggregations, metric, n_listed=len(names))

    # -- what these share --------------------------------------------------------------------------

    def _node(self, name: str) -> Entity:
        return Entity(Kind.NODE, node=self._node_name(name))

    def _system_container(self, node: str, container: str) -> Entity:
        return Entity(Kind.SYS_CONTAINER, node=self._node_name(node), container=container)

    def _node_name(self, name: str) -> str:
        """The name of the node that has that name, or that host name now (B1)."""
        store = self._store
        if store.newest is not None and store.find(_NODE, name) < 0:
            slot = node_with_hostname(store.newest, name.encode("utf-8", "surrogateescape"))
            return store.name(_NODE, slot) if slot >= 0 else name
        return name

    def _parse(self, req: Request, aggregations: str) -> tuple[SeriesParams, AggregateParams]:
        """Bounds come back exclusive."""
        params, how = model_aggregate_params(req, self._clock.now_ns(), aggregations)
        start_ns, end_ns = max(params.start_ns - 1, TIME_MIN_NS), min(params.end_ns + 1, TIME_MAX_NS)
        return params._replace(start_ns=start_ns, end_ns=end_ns), how

    def _aggregates(
        self, req: Request, entities: Iterable[Entity], aggregations: str, metric: str, *, n_listed: int | None = None
    ) -> AsyncGenerator[bytes]:
        """Answer for one entity, or for so many as a list."""
        params, how = self._parse(req, aggregations)
        check_buckets(params, how.bucket_ns, n_listed or 1, self._limits.max_points, self._clock.now_ns())
        query = AggregateQuery(
            entities=(),
            metric=DEPRECATED.get(metric, metric),
            labels=params.labels,
            start_ns=params.start_ns,
            end_ns=params.end_ns,
            max_points=self._limits.max_points,
            timeout_seconds=self._limits.timeout_seconds,
            bucket_ns=how.bucket_ns,
            aggregations=how.aggregations,
        )
        return self._stream_buckets(req, query, entities, n_listed is not None)

    async def _stream_buckets(
        self, req: Request, query: AggregateQuery, entities: Iterable[Entity], is_list: bool
    ) -> AsyncGenerator[bytes]:
        query = replace(query, entities=await _checked(entities, query))
        writer = BucketsWriter(len(query.entities), is_list=is_list, bucket_ns=query.bucket_ns)
        pending = b""
        async for chunk in watched(self._backend.read_aggregated(query), self._watch(req)):
            for first in range(0, len(chunk.timestamps_ns), SLICE_BUCKETS):
                if first:
                    await asyncio.sleep(0)
                here = slice(first, first + SLICE_BUCKETS)
                values = {aggregation: column[here] for aggregation, column in chunk.values.items()}
                if pending:
                    yield pending
                pending = writer.buckets(chunk.item, chunk.timestamps_ns[here], values)
        yield pending + writer.end()

    def _watch(self, req: Request) -> Watch:
        return Watch(req.wait_gone(), self._limits.timeout_seconds)


class Historical(Aggregates):
    """Handlers of `/api/v1/historical`."""

    def __init__(self, state: State, responders: Responders, backend: HistoryBackend) -> None:
        super().__init__(state, backend)
        self._run = responders.run
        self._model = None if state.disable_metric_sink else Model(state, responders)

    # -- lists -------------------------------------------------------------------------------------

    async def nodes(self, req: Request) -> bytes:
        return await self._entities(req, Kind.NODE)

    async def namespaces(self, req: Request) -> bytes:
        return await self._entities(req, Kind.NAMESPACE)

    async def pods(self, req: Request, namespace: str) -> bytes:
        return await self._entities(req, Kind.POD, Entity(Kind.NAMESPACE, namespace=namespace))

    async def free_containers(self, req: Request, node: str) -> bytes:
        return await self._entities(req, Kind.SYS_CONTAINER, self._node(node))

    def containers(self, req: Request, namespace: str, pod: str) -> bytes:
        # Heapster asked its memory, not the database, and callers have fresher data for it (K20).
        if self._model is None:
            raise Unavailable("containers are listed from memory, and --disable-metric-sink keeps none")
        return self._model.containers(req, namespace, pod)

    async def cluster_names(self, req: Request) -> bytes:
        return await self._names(req, Entity(Kind.CLUSTER))

    async def node_names(self, req: Request, node: str) -> bytes:
        return await self._names(req, self._node(node))

    async def namespace_names(self, req: Request, namespace: str) -> bytes:
        return await self._names(req, Entity(Kind.NAMESPACE, namespace=namespace))

    async def pod_names(self, req: Request, namespace: str, pod: str) -> bytes:
        return await self._names(req, Entity(Kind.POD, namespace=namespace, pod=pod))

    async def container_names(self, req: Request, namespace: str, pod: str, container: str) -> bytes:
        return await self._names(req, Entity(Kind.POD_CONTAINER, namespace=namespace, pod=pod, container=container))

    async def free_container_names(self, req: Request, node: str, container: str) -> bytes:
        return await self._names(req, self._system_container(node, container))

    # -- raw series --------------------------------------------------------------------------------

    def cluster_series(self, req: Request, metric: str) -> AsyncGenerator[bytes]:
        return self._series(req, [Entity(Kind.CLUSTER)], metric)

    def node_series(self, req: Request, node: str, metric: str) -> AsyncGenerator[bytes]:
        return self._series(req, [self._node(node)], metric)

    def namespace_series(self, req: Request, namespace: str, metric: str) -> AsyncGenerator[bytes]:
        return self._series(req, [Entity(Kind.NAMESPACE, namespace=namespace)], metric)

    def pod_series(self, req: Request, namespace: str, pod: str, metric: str) -> AsyncGenerator[bytes]:
        return self._series(req, [Entity(Kind.POD, namespace=namespace, pod=pod)], metric)

    def container_series(
        self, req: Request, namespace: str, pod: str, container: str, metric: str
    ) -> AsyncGenerator[bytes]:
        entity = Entity(Kind.POD_CONTAINER, namespace=namespace, pod=pod, container=container)
        return self._series(req, [entity], metric)

    def free_container_series(self, req: Request, node: str, container: str, metric: str) -> AsyncGenerator[bytes]:
        return self._series(req, [self._system_container(node, container)], metric)

    def pod_list_series(self, req: Request, namespace: str, pods: str, metric: str) -> AsyncGenerator[bytes]:
        names = pods.split(",")
        entities = (Entity(Kind.POD, namespace=namespace, pod=pod) for pod in names)
        return self._series(req, entities, metric, n_listed=len(names))

    def pod_id_series(self, req: Request, pod_id: str, metric: str) -> AsyncGenerator[bytes]:
        return self._series(req, [Entity(Kind.POD, pod_id=pod_id)], metric)

    def pod_id_container_series(self, req: Request, pod_id: str, container: str, metric: str) -> AsyncGenerator[bytes]:
        return self._series(req, [Entity(Kind.POD_CONTAINER, pod_id=pod_id, container=container)], metric)

    def pod_id_list_series(self, req: Request, pod_ids: str, metric: str) -> AsyncGenerator[bytes]:
        uids = pod_ids.split(",")
        entities = (Entity(Kind.POD, pod_id=uid) for uid in uids)
        return self._series(req, entities, metric, n_listed=len(uids))

    # -- aggregates by UID, which the model has not ------------------------------------------------

    def pod_id_aggregates(self, req: Request, pod_id: str, aggregations: str, metric: str) -> AsyncGenerator[bytes]:
        return self._aggregates(req, [Entity(Kind.POD, pod_id=pod_id)], aggregations, metric)

    def pod_id_container_aggregates(
        self, req: Request, pod_id: str, container: str, aggregations: str, metric: str
    ) -> AsyncGenerator[bytes]:
        entity = Entity(Kind.POD_CONTAINER, pod_id=pod_id, container=container)
        return self._aggregates(req, [entity], aggregations, metric)

    def pod_id_list_aggregates(
        self, req: Request, pod_ids: str, aggregations: str, metric: str
    ) -> AsyncGenerator[bytes]:
        uids = pod_ids.split(",")
        entities = (Entity(Kind.POD, pod_id=uid) for uid in uids)
        return self._aggregates(req, entities, aggregations, metric, n_listed=len(uids))

    # -- what these share --------------------------------------------------------------------------

    def _parse(self, req: Request, aggregations: str) -> tuple[SeriesParams, AggregateParams]:
        return historical_aggregate_params(req, self._clock.now_ns(), aggregations)

    async def _entities(self, req: Request, kind: Kind, parent: Entity | None = None) -> bytes:
        if parent is not None:
            _check_entity(parent)
        watch = self._watch(req)
        try:
            names = await watch.wait(self._backend.list_entities(kind, parent))
            # Those of 150,000 pods take milliseconds to write.
            body: bytes = b"" if names is None else await self._run(render_name_list, names)
            return body
        finally:
            watch.close()

    async def _names(self, req: Request, entity: Entity) -> bytes:
        _check_entity(entity)
        watch = self._watch(req)
        try:
            return render_strings(await watch.wait(self._backend.list_metrics(entity)) or ())
        finally:
            watch.close()

    def _series(
        self, req: Request, entities: Iterable[Entity], metric: str, *, n_listed: int | None = None
    ) -> AsyncGenerator[bytes]:
        """Answer for one entity, or for so many as a list."""
        params = historical_params(req, self._clock.now_ns())
        query = RawQuery(
            entities=(),
            metric=DEPRECATED.get(metric, metric),
            labels=params.labels,
            start_ns=params.start_ns,
            end_ns=params.end_ns,
            max_points=self._limits.max_points,
            timeout_seconds=self._limits.timeout_seconds,
        )
        return self._stream_series(req, query, entities, n_listed is not None)

    async def _stream_series(
        self, req: Request, query: RawQuery, entities: Iterable[Entity], is_list: bool
    ) -> AsyncGenerator[bytes]:
        query = replace(query, entities=await _checked(entities, query))
        writer = SeriesWriter(len(query.entities), is_list=is_list)
        pending = b""
        async for chunk in watched(self._backend.read_raw(query), self._watch(req)):
            if pending:
                yield pending
            pending = writer.points(chunk.item, chunk.timestamps_ns, chunk.values)
        yield pending + writer.end()


async def _checked(entities: Iterable[Entity], query: RawQuery) -> tuple[Entity, ...]:
    """Refuse names that no object can have: of all entities first, then the metric's, then the labels' (8.6).

    The loop gets its turn in between, for a list may be of 30,000 names.

    Raises:
        QueryError: Heapster's text, where it answered 500 (B4).
    """
    found: list[Entity] = []
    for entity in entities:
        _check_entity(entity)
        found.append(entity)
        if len(found) % SLICE_NAMES == 0:
            await asyncio.sleep(0)
    _check("metric name", query.metric, _METRIC_NAME)
    for name, value in (query.labels or {}).items():
        _check("label name", name, _METRIC_NAME)
        if not value.isprintable() or not _QUOTES.isdisjoint(value):
            raise QueryError(f"Invalid label value {quote(value)}")
    return tuple(found)


def _check_entity(entity: Entity) -> None:
    if entity.kind in (Kind.NODE, Kind.SYS_CONTAINER):
        _check("node name", entity.node, _NAME)
    elif entity.pod_id is not None:
        _check("pod id", entity.pod_id, _NAME)
    else:
        _check("namespace name", entity.namespace, _NAME)
        _check("pod name", entity.pod, _NAME)
    _check("container name", entity.container, _CONTAINER_NAME)


def _check(what: str, name: str, pattern: re.Pattern[str]) -> None:
    if not pattern.fullmatch(name):
        raise QueryError(f"Invalid {what} {quote(name)}")
