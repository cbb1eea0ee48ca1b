"""Items of metrics.k8s.io whose usage is a mean over a span of the ring (`?window=5m`).

In      the store's closed batches, postings with labels, slots
Out     items as _k8s_json and _k8s_protobuf write them, slice by slice
Callers metrics_k8s_io.py beside it; api/metrics_k8s_io.py makes the History
Source  spec/metrics-k8s-io.md 3, 6 and 7.2 for the forms; the parameter is ours
Never   looks at the latest view: what was not in a batch does not count

Plain Python, 12 to 25 us a container, since the compiled writers take their values from the latest view alone.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from heapfast.catalog.keys import Kind
from heapfast.codec._duration import format_duration
from heapfast.codec._quantity import format_cpu_nanocores, format_memory_bytes
from heapfast.codec._rfc3339 import format_time
from heapfast.query.mean import MeanUsage, mean_usage, sum_usage
from heapfast.query.usage import UsageStatus
from heapfast.render._k8s_items import CONTENT_METADATA, CONTENT_NONE
from heapfast.render.protobuf import bytes_field, int_field, text_field
from heapfast.units import NS_PER_SECOND

if TYPE_CHECKING:
    from heapfast._core import Store
    from heapfast.render._roster import Roster
    from heapfast.render.k8s_frames import ItemForm
    from heapfast.store.index import Postings

#: Slots that are read before the loop gets its turn: below 1 ms with two containers a pod.
SLICE_ITEMS = 16

_CPU = "cpu/usage_rate"
_MEMORY = "memory/working_set"
#: Of a container its layer and its logs, of a node its own.
_FILESYSTEMS = ("/", "logs")
_NETWORK = {
    "heapfast.io/network-rx-bytes-per-second": "network/rx_rate",
    "heapfast.io/network-tx-bytes-per-second": "network/tx_rate",
}


class History(NamedTuple):
    """Where means come from.

    Attributes:
        nodes, pods: postings with the labels of what the rosters have.
        start_ns, end_ns: of the span, both ends inclusive.
        resolution_ns: spacing of batches.
    """

    store: Store
    nodes: Postings
    pods: Postings
    start_ns: int
    end_ns: int
    resolution_ns: int

    def usage(self, kind: Kind, slot: int) -> MeanUsage | None:
        cpu, memory = (
            self.store.series(kind, slot, self.store.metric_id(name), self.start_ns, self.end_ns)
            for name in (_CPU, _MEMORY)
        )
        return mean_usage(cpu, memory, self.resolution_ns)

    def extras(self, kind: Kind, slot: int) -> dict[str, int]:
        """Means of what the operator wants beside CPU and memory, as far as batches have it; see _extras.pxd."""
        found: dict[str, int] = {}
        wanted = self.store.usage_keys
        if "ephemeral-storage" in wanted:
            parts = [self._mean_of_filesystem(kind, slot, name) for name in _FILESYSTEMS]
            if any(part is not None for part in parts):
                found["ephemeral-storage"] = sum(part or 0 for part in parts)
        if "network" in wanted:
            for key, name in _NETWORK.items():
                series = self.store.series(kind, slot, self.store.metric_id(name), self.start_ns, self.end_ns)
                if (rate := _mean(series)) is not None:
                    found[key] = rate
        return found

    def _mean_of_filesystem(self, kind: Kind, slot: int, name: str) -> int | None:
        metric, labels = self.store.metric_id("filesystem/usage"), {"resource_id": name}
        return _mean(self.store.resource_series(kind, slot, metric, labels, self.start_ns, self.end_ns))

    def containers(self, pod: int) -> list[_Container]:
        """Those of the pod's specification that have a mean, in the order of names; the first has the pod's network."""
        named = sorted((self.store.name(Kind.POD_CONTAINER, slot), slot) for slot in self.store.spec_containers(pod))
        found: list[_Container] = []
        for name, slot in named:
            usage = self.usage(Kind.POD_CONTAINER, slot)
            if usage is not None:
                extras = self.extras(Kind.POD_CONTAINER, slot) if self.store.usage_keys else {}
                if self.store.usage_keys and not found:
                    extras |= {key: value for key, value in self.extras(Kind.POD, pod).items() if key in _NETWORK}
                found.append(_Container(name, usage, extras))
        return found


class _Container(NamedTuple):
    """One container; `extras` are by key of a usage map."""

    name: str
    usage: MeanUsage
    extras: Mapping[str, int]


class _Object(NamedTuple):
    """One node (without a namespace) or pod; `extras` are a node's."""

    namespace: str
    name: str
    labels: Mapping[str, str]
    usage: MeanUsage
    extras: Mapping[str, int]
    containers: list[_Container]


