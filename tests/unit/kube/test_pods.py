"""Pods and namespaces as plain data."""

from __future__ import annotations

import msgspec
import pytest

from heapfast.kube.namespaces import NAMESPACES
from heapfast.kube.pods import NO_STATUS, PODS, Container, Pod
from heapfast.units import TIME_ZERO_NS


def read(spec: object = None, status: object = None, **metadata: object) -> Pod:
    metadata = {"namespace": "shop", "name": "web-1", **metadata}
    return PODS.decode(msgspec.json.encode({"metadata": metadata, "spec": spec, "status": status}))


def test_a_pod_says_who_it_is_and_where_it_runs() -> None:
    pod = read(
        {"nodeName": "n1", "containers": []},
        {"phase": "Running", "startTime": "2024-02-29T05:52:32Z"},
        uid="u1",
        labels={"app": "web"},
    )
    assert (pod.namespace, pod.name, pod.uid, pod.labels) == ("shop", "web-1", "u1", {"app": "web"})
    assert (pod.node_name, pod.phase, pod.start_ns) == ("n1", "Running", 1709185952 * 10**9)
    assert pod.key == "shop/web-1"


@pytest.mark.parametrize("nothing", [None, {}])
def test_a_pod_that_states_nothing_but_its_name(nothing: object) -> None:
    pod = read(nothing, nothing, labels=None)
    assert (pod.uid, pod.labels, pod.node_name, pod.phase) == ("", {}, "", "")
    assert (pod.start_ns, pod.containers, pod.faults) == (TIME_ZERO_NS, (), ())


def test_requests_and_limits_are_millicores_and_bytes() -> None:
    """Cases E-01 and E-02 of spec/heapster-pipeline.md 8.2."""
    resources = {
        "a": {"requests": {"cpu": "250m", "memory": "64Mi"}},
        "b": {"requests": {"cpu": "100u"}, "limits": {"cpu": "1.5", "memory": "1.5Gi", "nvidia.com/gpu": "1"}},
        "c": None,
        "d": {"requests": None, "limits": {"cpu": 2, "memory": 1e6}},
    }
    pod = read({"containers": [{"name": name, "image": "i", "resources": r} for name, r in resources.items()]})
    assert pod.containers == (
        Container("a", "i", 250, 0, 67108864, 0, NO_STATUS, False),
        Container("b", "i", 1, 1500, 0, 1610612736, NO_STATUS, False),
        Container("c", "i", 0, 0, 0, 0, NO_STATUS, False),
        Container("d", "i", 0, 2000, 0, 1000000, NO_STATUS, False),
    )


def test_restarts_and_ends_come_from_the_status_of_the_same_name() -> None:
    """Cases E-03 and E-04: a status without its container in the spec says nothing."""
    statuses = [
        {"name": "a", "restartCount": 4, "state": {"running": {}}},
        {"name": "b", "restartCount": 0, "state": {"terminated": {"exitCode": 0}}},
        {"name": "init", "restartCount": 9},
        {"name": "d"},
    ]
    pod = read({"containers": [{"name": name} for name in "abcd"]}, {"containerStatuses": statuses})
    assert [(c.name, c.restart_count, c.terminated) for c in pod.containers] == [
        ("a", 4, False),
        ("b", 0, True),
        ("c", NO_STATUS, False),
        ("d", 0, False),
    ]


def test_a_container_is_what_the_store_takes() -> None:
    """The order of heapfast/_core.pyi: ContainerSpec."""
    assert Container._fields == (
        "name",
        "image",
        "cpu_request_millicores",
        "cpu_limit_millicores",
        "memory_request_bytes",
        "memory_limit_bytes",
        "restart_count",
        "terminated",
    )


def test_bad_quantities_are_zero_and_told_and_the_rest_goes_on() -> None:
    bad = {"requests": {"cpu": "1 core", "memory": "64Mi"}, "limits": {"cpu": "2", "memory": "64MB"}}
    pod = read({"containers": [{"name": "a", "resources": bad}, {"name": "b", "resources": {"limits": {"cpu": "1"}}}]})
    assert [c[2:6] for c in pod.containers] == [(0, 2000, 67108864, 0), (0, 1000, 0, 0)]
    assert [fault.partition(": cannot")[0] for fault in pod.faults] == [
        "container a requests: cpu",
        "container a limits: memory",
    ]


@pytest.mark.parametrize("metadata", [{"name": ""}, {"namespace": ""}, {"name": None}, {"namespace": None}])
def test_a_pod_without_a_name_or_namespace_is_refused(metadata: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="a pod without a name"):
        read(**metadata)


def test_a_namespace_is_a_name_and_a_uid() -> None:
    namespace = NAMESPACES.decode(b'{"metadata":{"name":"shop","uid":"u7"},"spec":{},"status":{"phase":"Active"}}')
    assert (namespace.name, namespace.uid, namespace.key, namespace.faults) == ("shop", "u7", "shop", ())
    with pytest.raises(ValueError, match="without a name"):
        NAMESPACES.decode(b'{"metadata":{}}')
