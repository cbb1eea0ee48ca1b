"""Payloads the slow way: from the batch as dicts, one sample after the other.

In      a closed batch, options of a format
Out     what the compiled writers should give, in any order
Callers tests of this folder and tests/property/test_sinks.py
Source  spec/heapster-pipeline.md 1.4 and 7
"""

from __future__ import annotations

import itertools
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from heapfast._batch import Batch
from heapfast.catalog.metrics import BY_NAME
from heapfast.units import TIME_ZERO_NS


class Sample(NamedTuple):
    """One sample, and whom it belongs to.

    Attributes:
        labels: the entity's and, of a labelled metric, the resource's.
        own: the resource's alone.
    """

    key: str
    labels: dict[str, str]
    own: dict[str, str]
    name: str
    value: int | float
    start_ns: int | None


def samples(batch: Batch) -> Iterator[Sample]:
    """Every sample of a batch."""
    for key, entity in batch.sets().items():
        labels, start = entity["labels"], entity["start_time_ns"]
        for name, value in entity["metrics"].items():
            yield Sample(key, labels, {}, name, value, start)
        for one in entity["labeled"]:
            yield Sample(key, {**labels, **one["labels"]}, one["labels"], one["name"], one["value"], start)


def as_set(items: Iterable[Any]) -> list[str]:
    """JSON values in an order of their own; JSON does not tell 1 from 1.0."""
    return sorted(json.dumps(_plain_numbers(item), sort_keys=True) for item in items)


def _plain_numbers(item: Any) -> Any:
    if isinstance(item, dict):
        return {key: _plain_numbers(value) for key, value in item.items()}
    if isinstance(item, (list, tuple)):
        return [_plain_numbers(value) for value in item]
    return int(item) if isinstance(item, float) and item.is_integer() else item


def read_all(writer: Any, **limits: Any) -> list[Any]:
    """The payloads of all chunks; that their samples are counted right is checked by `count`."""
    return [chunk.payload for chunk in iter(lambda: writer.read(**limits), None)]


def count(writer: Any) -> int:
    """Samples that a writer says it has written."""
    return sum(chunk.samples for chunk in iter(writer.read, None))


def fixed(value: int | float) -> str:
    """A number as Go's %d or %f writes it."""
    return f"{value:.6f}" if isinstance(value, float) else str(value)


# -- graphite ---------------------------------------------------------------------------------


def graphite_lines(batch: Batch, prefix: str) -> list[str]:
    """One line a sample."""
    seconds = batch.timestamp_ns // 10**9
    return [f"{prefix}.{_graphite_path(one)} {fixed(one.value)} {seconds}\n" for one in samples(batch)]


def _graphite_path(one: Sample) -> str:
    labels = {key: component(value) for key, value in one.labels.items()}
    host, namespace = labels.get("hostname", ""), labels.get("namespace_name", "")
    pod, container = labels.get("pod_name", ""), labels.get("container_name", "")
    where = {
        "cluster": ["cluster"],
        "ns": ["namespaces", namespace],
        "node": ["nodes", host],
        "sys_container": ["nodes", host, "sys-containers", container],
        "pod": ["nodes", host, "pods", namespace, pod],
        "pod_container": ["nodes", host, "pods", namespace, pod, "containers", container],
    }[one.labels["type"]]
    levels = [component(level, "") or "_" for level in one.name.split("/")]
    resource = one.own.get("resource_id", one.own.get("accelerator_id"))
    return ".".join([*where, *levels, *([] if resource is None else [component(resource)])])


def component(text: str, more: str = "/") -> str:
    """What would end a component, a path or a line becomes "_"."""
    return re.sub(rf"[\x00-\x20\x7f.{more}]", "_", text)


# -- JSON ---------------------------------------------------------------------------------------


def time_of(batch: Batch) -> str:
    """The batch's time in UTC, of batches at whole seconds."""
    return f"{datetime.fromtimestamp(batch.timestamp_ns // 10**9, UTC):%Y-%m-%dT%H:%M:%SZ}"


def kafka_records(batch: Batch) -> list[Any]:
    """One object a sample."""
    return [
        {
            "MetricsName": one.name,
            "MetricsValue": {"value": one.value},
            "MetricsTimestamp": time_of(batch),
            "MetricsTags": one.labels,
        }
        for one in samples(batch)
    ]


