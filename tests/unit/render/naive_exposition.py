"""What an exposition of a batch should say: the naive form of render/_exposition.

In      a closed batch
Out     samples by name and labels
Callers test_exposition.py, tests/integration/test_prometheus.py
"""

from __future__ import annotations

from heapfast._batch import Batch
from heapfast.catalog.keys import Kind
from heapfast.catalog.prometheus_names import family_of

#: (sample name, labels) -> value
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]

TYPES = {
    "cluster": Kind.CLUSTER,
    "ns": Kind.NAMESPACE,
    "node": Kind.NODE,
    "pod": Kind.POD,
    "pod_container": Kind.POD_CONTAINER,
    "sys_container": Kind.SYS_CONTAINER,
}
#: Heapster's label -> ours, in any entity that has it.
LABELS = {
    "namespace_name": "namespace",
    "pod_name": "pod",
    "pod_id": "uid",
    "container_name": "container",
}


def expected(batch: Batch) -> Samples:
    """The naive form: every metric set of the batch, in the words of Prometheus."""
    found: Samples = {}
    sets = batch.sets().values()
    # Pods that Heapster made up itself have a host, and no node name.
    node_of = {one["labels"]["hostname"]: one["labels"]["nodename"] for one in sets if one["labels"]["type"] == "node"}
    for set_ in sets:
        kind = TYPES[set_["labels"]["type"]]
        labels = {LABELS[key]: value for key, value in set_["labels"].items() if key in LABELS and value}
        if "hostname" in set_["labels"]:
            labels["node"] = node_of[set_["labels"]["hostname"]]
        for name, value, more in [
            *((name, value, {}) for name, value in set_["metrics"].items()),
            *((one["name"], one["value"], one["labels"]) for one in set_["labeled"]),
        ]:
            family = family_of(kind, name)
            shown = {key: value.encode("utf-8", "replace").decode() for key, value in (labels | more).items()}
            found[family.name, frozenset(shown.items())] = value / family.divisor
    return found
