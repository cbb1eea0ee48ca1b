"""`/apis/custom.metrics.k8s.io`, v1beta2 and v1beta1: any metric of pods, nodes and namespaces, for autoscalers.

In      names from the path; labelSelector and metricLabelSelector
Out     MetricValueLists: JSON, YAML or protobuf
Callers secure_routes.py, one object a version
Source  spec/metrics-k8s-io.md 20.1; what an HPA makes of an answer: 13.2; names: docs/custom-metrics.md
Never   serves an old sample: an HPA believes every time stamp

Values come from closed batches, so that all pods of an answer, and all samples of a window, are of the same ticks.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from typing import Final, NamedTuple

from heapfast.api.accept import OFFERED, allows_plain, negotiate
from heapfast.api.discovery import ApiResource
from heapfast.api.kubernetes_errors import KubernetesError, no_such_metric, not_transformed
from heapfast.api.kubernetes_responders import Answer, is_pretty_request
from heapfast.api.request import Request
from heapfast.api.secure_state import SecureState
from heapfast.catalog.keys import Kind
from heapfast.catalog.metrics import BY_NAME, CATALOG, RATE_OF
from heapfast.query._selector import parse_selector
from heapfast.query.custom_metric_names import Reading, format_name, parse_name
from heapfast.query.selection import select_slots
from heapfast.render.custom_metrics import Described, Measured, render_values
from heapfast.render.forms import Encoding
from heapfast.store.requirement import Operator, Selector
from heapfast.units import NS_PER_SECOND

#: In place of a name: every object that the selector selects.
ALL: Final = "*"

#: An object that misses more ticks than these in a row has no value any more.
MISSED_TICKS: Final = 2

#: Objects that are looked at before the loop gets its turn: about 1 ms with a window of 15 minutes.
SLICE_OBJECTS: Final = 50

#: (timestamp_ns, value), oldest first.
Samples = list[tuple[int, int | float]]

_RATES: Final = frozenset(RATE_OF.values())
#: What Heapster adds up for namespaces.
_OF_NAMESPACES: Final = frozenset(
    ("cpu/usage_rate", "memory/usage", "cpu/request", "cpu/limit", "memory/request", "memory/limit")
)
#: Label values can neither be "/" nor have a colon in them, as these resource ids do.
_ROOT: Final = ("root", "/")
_VOLUME: Final = ("Volume.", "Volume:")


class _Asked(NamedTuple):
    """A request whose metric exists.

    Attributes:
        selector_text: metricLabelSelector as it came.
        column: number of the metric in the store.
        labels: of the resource whose samples are wanted, as in the selector; empty for the object's own.
        start_ns, end_ns: of the samples that count, both inclusive.
        fresh_ns: the newest of them must be no older.
        encoding: of the answer.
        is_indented: the answer is for people.
    """

    resource: str
    name: str
    metric: str
    selector_text: str
    reading: Reading
    column: int
    labels: dict[str, str]
    start_ns: int
    end_ns: int
    fresh_ns: int
    encoding: Encoding
    is_indented: bool

    def not_found(self) -> KubernetesError:
        return _not_found(self.metric, self.resource, self.name, self.selector_text)


class CustomMetrics:
    """Handlers of one version."""

    def __init__(self, state: SecureState, version: str) -> None:
        self._state = state
        self._store = state.store
        self._resolution_ns = state.resolution_ns
        self._version = version

    async def pods(self, req: Request, namespace: str, pod: str, metric: str) -> Answer:
        asked = self._ask(req, "pods", pod, metric)
        if pod == ALL:
            slots: Iterable[int] = await select_slots(self._state.running, _selector(req, "labelSelector"), namespace)
        else:
            slot = self._store.find(Kind.POD, namespace, pod)
            slots = [slot] if slot in self._state.running else []
        return await self._answer(asked, Kind.POD, slots, namespace)

    async def nodes(self, req: Request, node: str, metric: str) -> Answer:
        asked = self._ask(req, "nodes", node, metric)
        conditions = _selector(req, "labelSelector") if node == ALL else ()
        slots: Iterable[int] = await select_slots(self._state.nodes, (*conditions, *self._state.node_selector))
        if node != ALL:
            slot = self._store.find(Kind.NODE, node)
            # The store knows nodes by their hostnames, too; here only names count.
            slots = [slot] if slot >= 0 and slot in slots and self._store.name(Kind.NODE, slot) == node else []
        return await self._answer(asked, Kind.NODE, slots)

    async def namespaces(self, req: Request, namespace: str, metric: str) -> Answer:
        asked = self._ask(req, "namespaces", namespace, metric)
        slot = self._store.find(Kind.NAMESPACE, namespace)
        return await self._answer(asked, Kind.NAMESPACE, [slot] if slot >= 0 else [])

    def others(self, req: Request, resource: str, name: str, metric: str, namespace: str = "") -> Answer:
        """Answer for resources of which nothing is measured."""
        raise _not_found(metric, resource, name, req.query().get("metricLabelSelector", ""))

    # -- what is asked for --

    def _ask(self, req: Request, resource: str, name: str, metric: str) -> _Asked:
        """Read a request.

        Raises:
            QueryError: metricLabelSelector is no selector.
            KubernetesError: 406 for the form; 404 for a metric that is nowhere, or not with these labels.
        """
        negotiated = negotiate(req.first_header(b"accept"), allows_plain)
        if negotiated is None:
            raise not_transformed(OFFERED)
        text = req.query().get("metricLabelSelector", "")
        labels = _equalities(_selector(req, "metricLabelSelector"))
        reading, column = self._find_metric(metric)
        known = BY_NAME.get(reading.metric)
        if column < 0 or labels is None or labels.keys() != set(known.labels if known else ()):
            raise _not_found(metric, resource, name, text)
        now_ns = self._state.clock.now_ns()
        newest = self._store.newest
        end_ns = newest.timestamp_ns if newest is not None else 0
        missed_ns = MISSED_TICKS * self._resolution_ns
        # A daemon that has stopped ticking has nothing that is fresh.
        is_late = now_ns - end_ns > missed_ns + self._resolution_ns
        fresh_ns = end_ns + 1 if is_late else end_ns - missed_ns
        return _Asked(
            resource,
            name,
            metric,
            text,
            reading,
            column,
            labels,
            end_ns - reading.window_seconds * NS_PER_SECOND + 1 if reading.aggregate else fresh_ns,
            end_ns,
            fresh_ns,
            negotiated.encoding,
            negotiated.is_indented or is_pretty_request(req),
        )

    def _find_metric(self, name: str) -> tuple[Reading, int]:
        """Return the first reading whose metric the store knows, and its column; the column is -1 for none."""
        for reading in parse_name(name):
            column = self._store.metric_id(reading.metric)
            if column >= 0:
                return reading, column
        return Reading(""), -1

    # -- what is answered --

    async def _answer(self, asked: _Asked, kind: Kind, slots: Iterable[int], namespace: str = "") -> Answer:
        found: list[Measured] = []
        for n, slot in enumerate(slots):
            if n and n % SLICE_OBJECTS == 0:
                await asyncio.sleep(0)
            samples = self._read(asked, kind, slot)
            if samples and samples[-1][0] >= asked.fresh_ns:
                described = Described(kind.name.capitalize(), self._store.name(kind, slot), namespace)
                found.append(self._measure(asked, described, samples))
        if not found and asked.name != ALL:
            raise asked.not_found()
        if len(found) > SLICE_OBJECTS:
            # What has been read is nobody else's: a thread may go on with it. Most questions are for a few objects.
            run = asyncio.get_running_loop().run_in_executor
            body = await run(self._state.executor, self._render, asked, found)
        else:
            body = self._render(asked, found)
        return Answer(body, asked.encoding.value)

    def _render(self, asked: _Asked, found: list[Measured]) -> bytes:
        found.sort(key=lambda one: one.described.name)
        return render_values(
            self._version, asked.metric, asked.labels, found, asked.encoding, is_indented=asked.is_indented
        )

    def _read(self, asked: _Asked, kind: Kind, slot: int) -> Samples:
        if asked.labels:
            labels = {key: _resource_id(text) if key == "resource_id" else text for key, text in asked.labels.items()}
            samples = self._store.resource_series(kind, slot, asked.column, labels, asked.start_ns, asked.end_ns)
        else:
            samples = self._store.series(kind, slot, asked.column, asked.start_ns, asked.end_ns)
        # A custom metric is whatever a container says it is; there is no quantity for what is not finite.
        return [sample for sample in samples if math.isfinite(sample[1])]

    def _measure(self, asked: _Asked, described: Described, samples: Samples) -> Measured:
        newest_ns = samples[-1][0]
        window_seconds = None
        if asked.reading.aggregate:
            # A series may be younger than the window, or kept for less: what is stated is what was looked at.
            covered_ns = newest_ns - samples[0][0] + self._resolution_ns
            window_seconds = min(asked.reading.window_seconds, covered_ns // NS_PER_SECOND)
        elif asked.reading.metric in _RATES:
            window_seconds = self._resolution_ns // NS_PER_SECOND
        value = asked.reading.combine([value for _, value in samples])
        return Measured(described, newest_ns, window_seconds, value)


def api_resources() -> tuple[ApiResource, ...]:
    """List what discovery states: every metric of each kind of object, without its aggregates."""
    found = []
    for metric in CATALOG:
        is_of_nodes = metric.group == "node_autoscaling"
        # Accelerators are known for each container, and nothing says what they would be together.
        is_of_containers = metric.name.startswith("accelerator/")
        name = format_name(Reading(metric.name))
        if metric.name in _OF_NAMESPACES:
            found.append(("namespaces", name, False))
        if not is_of_containers:
            found.append(("nodes", name, False))
        if not is_of_containers and not is_of_nodes:
            found.append(("pods", name, True))
    return tuple(
        ApiResource(f"{resource}/{name}", "MetricValueList", is_namespaced, ("get",))
        for resource, name, is_namespaced in sorted(found)
    )


def _not_found(metric: str, resource: str, name: str, selector: str) -> KubernetesError:
    return no_such_metric(metric, resource, name if name != ALL or selector else "", selector)


def _selector(req: Request, parameter: str) -> Selector:
    return parse_selector(req.query().get(parameter, ""))


def _equalities(selector: Selector) -> dict[str, str] | None:
    """Return a selector as the one label set that it means; None when it means more."""
    if any(one.operator is not Operator.IN or len(one.values) != 1 for one in selector):
        return None
    return {one.key: one.values[0] for one in selector}


def _resource_id(value: str) -> str:
    if value == _ROOT[0]:
        return _ROOT[1]
    return _VOLUME[1] + value.removeprefix(_VOLUME[0]) if value.startswith(_VOLUME[0]) else value