def opentsdb_points(batch: Batch, cluster: str) -> list[Any]:
    """One object a sample."""
    points = []
    for one in samples(batch):
        known = BY_NAME.get(one.name)
        kind = known.stored_type if known else "gauge"
        tags = {plain(key): plain(value) for key, value in {**one.labels, "cluster": cluster}.items() if value}
        points.append(
            {
                "metric": f"{plain(one.name).replace('/', '_')}_{kind}",
                "timestamp": batch.timestamp_ns // 10**9,
                "value": one.value,
                "tags": tags,
            }
        )
    return points


def plain(text: str) -> str:
    """What OpenTSDB does not take becomes "_"."""
    return re.sub(r"[^A-Za-z0-9_./-]", "_", text)


def elasticsearch_documents(batch: Batch, cluster_name: str) -> list[Any]:
    """Families of one set of tags stand together."""
    documents: dict[Any, Any] = {}
    for one in samples(batch):
        tags = {**one.labels, "cluster_name": cluster_name}
        family = one.name.partition("/")[0].capitalize() if "/" in one.name else ""
        value = {"value": one.value}
        if family in ("Cpu", "Filesystem", "Memory", "Network"):
            whose = (family, json.dumps(tags, sort_keys=True))
            empty = {f"{family}MetricsTimestamp": time_of(batch), "Metrics": {}, "MetricsTags": tags}
            documents.setdefault(whose, empty)["Metrics"][one.name] = value
        else:
            documents[(one.name, json.dumps(tags, sort_keys=True))] = {
                "GeneralMetricsTimestamp": time_of(batch),
                "MetricsTags": tags,
                "MetricsName": one.name,
                "MetricsValue": value,
            }
    return list(documents.values())


# -- statsd ---------------------------------------------------------------------------------------


def general(value: int | float) -> str:
    """A number as Go's %d or %v writes it."""
    if isinstance(value, int) or value == 0:
        return f"{value:.0f}" if isinstance(value, float) else str(value)
    digits, _, exponent = f"{Decimal(repr(value)):e}".lower().partition("e")
    digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
    if -4 <= int(exponent) < 6:
        text = f"{Decimal(repr(value)):f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{digits}e{int(exponent):+03d}"


def etsy_lines(batch: Batch) -> list[str]:
    """One line a sample; two where it is negative."""
    lines = []
    for one in samples(batch):
        labels = {key: clean(value, ".=|:") for key, value in one.labels.items()}
        where = {
            "cluster": "cluster",
            "ns": "namespace.{namespace_name}",
            "node": "node.{hostname}",
            "sys_container": "node.{hostname}.sys-container.{container_name}",
            "pod": "node.{hostname}.namespace.{namespace_name}.pod.{pod_name}",
            "pod_container": "node.{hostname}.namespace.{namespace_name}.pod.{pod_name}.container.{container_name}",
        }[one.labels["type"]].format_map(defaultdict(str, labels))
        levels = [where]
        if user := user_labels(one.labels.get("labels", "")):
            levels.append(".".join(f"{clean(k, '.=|:')}.{clean(v, '.=|:')}" for k, v in user if v))
        levels.append(clean(one.name, ".=|:"))
        resource = one.own.get("resource_id", one.own.get("accelerator_id"))
        if resource is not None:
            levels.append(clean(resource, ".=|:"))
        lines += gauge(".".join(levels), one.value)
    return lines


def influx_statsd_lines(batch: Batch) -> list[str]:
    """One line a sample; two where it is negative."""
    lines = []
    for one in samples(batch):
        pairs = [(key, value) for key, value in one.labels.items() if key != "labels"]
        user = user_labels(one.labels.get("labels", ""))
        own = [(key, value) for key, value in pairs if key not in dict(user)]
        merged = sorted([*own, *user], key=lambda pair: pair[0].encode())
        labels = "".join(f",{clean(key, ',:=|')}={clean(value, ',:=|')}" for key, value in merged if value)
        lines += gauge(clean(one.name, ",:=|") + labels, one.value)
    return lines


def gauge(name: str, value: int | float) -> list[str]:
    return [*([f"{name}:0|g"] if value < 0 else []), f"{name}:{general(value)}|g"]


