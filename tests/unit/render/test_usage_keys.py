"""Usage maps with more than CPU and memory: keys in the order of Go's maps, in every form."""

from __future__ import annotations

import json

import pytest

from heapfast.catalog.usage_keys import KEY_OF, USAGE_KEYS
from heapfast.render.forms import Encoding, Form, Shape
from tests.protobuf import all_of, text, unwrap
from tests.unit.render.usage import AT_NS, NOW_NS, RESOLUTION_NS, Usage, Use
from tests.unit.store.rows import START_NS, container, node, pod, resource

KEYS = sorted([*KEY_OF, "cpu", "memory"])
DEVICES = [
    resource("accelerator", "0", make="m", model="n", memory_used=3 * 2**30, duty_cycle=85),
    resource("filesystem", "/", usage=1_500_000),
]


def one_of_each(usage: Usage) -> tuple[int, int]:
    """A node and a pod of two containers that have everything; their slots."""
    node_slot = usage.put_node("node")
    pod_slot = usage.put_pod("n", "p")
    usage.use(node_slot, {("n", "p"): [Use("b"), Use("a")]}, Use("node"))
    for at_ns, sent in ((AT_NS + RESOLUTION_NS, 0), (AT_NS + 2 * RESOLUTION_NS, 20480)):
        network = {"network/rx": sent, "network/tx": 3 * sent}
        used = {"cpu/usage": at_ns, "memory/working_set": 1_500_000}
        usage.ingest(
            [
                node("n", {**used, **network}, at=at_ns, resources=DEVICES, swap=4096),
                pod("n", "p", network, at=at_ns),
                *(
                    container("n", "p", name, used, at=at_ns, start=START_NS, resources=DEVICES, swap=0)
                    for name in "ba"
                ),
            ],
            node_slot,
            NOW_NS,
        )
    return node_slot, pod_slot


def test_json_has_the_keys_in_order() -> None:
    usage = Usage(USAGE_KEYS)
    node_slot, pod_slot = one_of_each(usage)
    of_node = json.loads(usage.get_node(node_slot))["usage"]
    assert list(of_node) == KEYS
    assert {key: of_node[key] for key in KEY_OF} == {
        "ephemeral-storage": "1500000",
        "heapfast.io/accelerator-memory": "3Gi",
        "heapfast.io/accelerators": "850m",
        "heapfast.io/network-rx-bytes-per-second": "2Ki",
        "heapfast.io/network-tx-bytes-per-second": "6Ki",
        "swap": "4Ki",
    }
    first, second = json.loads(usage.get_pod(pod_slot))["containers"]
    assert (first["name"], list(first["usage"])) == ("a", KEYS)
    assert (second["name"], list(second["usage"])) == ("b", [key for key in KEYS if "network" not in key])
    assert first["usage"]["swap"] == "0"


def test_protobuf_says_what_json_does() -> None:
    usage = Usage(USAGE_KEYS)
    slots = one_of_each(usage)
    form = Form(Encoding.PROTOBUF)
    raw = unwrap(usage.get_node(slots[0], form), "metrics.k8s.io/v1beta1", "NodeMetrics")
    of_node = {text(entry, 1): text(all_of(entry, 2)[0], 1) for entry in all_of(raw, 4)}
    assert list(of_node.items()) == list(json.loads(usage.get_node(slots[0]))["usage"].items())
    raw = unwrap(usage.get_pod(slots[1], form), "metrics.k8s.io/v1beta1", "PodMetrics")
    containers = [{text(entry, 1): text(all_of(entry, 2)[0], 1) for entry in all_of(one, 2)} for one in all_of(raw, 4)]
    assert containers == [one["usage"] for one in json.loads(usage.get_pod(slots[1]))["containers"]]


@pytest.mark.parametrize("form", [Form(), Form(Encoding.PROTOBUF), Form(shape=Shape.TABLE)])
def test_keys_that_have_no_value_are_left_out(form: Form) -> None:
    asked, plain = Usage(USAGE_KEYS), Usage()
    bodies = []
    for usage in (asked, plain):
        slot = usage.put_pod("n", "p")
        usage.use(usage.put_node("node"), {("n", "p"): [Use("c")]})
        bodies.append(usage.get_pod(slot, form))
    assert bodies[0] == bodies[1]
