"""Node discovery: spec/heapster-pipeline.md 8.8, and what a node says besides."""

from __future__ import annotations

import msgspec
import pytest

from heapfast.kube.nodes import Node, canonical_ip, nodes_resource


def read(node: dict[str, object], host_id_annotation: str = "") -> Node:
    return nodes_resource(host_id_annotation).decode(msgspec.json.encode(node))


def node(*addresses: tuple[str, str], conditions: object = None, **spec: object) -> dict[str, object]:
    stated = [{"type": kind, "address": address} for kind, address in addresses]
    return {"metadata": {"name": "n1"}, "spec": spec, "status": {"addresses": stated, "conditions": conditions}}


ADDRESSES = [
    pytest.param([("ExternalIP", "1.2.3.4"), ("InternalIP", "10.0.0.1")], "n1", "10.0.0.1", id="D-01"),
    pytest.param([("InternalIP", "10.0.0.1"), ("InternalIP", "fd00::1")], "n1", "fd00::1", id="D-02"),
    pytest.param([("InternalIP", "bogus"), ("ExternalIP", "1.2.3.4")], "n1", "1.2.3.4", id="D-03"),
    pytest.param([("LegacyHostIP", "bogus"), ("ExternalIP", "1.2.3.4")], "n1", None, id="D-04"),
    pytest.param([("LegacyHostIP", "10.9.9.9"), ("ExternalIP", "1.2.3.4")], "n1", "10.9.9.9", id="D-05"),
    pytest.param([("ExternalIP", "1.2.3.4"), ("LegacyHostIP", "10.9.9.9")], "n1", "1.2.3.4", id="D-06"),
    pytest.param([("Hostname", "a"), ("Hostname", "b"), ("InternalIP", "10.0.0.1")], "b", "10.0.0.1", id="D-07"),
    pytest.param([("Hostname", "a")], "a", None, id="D-08 hostname only"),
    pytest.param([], "n1", None, id="D-08 nothing"),
    pytest.param([("LegacyHostIP", "bogus"), ("InternalIP", "10.0.0.1")], "n1", "10.0.0.1", id="D-04 repaired"),
    pytest.param([("Hostname", "a"), ("Hostname", "")], "a", None, id="an empty hostname replaces nothing"),
    pytest.param([("InternalDNS", "10.0.0.1")], "n1", None, id="other types are ignored"),
    pytest.param([("InternalIP", "10.0.0.1"), ("InternalIP", "bogus")], "n1", "10.0.0.1", id="a bogus one is passed"),
]


@pytest.mark.parametrize(("addresses", "hostname", "ip"), ADDRESSES)
def test_addresses_decide_hostname_and_ip(addresses: list[tuple[str, str]], hostname: str, ip: str | None) -> None:
    found = read(node(*addresses))
    assert (found.hostname, found.ip) == (hostname, ip)
    assert (found.ip_fault is None) == (found.ip is not None)
    assert found.skip_reason == found.ip_fault


@pytest.mark.parametrize(
    ("conditions", "ready"),
    [
        pytest.param([{"type": "Ready", "status": "False"}], False, id="D-09 False"),
        pytest.param([{"type": "Ready", "status": "Unknown"}], False, id="D-09 Unknown"),
        pytest.param([{"type": "Ready"}], False, id="D-09 no status"),
        pytest.param(None, True, id="D-10 no conditions"),
        pytest.param([{"type": "DiskPressure", "status": "False"}], True, id="D-10 others only"),
        pytest.param([{"type": "DiskPressure", "status": "True"}, {"type": "Ready", "status": "True"}], True, id="yes"),
    ],
)
def test_only_a_node_that_says_no_is_not_ready(conditions: object, ready: bool) -> None:
    found = read(node(("InternalIP", "10.0.0.1"), conditions=conditions))
    assert found.ready is ready
    assert (found.skip_reason is None) is ready
    assert found.ip == "10.0.0.1"


def test_a_cordoned_node_is_used() -> None:
    """Case D-11."""
    ready = [{"type": "Ready", "status": "True"}]
    found = read(node(("InternalIP", "10.0.0.1"), conditions=ready, unschedulable=True))
    assert found.unschedulable
    assert found.skip_reason is None


@pytest.mark.parametrize(
    ("text", "ip"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("FD00:0::1", "fd00::1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("fe80::1%eth0", None),
        ("010.0.0.1", None),
        ("10.0.0.1:10250", None),
        ("10.0.0.0/8", None),
        ("", None),
    ],
)
def test_an_ip_is_written_the_usual_way(text: str, ip: str | None) -> None:
    assert canonical_ip(text) == ip


@pytest.mark.parametrize(
    ("external_id", "annotation", "host_id"),
    [("i-7", "", "i-7"), ("i-7", "cloud/id", "i-7"), ("", "cloud/id", "a-9"), (None, "other", ""), (None, "", "")],
)
def test_host_id_is_the_external_id_else_the_named_annotation(
    external_id: str | None, annotation: str, host_id: str
) -> None:
    stated = node(externalID=external_id)
    stated["metadata"] = {"name": "n1", "annotations": {"cloud/id": "a-9"}}
    assert read(stated, annotation).host_id == host_id


def test_everything_else_a_node_states() -> None:
    found = read(
        {
            "metadata": {"name": "n1", "uid": "u1", "labels": {"zone": "a"}},
            "status": {
                "capacity": {"cpu": "4", "memory": "8Gi", "pods": "110"},
                "allocatable": {"cpu": "3920m", "memory": 7516192768},
                "nodeInfo": {"kubeletVersion": "v1.37.0"},
                "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            },
        }
    )
    assert (found.name, found.uid, found.labels, found.key) == ("n1", "u1", {"zone": "a"}, "n1")
    assert (found.cpu_capacity_millicores, found.memory_capacity_bytes) == (4000, 8 << 30)
    assert (found.cpu_allocatable_millicores, found.memory_allocatable_bytes) == (3920, 7 << 30)
    assert (found.kubelet_version, found.kubelet_port, found.faults) == ("v1.37.0", 10250, ())


def test_a_node_that_states_only_its_name() -> None:
    found = read({"metadata": {"name": "n1"}})
    assert (found.hostname, found.host_id, found.ip, found.kubelet_port) == ("n1", "", None, 0)
    assert (found.labels, found.cpu_capacity_millicores, found.unschedulable) == ({}, 0, False)


def test_a_bad_capacity_is_zero_and_told() -> None:
    found = read({"metadata": {"name": "n1"}, "status": {"capacity": {"cpu": "four", "memory": "1Gi"}}})
    assert (found.cpu_capacity_millicores, found.memory_capacity_bytes) == (0, 1 << 30)
    assert len(found.faults) == 1
    assert found.faults[0].startswith("capacity: cpu:")
