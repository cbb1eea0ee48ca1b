"""`/apis/metrics.k8s.io`, v1 and v1beta1: the newest usage of nodes and pods.

In      names from the path; selectors, options and the wanted form from query and Accept
Out     Answers
Callers secure_routes.py, one object a version
Source  spec/metrics-k8s-io.md 3 to 8; the order of the checks: 5.1
Never   reads a closed batch, unless `window` asks for a mean: answers come from the latest view, the moment a target
        was ingested
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import product
from typing import Final, NamedTuple

from pyroaring import BitMap

from heapfast.api.accept import OFFERED, Negotiated, allows_objects, negotiate
from heapfast.api.kubernetes_errors import (
    KubernetesError,
    bad_request,
    no_metrics,
    no_such_node,
    no_such_pod,
    no_watch,
    not_transformed,
    wrong_metadata,
)
from heapfast.api.kubernetes_responders import Answer, is_pretty_request
from heapfast.api.paging import Key, take_page
from heapfast.api.params import REMEMBERED, is_remembered, remembered_query
from heapfast.api.request import Request
from heapfast.api.responders import Body
from heapfast.api.secure_state import SecureState
from heapfast.catalog.keys import Kind
from heapfast.query.field_selector import FieldSelection
from heapfast.query.list_options import ListOptions, parse_bool, parse_list_options
from heapfast.query.mean import parse_span_ns
from heapfast.query.quoting import quote
from heapfast.query.selection import select_slots
from heapfast.query.usage import UsageStatus
from heapfast.render._roster import Roster
from heapfast.render.forms import Encoding, Form, RowObject, Shape
from heapfast.render.mean_items import History
from heapfast.render.metrics_k8s_io import ResourceMetrics

#: Names that are looked up before the loop gets its turn: a name, or one that is not wanted, may be in any namespace.
SLICE_LOOKUPS: Final = 2_000

_ROW_OBJECTS: Final = {row_object.value: row_object for row_object in RowObject} | {"": RowObject.METADATA}
_METADATA: Final = "PartialObjectMetadata"
_METADATA_LIST: Final = "PartialObjectMetadataList"


class _Wanted(NamedTuple):
    """A form, and why it cannot be had after all.

    Attributes:
        fault: to be raised once the object has been found; the form is of no use then.
    """

    form: Form
    fault: KubernetesError | None


class MetricsK8sIo:
    """Handlers of one version."""

    def __init__(self, state: SecureState, metrics: ResourceMetrics, version: str) -> None:
        self._state = state
        self._store = state.store
        self._metrics = metrics
        self._version = version

    def node(self, req: Request, node: str) -> Answer:
        wanted = self._want_object(req, "NodeMetrics")
        metrics = self._metrics_for(req)
        slot = self._store.find(Kind.NODE, node)
        # The store knows nodes by their hostnames, too; here only names count.
        if slot < 0 or slot not in self._state.nodes or self._store.name(Kind.NODE, slot) != node:
            raise no_such_node(node)
        status = UsageStatus.NONE
        body = b""
        if not self._state.node_selector or slot in self._state.nodes.select(self._state.node_selector):
            status, body = metrics.render_node(slot, wanted.form, self._state.clock.now_ns())
        if status is not UsageStatus.OK:
            raise no_metrics("nodemetrics", node)
        return _answer(wanted, body)

    def pod(self, req: Request, namespace: str, pod: str) -> Answer:
        wanted = self._want_object(req, "PodMetrics")
        metrics = self._metrics_for(req)
        slot = self._store.find(Kind.POD, namespace, pod)
        if slot < 0 or slot not in self._state.running:
            raise no_such_pod(pod)
        status, body = metrics.render_pod(slot, wanted.form, self._state.clock.now_ns())
        if status is not UsageStatus.OK:
            raise no_metrics("podmetrics", f"{namespace}/{pod}")
        return _answer(wanted, body)

    async def nodes(self, req: Request) -> Answer:
        options, wanted = self._want_list(req, "nodes", "NodeMetricsList")
        metrics = self._metrics_for(req)
        slots, token = self._page(options, self._state.node_roster, await self._select_nodes(options))
        return _answer(wanted, metrics.answer_nodes(slots, wanted.form, self._state.clock.now_ns(), token))

    async def all_pods(self, req: Request) -> Answer:
        return await self.pods(req, "")

    async def pods(self, req: Request, namespace: str) -> Answer:
        """List pods; an empty namespace means all of them."""
        options, wanted = self._want_list(req, "pods", "PodMetricsList")
        metrics = self._metrics_for(req)
        selected = await self._select_pods(options, namespace or None)
        slots, token = self._page(options, self._state.pod_roster, selected)
        return _answer(wanted, metrics.answer_pods(slots, wanted.form, self._state.clock.now_ns(), token))

    # -- which form --

    def _want_object(self, req: Request, type_name: str) -> _Wanted:
        """Read what a get looks at.

        Raises:
            KubernetesError: 406 for the form, 400 for `export`.
        """
        negotiated = _negotiate(req)
        params = req.query()
        if parse_bool(params.get("export")):
            raise bad_request("the export parameter, deprecated since v1.14, is no longer supported")
        return self._want(req, params, negotiated, type_name, is_list=False)

    def _want_list(self, req: Request, resource: str, type_name: str) -> tuple[ListOptions, _Wanted]:
        """Read what a list looks at.

        Raises:
            QueryError: options that make no sense.
            KubernetesError: 406 for the form, 405 for a watch.
        """
        params = req.query()
        options = _read_options(req)
        negotiated = _negotiate(req)
        if options.is_watch:
            raise no_watch(resource)
        wanted = self._want(req, params, negotiated, type_name, is_list=True)
        if wanted.fault is not None:
            raise wanted.fault
        return options, wanted

    def _want(
        self, req: Request, params: Mapping[str, str], negotiated: Negotiated, type_name: str, *, is_list: bool
    ) -> _Wanted:
        is_indented = negotiated.is_indented or is_pretty_request(req)
        form = Form(negotiated.encoding, is_indented and negotiated.encoding is Encoding.JSON, self._version)
        transform = negotiated.transform
        if transform is None:
            return _Wanted(form, None)
        if transform.kind == "Table":
            row_object = _ROW_OBJECTS.get(params.get("includeObject", ""))
            if row_object is None:
                return _Wanted(form, _no_row_object(params["includeObject"]))
            shaped = form._replace(shape=Shape.TABLE, meta_version=transform.version, row_object=row_object)
            return _Wanted(shaped, None)
        if transform.kind != (_METADATA_LIST if is_list else _METADATA):
            return _Wanted(form, wrong_metadata(transform.kind, type_name, is_list=is_list))
        return _Wanted(form._replace(shape=Shape.METADATA, meta_version=transform.version), None)

    # -- which usage --

    def _metrics_for(self, req: Request) -> ResourceMetrics:
        """Obey `window`, which is not upstream's: usage is then the mean over so long, from the closed batches.

        Raises:
            QueryError: no duration.
        """
        window = req.query().get("window")
        if window is None:
            return self._metrics
        end_ns = self._state.clock.now_ns()
        # A sample stands for the resolution before it: one that is as old as the span is outside of it.
        start_ns = max(end_ns - parse_span_ns(window) + 1, 0)
        state = self._state
        return self._metrics.over(
            History(state.store, state.nodes, state.running, start_ns, end_ns, state.resolution_ns)
        )

    # -- which objects --

    async def _select_nodes(self, options: ListOptions) -> BitMap:
        fields = options.fields
        # Nodes live in no namespace, which is the one with the empty name.
        if fields.is_empty or fields.namespace or "" in fields.not_namespaces:
            return BitMap()
        slots = await select_slots(self._state.nodes, (*options.labels, *self._state.node_selector))
        return await self._narrow(slots, fields, Kind.NODE, ((),))

    async def _select_pods(self, options: ListOptions, namespace: str | None) -> BitMap:
        index = self._state.running
        fields = options.fields
        if fields.namespace is not None:
            if namespace not in (None, fields.namespace):
                return BitMap()
            namespace = fields.namespace
        if fields.is_empty:
            return BitMap()
        slots = await select_slots(index, options.labels, namespace)
        for other in set(index.namespaces()).intersection(fields.not_namespaces):
            slots -= index.select((), other)
        namespaces = index.namespaces() if namespace is None else (namespace,)
        return await self._narrow(slots, fields, Kind.POD, [(one,) for one in namespaces])

    async def _narrow(
        self, slots: BitMap, fields: FieldSelection, kind: Kind, places: Sequence[tuple[str, ...]]
    ) -> BitMap:
        """Obey the conditions on names, wherever an object may have one."""
        if fields.name is not None:
            slots &= await self._find((fields.name,), kind, places)
        if fields.not_names:
            slots -= await self._find(fields.not_names, kind, places)
        return slots

    async def _find(self, names: Sequence[str], kind: Kind, places: Sequence[tuple[str, ...]]) -> BitMap:
        found = BitMap()
        for n, (name, place) in enumerate(product(names, places), 1):
            slot = self._store.find(kind, *place, name)
            if slot >= 0:
                found.add(slot)
            if n % SLICE_LOOKUPS == 0:
                await asyncio.sleep(0)
        return found

    # -- which of them now --

    def _page(self, options: ListOptions, roster: Roster, selected: BitMap) -> tuple[array[int], str]:
        slots = selected.to_array()
        if not options.limit and not options.continue_token:
            return slots, ""
        return take_page(roster.ordered(slots), self._key_of(roster.kind), options.limit, options.continue_token)

    def _key_of(self, kind: int) -> Callable[[int], Key]:
        store = self._store

        def node_key(slot: int) -> Key:
            return b"", store.name(Kind.NODE, slot).encode("utf-8", "surrogateescape")

        def pod_key(slot: int) -> Key:
            namespace = store.name(Kind.NAMESPACE, store.parent(Kind.POD, slot))
            name = store.name(Kind.POD, slot)
            return namespace.encode("utf-8", "surrogateescape"), name.encode("utf-8", "surrogateescape")

        return node_key if kind == Kind.NODE else pod_key


def _read_options(req: Request) -> ListOptions:
    if is_remembered(req.raw_query):
        return _remembered_options(req.raw_query)
    return parse_list_options(req.query())


@lru_cache(REMEMBERED)
def _remembered_options(raw_query: bytes) -> ListOptions:
    return parse_list_options(remembered_query(raw_query))


def _negotiate(req: Request) -> Negotiated:
    negotiated = negotiate(req.first_header(b"accept"), allows_objects, streams=True)
    if negotiated is None:
        raise not_transformed(OFFERED)
    return negotiated


def _no_row_object(value: str) -> KubernetesError:
    text = f"""includeObject: Invalid value: {quote(value)}: must be 'Metadata', 'Object', 'None', or empty"""
    return bad_request(f"Unable to convert to Table as requested: {text}")


def _answer(wanted: _Wanted, body: Body) -> Answer:
    if wanted.fault is not None:
        raise wanted.fault
    return Answer(body, wanted.form.encoding.value)
