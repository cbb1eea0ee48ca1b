"""Heapfast asks the kubelets that Heapster asked, at the same addresses, for the same things."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import msgspec
import pytest

from heapfast.kube.nodes import nodes_resource
from heapfast.scrape._target import Target
from heapfast.scrape.loop import Window
from tests.conformance.heapster.recordings import SCENARIOS, load
from tests.conformance.heapster.replay import ADAPTERS, options_of
from tests.conformance.heapster.settle_batches import BAD_VALUE_NODES
from tests.conformance.recordings import Json

#: The adapters look at a target's address only.
NO_CONNECTION: Any = None


@pytest.mark.parametrize("name", SCENARIOS)
def test_nodes_that_are_asked_follow_from_their_objects(name: str) -> None:
    scenario = load(name)
    listed = next(entry for entry in scenario.inputs if entry.get("path") == "/api/v1/nodes")
    nodes = [nodes_resource().decode(msgspec.json.encode(item)) for item in listed["items"]]
    wanted = {(node.name, node.ip) for node in nodes if node.skip_reason is None}
    asked: dict[int, set[tuple[str, str]]] = defaultdict(set)
    for entry in scenario.inputs:
        if entry["kind"] == "kubelet":
            asked[entry["batch"]].add((entry["node"], entry["ip"]))
    assert dict(asked) == dict.fromkeys(range(len(scenario.batches)), wanted)


@pytest.mark.parametrize("name", SCENARIOS)
def test_requests_to_kubelets_are_those_of_the_reference(name: str) -> None:
    scenario = load(name)
    options = options_of(scenario)
    adapter = ADAPTERS[options.source.kind]
    for entry in _answers(scenario.inputs):
        target = Target(entry["node"], entry["node"], entry["ip"], options.source.kubelet_port, NO_CONNECTION)
        end_ns = scenario.batches[entry["batch"]].timestamp_ns
        head, body = adapter.request(target, Window(end_ns - options.resolution_ns, end_ns))
        lines = head.decode().split("\r\n")
        assert lines[0] == f"{entry['method']} {entry['path']} HTTP/1.1"
        assert ("Content-Type: application/json" in lines) == ("request_body" in entry)
        assert body.decode() == entry.get("request_body", "")


def test_one_bad_number_costs_itself_alone() -> None:
    """Q18: what test_batches.py and test_vectors.py leave out of our batches is all there but for one number."""
    scenario = load("odd")
    adapter = ADAPTERS[options_of(scenario).source.kind]
    rows = adapter.new_rows()
    met = set()
    for entry in _answers(scenario.inputs):
        if entry["node"] not in BAD_VALUE_NODES:
            continue
        met.add(entry["node"])
        adapter.parse(entry["body"].encode(), rows, 0)
        assert rows.bad_values == 1
        found = {row["name"]: set(row["metrics"]) for row in rows.to_dicts()}
        assert found.keys() == {entry["node"], "kubelet", "docker-daemon", "system", "pods"}
        assert found["pods"] - found["kubelet"] == {"memory/major_page_faults"}
    assert met == set(BAD_VALUE_NODES)


def _answers(inputs: list[Json]) -> list[Json]:
    return [entry for entry in inputs if entry["kind"] == "kubelet"]