def user_labels(text: str) -> list[tuple[str, str]]:
    """The joined labels taken apart, by key; of an item, the first two pieces."""
    pieces = [[*item.split(":"), ""][:2] for item in text.split(",")] if text else []
    return sorted([(key, value) for key, value in pieces], key=lambda pair: pair[0].encode())


def clean(text: str, special: str) -> str:
    return "".join("_" if c < " " or c == "\x7f" or c in special else c for c in text)


# -- protobuf -----------------------------------------------------------------------------------------


def riemann_events(batch: Batch, host: str) -> list[Any]:
    """(service, host, attributes, value) of every sample."""
    return [(one.name, one.labels.get("hostname") or host, one.labels, one.value) for one in samples(batch)]


_ATTRIBUTES = {
    "container_base_image": "container.image.name",
    "container_name": "k8s.container.name",
    "host_id": "host.id",
    "hostname": "host.name",
    "namespace_id": "k8s.namespace.uid",
    "namespace_name": "k8s.namespace.name",
    "nodename": "k8s.node.name",
    "pod_id": "k8s.pod.uid",
    "pod_name": "k8s.pod.name",
    "schedulable": "k8s.node.schedulable",
}
_KINDS = {"ns": "namespace", "pod_container": "container", "sys_container": "system_container"}
_OWN = {"resource_id", "make", "model", "accelerator_id", "type", "labels"}


def otlp_points(batch: Batch, prefix: str) -> list[Any]:
    """(resource's attributes, name, point's attributes, value, whether it is a sum, its start) of every sample."""
    points = []
    for one in samples(batch):
        kind = one.labels["type"]
        attributes = {
            "container.name"
            if key == "container_name" and kind == "sys_container"
            else _ATTRIBUTES.get(key, key): value
            for key, value in one.labels.items()
            if key not in _OWN and (value or key not in _ATTRIBUTES)
        }
        for item in one.labels.get("labels", "").split(","):
            key, colon, value = item.partition(":")
            if colon:
                attributes[f"k8s.{'node' if kind == 'node' else 'pod'}.label.{key}"] = value
        known = BY_NAME.get(one.name)
        is_sum = known is not None and known.type == "cumulative"
        start = (one.start_ns or 0) if is_sum else 0
        name = f"{prefix}{_KINDS.get(kind, kind)}.{one.name.replace('/', '.')}"
        points.append((attributes, name, one.own, one.value, is_sum, start))
    return points


# -- the log ----------------------------------------------------------------------------------------------


def log_text(batch: Batch) -> str:
    """The whole of it, sets in the order of their keys."""
    text = f"DataBatch     Timestamp: {go_time(batch.timestamp_ns)}\n\n"
    for key, entity in sorted(batch.sets().items()):
        text += f"MetricSet: {key}\n"
        for title, name in (("Scrape", "scrape_time_ns"), ("Create", "start_time_ns")):
            time_ns = TIME_ZERO_NS if entity[name] is None else entity[name]
            text += f"   {title} time: {go_time(time_ns)} {time_ns}\n"
        text += "   Labels:\n"
        for label, value in sorted(entity["labels"].items()):
            text += f"      {label} = {value}\n"
        text += "   Metrics:\n"
        for name, value in sorted(entity["metrics"].items()):
            text += f"      {name} = {fixed(value)}\n"
        text += "   Labeled Metrics:\n"
        for one in by_resource(entity["labeled"]):
            text += f"      {one['name']} = {fixed(one['value'])}\n"
            for label in ("resource_id", "accelerator_id", "make", "model"):
                if label in one["labels"]:
                    text += f"         {label} = {one['labels'][label]}\n"
        text += "\n"
    return text


def by_resource(labeled: list[Any]) -> Iterator[Any]:
    """Labelled metrics in list order; those of one resource by name."""
    for _, own in itertools.groupby(labeled, key=lambda one: tuple(one["labels"].items())):
        yield from sorted(own, key=lambda one: one["name"])


def go_time(time_ns: int) -> str:
    """As Go's Time.String does, in UTC."""
    if time_ns == TIME_ZERO_NS:
        return "0001-01-01 00:00:00 +0000 UTC"
    seconds, fraction = divmod(time_ns, 10**9)
    decimals = f".{fraction:09d}".rstrip("0") if fraction else ""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}{decimals} +0000 UTC"