class MeanItems:
    """Items of one answer, behind the same door as the compiled ones: for one object `one`, else `begin` and `step`."""

    def __init__(self, history: History, roster: Roster, now_ns: int, item: ItemForm, *, is_protobuf: bool) -> None:
        self._history = history
        self._roster = roster
        self._now_ns = now_ns
        self._item = item
        self._is_protobuf = is_protobuf
        self._slots = array("I")
        self._at = 0
        self._n_written = 0

    @property
    def is_done(self) -> bool:
        return self._at == len(self._slots)

    def one(self, slot: int) -> tuple[int, bytes]:
        found = self._read(slot)
        if found is None:
            return UsageStatus.NONE, b""
        return UsageStatus.OK, self._message(found) if self._is_protobuf else self._json(found)

    def begin(self, slots: array[int]) -> None:
        self._slots = self._roster.ordered(slots)
        self._at = 0
        self._n_written = 0

    def step(self, max_items: int) -> bytes:
        """Fewer than `max_items`, if they would take too long."""
        stop = min(self._at + min(max_items, SLICE_ITEMS), len(self._slots))
        found = [one for one in map(self._read, self._slots[self._at : stop]) if one is not None]
        is_first = self._n_written == 0
        self._at = stop
        self._n_written += len(found)
        if self._is_protobuf:
            return b"".join(bytes_field(2, self._message(one)) for one in found)
        items = b",".join(map(self._json, found))
        return items if is_first or not items else b"," + items

    def _read(self, slot: int) -> _Object | None:
        # It may have gone since the list began; its slot is nobody else's while a batch shows it.
        if slot not in self._roster:
            return None
        history, store = self._history, self._history.store
        if self._roster.kind == Kind.NODE:
            usage = history.usage(Kind.NODE, slot)
            if usage is None:
                return None
            extras = history.extras(Kind.NODE, slot) if store.usage_keys else {}
            return _Object("", store.name(Kind.NODE, slot), history.nodes.labels_of(slot), usage, extras, [])
        containers = history.containers(slot)
        if not containers:
            return None
        namespace = store.name(Kind.NAMESPACE, store.parent(Kind.POD, slot))
        usage = sum_usage([container.usage for container in containers])
        return _Object(namespace, store.name(Kind.POD, slot), history.pods.labels_of(slot), usage, {}, containers)

    # -- JSON --

    def _json(self, of: _Object) -> bytes:
        if not self._item.is_row:
            return self._object_json(of)
        usage = _usage_value(of.usage, {})
        cells = [of.name, usage["cpu"], usage["memory"], format_duration(of.usage.window_ns)]
        return b'{"cells":%b,"object":%b}' % (msgspec.json.encode(cells), self._object_json(of))

    def _object_json(self, of: _Object) -> bytes:
        if self._item.content == CONTENT_NONE:
            return b"null"
        metadata: dict[str, Any] = {"name": of.name}
        if of.namespace:
            metadata["namespace"] = of.namespace
        metadata["creationTimestamp"] = _time_text(self._now_ns)
        if of.labels:
            metadata["labels"] = dict(sorted(of.labels.items()))
        value: dict[str, Any] = {"metadata": metadata}
        if self._item.content != CONTENT_METADATA:
            value["timestamp"] = _time_text(of.usage.time_ns)
            value["window"] = format_duration(of.usage.window_ns)
            if of.namespace:
                value["containers"] = [
                    {"name": name, "usage": _usage_value(usage, extras)} for name, usage, extras in of.containers
                ]
            else:
                value["usage"] = _usage_value(of.usage, of.extras)
        return b"{" + self._item.type_meta + msgspec.json.encode(value)[1:]

    # -- protobuf: numbers of fields as in _k8s_protobuf --

    def _message(self, of: _Object) -> bytes:
        texts = (of.name, "", of.namespace, "", "", "")
        metadata = b"".join(text_field(number, text) for number, text in enumerate(texts, 1))
        metadata += int_field(7, 0) + bytes_field(8, _time_message(self._now_ns))
        for key, value in sorted(of.labels.items()):
            metadata += bytes_field(11, text_field(1, key) + text_field(2, value))
        message = bytes_field(1, metadata)
        if self._item.content == CONTENT_METADATA:
            return message
        message += bytes_field(2, _time_message(of.usage.time_ns))
        message += bytes_field(3, int_field(1, of.usage.window_ns))
        if not of.namespace:
            return message + _usage_fields(4, of.usage, of.extras)
        return message + b"".join(
            bytes_field(4, text_field(1, name) + _usage_fields(2, usage, extras))
            for name, usage, extras in of.containers
        )


def _time_text(time_ns: int) -> str:
    return format_time(time_ns - time_ns % NS_PER_SECOND)


def _time_message(time_ns: int) -> bytes:
    return int_field(1, time_ns // NS_PER_SECOND) + int_field(2, 0)


def _mean(series: Sequence[tuple[int, int | float]]) -> int | None:
    return int(sum(value for _, value in series) // len(series)) if series else None


def _usage_value(usage: MeanUsage, extras: Mapping[str, int]) -> dict[str, str]:
    found = {key: format_memory_bytes(value) for key, value in extras.items()}
    found["cpu"] = format_cpu_nanocores(usage.cpu_nanocores)
    found["memory"] = format_memory_bytes(usage.memory_bytes)
    return dict(sorted(found.items()))


def _usage_fields(number: int, usage: MeanUsage, extras: Mapping[str, int]) -> bytes:
    return b"".join(
        bytes_field(number, text_field(1, key) + bytes_field(2, text_field(1, quantity)))
        for key, quantity in _usage_value(usage, extras).items()
    )
