"""Where a node's kubelet is asked, by each of the rules."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from heapfast.places import Place, heapster_place, preferred_place, selected, sharded
from heapfast.query._selector import parse_selector
from heapfast.scrape.shard import Shard

ADDRESSES = (("Hostname", ""), ("InternalIP", "10.0.0.1"), ("InternalIP", "fd00::1"), ("ExternalDNS", "a.example"))


def api_node(**members: Any) -> Any:
    usual: dict[str, Any] = {
        "ip": "10.0.0.1",
        "skip_reason": None,
        "addresses": ADDRESSES,
        "kubelet_port": 0,
        "metrics_path": "",
        "labels": {},
    }
    return SimpleNamespace(**usual | members)


def test_heapster_asks_at_the_ip() -> None:
    assert heapster_place(api_node(kubelet_port=1)) == Place("10.0.0.1")
    assert heapster_place(api_node(ip=None)) == "no address"
    assert heapster_place(api_node(skip_reason="not ready")) == "not ready"


@pytest.mark.parametrize(
    ("types", "place"),
    [
        (("Hostname", "InternalIP"), Place("10.0.0.1")),
        (("ExternalDNS", "InternalIP"), Place("a.example")),
        (("InternalDNS", "ExternalIP"), "no address of type InternalDNS, ExternalIP"),
    ],
    ids=["an empty one is none", "the best type", "none of these types"],
)
def test_the_first_type_that_has_an_address_counts(types: tuple[str, ...], place: Place | str) -> None:
    assert preferred_place(types, uses_node_status_port=False)(api_node()) == place


def test_a_node_that_is_not_ready_is_asked_all_the_same() -> None:
    place = preferred_place(("InternalIP",), uses_node_status_port=False)
    assert place(api_node(skip_reason="not ready")) == Place("10.0.0.1")


@pytest.mark.parametrize(("uses", "stated", "port"), [(True, 1234, 1234), (True, 0, None), (False, 1234, None)])
def test_a_stated_port_counts_when_it_is_asked_for(uses: bool, stated: int, port: int | None) -> None:
    place = preferred_place(("InternalIP",), uses_node_status_port=uses)
    assert place(api_node(kubelet_port=stated)) == Place("10.0.0.1", port)


def test_a_node_may_name_the_path() -> None:
    place = preferred_place(("InternalIP",), uses_node_status_port=False)
    assert place(api_node(metrics_path="a b")) == Place("10.0.0.1", None, "/a%20b")


def test_a_selector_leaves_nodes_out() -> None:
    place = selected(heapster_place, parse_selector("pool=web"))
    assert place(api_node(labels={"pool": "web"})) == Place("10.0.0.1")
    assert place(api_node(labels={"pool": "db"})) == "the node selector does not take it"
    assert place(api_node(labels={"pool": "web"}, skip_reason="not ready")) == "not ready"


def test_a_replica_asks_its_own_nodes_only_and_names_the_owner_of_the_others() -> None:
    node = api_node(name="node-1")
    assert sharded(heapster_place, Shard(4, 7))(node) == Place("10.0.0.1")
    assert sharded(heapster_place, Shard(0, 7))(node) == "it is the share of --shard=4/7"
