"""Everything that real API servers have said must decode: recordings of 1.0 to 1.35."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from heapfast.kube.namespaces import NAMESPACES
from heapfast.kube.nodes import nodes_resource
from heapfast.kube.objects import ObjectList, Status
from heapfast.kube.pods import PODS
from heapfast.kube.resource import Resource
from tests.shared import shared_path

BY_NAME: dict[str, Resource[Any, Any]] = {"nodes": nodes_resource(), "pods": PODS, "namespaces": NAMESPACES}


def resource_of(path: Path) -> Resource[Any, Any]:
    return BY_NAME[path.name.partition("-")[0].removesuffix("s") + "s"]


def raw_items(body: bytes) -> list[msgspec.Raw]:
    """The objects of a list, or the one object that a file holds."""
    if b'"items"' not in body:
        return [msgspec.Raw(body)]
    return msgspec.json.decode(body, type=ObjectList).items or []


def events(path: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Resource and objects of every list and watch event of a scenario."""
    with path.open(encoding="utf-8") as lines:
        for entry in map(json.loads, lines):
            if entry["kind"] == "list":
                yield entry["path"].rpartition("/")[2], entry["items"]
            elif entry["kind"] == "watch-event":
                yield entry["resource"], [entry["object"]]


def test_every_recorded_object_decodes() -> None:
    n_objects = 0
    for path in sorted(shared_path("fixtures/apiserver").iterdir()):
        body = path.read_bytes()
        names = [item["metadata"]["name"] for item in json.loads(body).get("items", [json.loads(body)]) or []]
        found = [resource_of(path).decode(raw) for raw in raw_items(body)]
        assert [item.name for item in found] == names, path.name
        assert [item.faults for item in found] == [()] * len(found), path.name
        n_objects += len(found)
    assert n_objects > 200


def test_items_null_is_an_empty_list() -> None:
    assert raw_items((shared_path("fixtures/apiserver") / "pods-items-null.stackstate.json").read_bytes()) == []


@pytest.mark.parametrize("scenario", ["cadvisor", "fields", "flags", "odd", "plain"])
def test_every_object_of_the_conformance_scenarios_decodes(scenario: str) -> None:
    n_objects = 0
    for name, items in events(shared_path("conformance/heapster") / scenario / "inputs.jsonl"):
        for item in items:
            found = BY_NAME[name].decode(msgspec.json.encode(item))
            assert found.key.rpartition("/")[2] == item["metadata"]["name"]
            assert found.faults == ()
            n_objects += 1
    assert n_objects >= 15


def test_the_odd_nodes_that_the_reference_left_out_are_left_out() -> None:
    path = shared_path("conformance/heapster/odd/inputs.jsonl")
    stated = [item for name, items in events(path) if name == "nodes" for item in items]
    nodes = [BY_NAME["nodes"].decode(msgspec.json.encode(item)) for item in stated]
    entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    asked = {entry["node"]: entry["ip"] for entry in entries if entry["kind"] == "kubelet"}
    assert {node.name: node.ip for node in nodes if node.skip_reason is None} == asked
    assert {node.name for node in nodes if node.skip_reason} == {"odd-no-ip", "odd-not-ready"}


def test_recorded_nodes_that_a_mask_or_age_made_odd() -> None:
    folder = shared_path("fixtures/apiserver")
    nodes = [BY_NAME["nodes"].decode(raw) for path in folder.glob("node*") for raw in raw_items(path.read_bytes())]
    by_name = {node.name: node for node in nodes}
    assert by_name["dual-stack-worker2"].ip == "fc00:f853:ccd:e793::5"
    assert sum(node.ip is None for node in nodes) == 5  # addresses that the recorder masked
    assert sum(not node.ready for node in nodes) >= 1
    assert by_name["dhcp-0-129.tlv.redhat.com"].memory_allocatable_bytes == 0  # 1.0 states no allocatable


def test_a_status_is_read_with_and_without_details() -> None:
    decode = msgspec.json.Decoder(Status).decode
    assert decode(b'{"code":429,"details":{"retryAfterSeconds":3}}').retry_after_seconds == 3
    assert decode(b'{"code":429,"details":null}').retry_after_seconds is None
