"""The schema of metric-export: what it may show, described for people.

In      the catalogue
Out     indented JSON, always the same
Callers api/export.py
Source  spec/heapster-rest.md 6.6
Never   shows a sample: _export.pyx does
"""

from __future__ import annotations

from heapfast.catalog.metrics import BY_NAME, Metric, group
from heapfast.render.layout import indented

_LABELS = {
    "nodename": "Name of the node that the sample comes from.",
    "hostname": "Host name of that node.",
    "host_id": "Identifier that the cloud provider or the user gave that node.",
    "container_name": "Name of the container; machine for a node, /pod for a pod.",
    "container_base_image": "Image that the container runs.",
    "pod_name": "Name of the pod.",
    "pod_id": "Unique ID of the pod.",
    "namespace_id": "Unique ID of the pod's namespace.",
    "labels": "Labels that users gave the pod, joined.",
    "resource_id": "Filesystem, volume or disk that the sample is about.",
    "make": "Maker of the accelerator.",
    "model": "Model of the accelerator.",
    "accelerator_id": "ID of the accelerator.",
}
_COMMON = ("nodename", "hostname", "host_id", "container_name", "container_base_image")
_POD = ("pod_name", "pod_id", "namespace_id", "labels")

# The order in which Heapster lists the labelled ones: rates right behind their counters.
_METRICS = (*group("standard"), BY_NAME["cpu/limit"], BY_NAME["memory/limit"], *group("labeled"))


def render_schema() -> bytes:
    """Return the descriptors of every exported metric and label."""
    return indented(
        {
            "metrics": [_metric(metric) for metric in _METRICS],
            "common_labels": _labels(_COMMON),
            "pod_labels": _labels(_POD),
        }
    )


def _metric(metric: Metric) -> dict[str, object]:
    descriptor: dict[str, object] = {"name": metric.name, "description": metric.description}
    if metric.labels:
        descriptor["labels"] = _labels(metric.labels)
    descriptor["type"] = metric.type
    descriptor["value_type"] = metric.value_type
    if metric.unit:
        descriptor["units"] = metric.unit
    return descriptor


def _labels(keys: tuple[str, ...]) -> list[dict[str, str]]:
    return [{"key": key, "description": _LABELS[key]} for key in keys]
