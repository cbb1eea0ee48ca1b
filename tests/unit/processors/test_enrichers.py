"""What the enrichers tell the store and the index for each change that a watch delivers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from heapfast.kube.namespaces import NAMESPACES
from heapfast.kube.nodes import nodes_resource
from heapfast.kube.pods import PODS
from heapfast.processors.gate import Gate
from heapfast.processors.labels import LabelCopier
from heapfast.processors.namespace import NamespaceEnricher
from heapfast.processors.node import NodeEnricher
from heapfast.processors.pod import PodEnricher
from heapfast.processors.starts import PodStarts
from heapfast.store.index import PostingIndex

COPIER = LabelCopier(";", ["secret"], [("tier", "level")])


class Recorder(PostingIndex):
    """Stands for the store and for the index; gives slots in order of first sight."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, ...]] = []
        self._slots: dict[tuple[str, ...], int] = {}

    def _slot(self, *names: str) -> int:
        return self._slots.setdefault(names, len(self._slots))

    def put_namespace(self, name: str, uid: str) -> int:
        self.calls.append(("put_namespace", name, uid))
        return self._slot(name)

    def remove_namespace(self, name: str) -> int:
        self.calls.append(("remove_namespace", name))
        return self._slot(name)

    def put_node(self, name: str, **facts: Any) -> int:
        self.calls.append(("put_node", name, facts))
        return self._slot(name)

    def remove_node(self, name: str) -> int:
        self.calls.append(("remove_node", name))
        return self._slot(name)

    def put_pod(self, namespace: str, name: str, **facts: Any) -> int:
        self.calls.append(("put_pod", namespace, name, facts))
        return self._slot(namespace, name)

    def remove_pod(self, namespace: str, name: str) -> int:
        self.calls.append(("remove_pod", namespace, name))
        return self._slot(namespace, name)

    def put(self, slot: int, namespace: str, labels: Mapping[str, str], node: str = "") -> None:
        self.calls.append(("index.put", slot, namespace, labels, node))

    def remove(self, slot: int) -> None:
        self.calls.append(("index.remove", slot))


@pytest.fixture
def store() -> Recorder:
    return Recorder()


@pytest.fixture
def gate() -> Gate:
    return Gate()


def test_namespace_goes_to_the_store(store: Recorder, gate: Gate) -> None:
    enricher = NamespaceEnricher(store, gate)
    namespace = NAMESPACES.decode(msgspec.json.encode({"metadata": {"name": "shop", "uid": "u"}}))
    enricher.upsert(namespace)
    enricher.delete(namespace.key)
    assert store.calls == [("put_namespace", "shop", "u"), ("remove_namespace", "shop")]


def test_node_goes_to_the_store_and_to_the_index(store: Recorder, gate: Gate) -> None:
    enricher = NodeEnricher(store, store, COPIER, gate)
    labels = {"tier": "x", "secret": "s", "a": "b"}
    node = nodes_resource().decode(
        msgspec.json.encode(
            {
                "metadata": {"name": "n1", "labels": labels},
                "spec": {"externalID": "i-0", "unschedulable": True},
                "status": {
                    "addresses": [{"type": "Hostname", "address": "h1"}],
                    "capacity": {"cpu": "4", "memory": "8Gi"},
                    "allocatable": {"cpu": "3800m", "memory": "7Gi"},
                },
            }
        )
    )
    enricher.upsert(node)
    enricher.delete(node.key)
    assert store.calls == [
        (
            "put_node",
            "n1",
            {
                "hostname": "h1",
                "host_id": "i-0",
                "labels": "a:b;tier:x",
                "stored": (("level", "x"),),
                "unschedulable": True,
                "cpu_capacity_millicores": 4000,
                "cpu_allocatable_millicores": 3800,
                "memory_capacity_bytes": 8 << 30,
                "memory_allocatable_bytes": 7 << 30,
            },
        ),
        ("index.put", 0, "", labels, ""),
        ("remove_node", "n1"),
        ("index.remove", 0),
    ]


def test_pod_goes_to_the_store_and_to_the_index(store: Recorder, gate: Gate) -> None:
    enricher = PodEnricher(store, store, COPIER, gate)
    labels = {"tier": "x", "secret": "s", "a": "b"}
    pod = PODS.decode(
        msgspec.json.encode(
            {
                "metadata": {"namespace": "shop", "name": "web", "uid": "u", "labels": labels},
                "spec": {
                    "nodeName": "n1",
                    "containers": [
                        {
                            "name": "c",
                            "image": "i:1",
                            "resources": {"requests": {"cpu": "250m"}, "limits": {"memory": "64Mi"}},
                        }
                    ],
                },
                "status": {
                    "startTime": "2017-12-11T10:00:00Z",
                    "containerStatuses": [{"name": "c", "restartCount": 3}],
                },
            }
        )
    )
    enricher.upsert(pod)
    enricher.delete(pod.key)
    assert store.calls == [
        (
            "put_pod",
            "shop",
            "web",
            {
                "uid": "u",
                "labels": "a:b;tier:x",
                "stored": (("level", "x"),),
                "start_ns": 1512986400 * 10**9,
                "containers": (("c", "i:1", 250, 0, 0, 64 << 20, 3, False),),
            },
        ),
        # The index answers selectors, which see every label.
        ("index.put", 0, "shop", labels, "n1"),
        ("remove_pod", "shop", "web"),
        ("index.remove", 0),
    ]


def test_a_pod_starts_when_it_turns_running_and_again_after_it_was_gone(store: Recorder, gate: Gate) -> None:
    told: list[str] = []
    starts = PodStarts(lambda node, slot: told.append(node))
    enricher = PodEnricher(store, store, COPIER, gate, starts=starts)

    def pod(phase: str) -> Any:
        status = {"phase": phase, "containerStatuses": [{"name": "c", "restartCount": 0}]}
        spec = {"nodeName": "n1", "containers": [{"name": "c"}]}
        metadata = {"namespace": "shop", "name": "web"}
        return PODS.decode(msgspec.json.encode({"metadata": metadata, "spec": spec, "status": status}))

    counts = []
    for phase in ("Pending", "Running", "Running", "Succeeded", "Running"):
        enricher.upsert(pod(phase))
        counts.append(len(told))
    enricher.delete("shop/web")
    enricher.upsert(pod("Running"))
    assert (*counts, len(told)) == (0, 1, 1, 1, 2, 3)
    assert set(told) == {"n1"}


def test_shut_gate_keeps_every_kind_from_the_store_and_the_index(store: Recorder, gate: Gate) -> None:
    namespaces, nodes = NamespaceEnricher(store, gate), NodeEnricher(store, store, COPIER, gate)
    pods = PodEnricher(store, store, COPIER, gate)
    gate.shut()
    namespaces.upsert(NAMESPACES.decode(b'{"metadata": {"name": "shop"}}'))
    nodes.upsert(nodes_resource().decode(b'{"metadata": {"name": "n1"}}'))
    pods.upsert(PODS.decode(b'{"metadata": {"namespace": "shop", "name": "web"}}'))
    pods.delete("shop/web")
    nodes.delete("n1")
    namespaces.delete("shop")
    assert store.calls == []
    gate.open()
    assert [call[0] for call in store.calls] == [
        "put_namespace",
        "put_node",
        "index.put",
        "put_pod",
        "index.put",
        "remove_pod",
        "index.remove",
        "remove_node",
        "index.remove",
        "remove_namespace",
    ]
