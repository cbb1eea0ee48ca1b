"""Payloads the slow way: from the batch as dicts, one sample after the other.

In      a closed batch, options of a format
Out     what the compiled writers should give, in any order
Callers tests of this folder and tests/property/test_sinks.py
Source  spec/heapster-pipeline.md 1.4 and 7
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from heapfast._batch import Batch


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
