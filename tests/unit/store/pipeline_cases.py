"""Enrichment, aggregation and shares: the rows of spec/heapster-pipeline.md 8.2, 8.4 and 8.5.

In      nothing; this is a table
Out     Case rows, for test_pipeline.py
Source  the spec's sections named above. Rows that cannot be said in rows of a target or in API objects
        are left out: A-08 (a container always names its pod), G-07 (a metric's type is the catalogue's),
        U-04 (by decision Q3 there is no negative rate), L-05 (refused at start, Q17).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.unit.store.rows import (
    SECOND_NS,
    T0_NS,
    Namespace,
    Node,
    Object,
    Pod,
    Row,
    Spec,
    container,
    custom,
    node,
    pod,
    resource,
    system,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Want:
    """What one metric set must show; None in place of a value: it must not be there.

    Attributes:
        metrics, labels: those that are compared; others may be there.
        only_metrics: no metric beside those named in `metrics`, uptime aside.
        only_labels: no label beside those named in `labels`.
        labeled: (name, resource_id) to value, all of them.
    """

    metrics: Mapping[str, int | float | None] = field(default_factory=dict)
    labels: Mapping[str, str | None] = field(default_factory=dict)
    only_metrics: bool = False
    only_labels: bool = False
    labeled: Mapping[tuple[str, str], int | float] | None = None
    scrape_ns: int | str | None = "any"
    create_ns: int | str | None = "any"
    start_ns: int | str | None = "any"


@dataclass(frozen=True)
class Case:
    """One or more ticks, 60 s apart, and sets of the last batch.

    Attributes:
        ticks: the answer of n1's target at each tick.
        want: by key; None: no such set.
        exactly: the batch has no other keys.
    """

    name: str
    ticks: tuple[list[Row], ...]
    want: Mapping[str, Want | None]
    objects: tuple[Object, ...] = (Node(),)
    exactly: bool = False
    why: str = ""


WEB, C1, C2 = "namespace:shop/pod:web", "namespace:shop/pod:web/container:c1", "namespace:shop/pod:web/container:c2"
POD_START_NS = T0_NS - 32 * SECOND_NS
SHOP = Namespace("shop", "uid-shop")


def _requests(cpu: int, memory: int, cpu_limit: int, memory_limit: int) -> dict[str, int]:
    return {"cpu/request": cpu, "memory/request": memory, "cpu/limit": cpu_limit, "memory/limit": memory_limit}


def millicores(rate: int) -> int:
    """CPU time that makes a rate of `rate` millicores over the 60 s between two ticks, in ns."""
    return rate * 60_000_000


def _twice(first: list[Row], second: list[Row]) -> tuple[list[Row], list[Row]]:
    """Two ticks; the rows of the second are sampled 60 s later."""
    return first, [row | {"sample_ns": row["sample_ns"] + 60 * SECOND_NS} for row in second]


TWO = Pod(
    "shop",
    "web",
    (
        Spec("c1", "x:1", cpu_request=100, memory_request=555),
        Spec("c2", "x:2", cpu_request=333, cpu_limit=2222, memory_request=1000, memory_limit=3333),
    ),
    labels="app:web",
    start=POD_START_NS,
)
TWO_SUMS = _requests(433, 1555, 2222, 3333)


def _one_container(row: Row, spec: Spec, want: Want, name: str, why: str = "") -> Case:
    return Case(
        name,
        ([pod("shop", "web"), row],),
        {C1: want},
        (Node(), SHOP, Pod("shop", "web", (spec,), start=POD_START_NS)),
        why=why,
    )


ENRICHER_CASES = (
    _one_container(
        container("shop", "web", "c1"),
        Spec("c1", cpu_request=250, memory_request=67108864),
        Want(_requests(250, 67108864, 0, 0)),
        "E-01 requests, no limits",
    ),
    _one_container(
        container("shop", "web", "c1"),
        Spec("c1", cpu_request=1, cpu_limit=1500, memory_limit=1610612736),
        Want(_requests(1, 0, 1500, 1610612736)),
        "E-02 a request without its other half",
    ),
    _one_container(
        container("shop", "web", "c1"),
        Spec("c1", restarts=4),
        Want({"restart_count": 4}, create_ns=POD_START_NS),
        "E-03 the status has the container",
    ),
    _one_container(
        container("shop", "web", "c1"),
        Spec("c1"),
        Want({"restart_count": None}, create_ns=None),
        "E-04 the status lacks the container",
    ),
    Case(
        "E-05 a pod that the API server does not know",
        ([pod("shop", "web"), container("shop", "web", "c1", {"memory/usage": 7})],),
        {
            C1: Want({"memory/usage": 7, "cpu/request": None}, {"pod_id": "kubelet-web", "labels": None}),
            WEB: Want({"memory/usage": 7, "cpu/request": None}, {"pod_id": "kubelet-web", "labels": None}),
            "namespace:shop": Want({"memory/usage": 7}),
            "cluster": Want({"memory/usage": 7}),
        },
        why="Q9",
    ),
    Case(
        "E-06 only the pod: two stubs",
        ([pod("shop", "web")],),
        {
            C1: Want(_requests(100, 555, 0, 0), only_metrics=True, scrape_ns=None, start_ns=None, labeled={}),
            C2: Want(_requests(333, 1000, 2222, 3333), only_metrics=True, scrape_ns=None, start_ns=None),
            WEB: Want(TWO_SUMS, only_metrics=True),
        },
        (Node(), TWO),
    ),
    Case(
        "E-06 labels of a stub",
        ([pod("shop", "web")],),
        {
            C1: Want(
                labels={
                    "type": "pod_container",
                    "namespace_name": "shop",
                    "namespace_id": "uid-shop",
                    "pod_name": "web",
                    "pod_id": "uid-1",
                    "container_name": "c1",
                    "container_base_image": "x:1",
                    "nodename": "n1",
                    "hostname": "n1.example",
                    "host_id": "i-0abc",
                    "labels": "app:web",
                },
                only_labels=True,
            ),
        },
        (Node(), SHOP, TWO),
    ),
    Case(
        "E-07 only one container: a stub of the pod and of the other",
        ([container("shop", "web", "c1")],),
        {
            WEB: Want(
                TWO_SUMS,
                {"pod_id": "uid-1", "nodename": "n1", "hostname": "n1.example", "labels": "app:web"},
                only_metrics=True,
                scrape_ns=None,
                start_ns=None,
                create_ns=POD_START_NS,
            ),
            C2: Want(_requests(333, 1000, 2222, 3333), {"nodename": "n1"}, only_metrics=True, create_ns=None),
        },
        (Node(), TWO),
    ),
    Case(
        "E-08 a stub is born when its pod's collection started",
        ([pod("shop", "web", start=T0_NS - 30 * SECOND_NS)],),
        {
            C1: Want(create_ns=T0_NS - 30 * SECOND_NS),
            C2: Want(create_ns=T0_NS - 30 * SECOND_NS),
            WEB: Want(create_ns=POD_START_NS, start_ns=T0_NS - 30 * SECOND_NS),
        },
        (Node(), TWO),
        why="Q16",
    ),
    Case(
        "E-09 an init container",
        ([pod("shop", "web"), container("shop", "web", "init", {"memory/usage": 3})],),
        {
            f"{WEB}/container:init": Want(
                {"memory/usage": 3},
                {"pod_id": "uid-1", "labels": "app:web", "container_base_image": None},
                only_metrics=True,
                create_ns=None,
            ),
        },
        (Node(), TWO),
    ),
    _one_container(
        container("shop", "web", "c1", image=""),
        Spec("c1", "x:1"),
        Want(labels={"container_base_image": ""}),
        "E-10 an empty image is an image",
    ),
    _one_container(
        container("shop", "web", "c1"),
        Spec("c1", "x:1"),
        Want(labels={"container_base_image": "x:1"}),
        "E-11 the image comes from the spec",
    ),
    Case(
        "E-12 the UID comes from the object",
        ([pod("shop", "web", uid="hash"), container("shop", "web", "c1", uid="hash")],),
        {WEB: Want(labels={"pod_id": "uid-1"}), C1: Want(labels={"pod_id": "uid-1"})},
        (Node(), TWO),
        why="Q16",
    ),
    Case("E-13 a pod that nobody reports", ([node()],), {WEB: None, C1: None}, (Node(), TWO)),
    Case(
        "E-14 the tick after a stub has no rate",
        _twice([pod("shop", "web")], [pod("shop", "web"), container("shop", "web", "c1", {"cpu/usage": 5})]),
        {C1: Want({"cpu/usage": 5, "cpu/usage_rate": None})},
        (Node(), TWO),
    ),
    Case(
        "E-15 a known namespace",
        ([pod("shop", "web"), container("shop", "web", "c1")],),
        {
            WEB: Want(labels={"namespace_id": "uid-shop"}),
            C1: Want(labels={"namespace_id": "uid-shop"}),
            C2: Want(labels={"namespace_id": "uid-shop"}),
        },
        (Node(), SHOP, TWO),
    ),
    Case(
        "E-16 an unknown namespace",
        ([pod("shop", "web"), container("shop", "web", "c1")],),
        {
            WEB: Want(labels={"namespace_id": None}),
            C1: Want(labels={"namespace_id": None}),
            "namespace:shop": Want(
                labels={"type": "ns", "namespace_name": "shop", "namespace_id": ""}, only_labels=True
            ),
        },
    ),
)

_A, _B = "namespace:shop/pod:lone/container:a", "namespace:shop/pod:lone/container:b"
_LONE = "namespace:shop/pod:lone"

AGGREGATION_CASES = (
    Case(
        "A-01 a pod made of its containers",
        _twice(
            [container("shop", "lone", "a", {"network/rx": 0}), container("shop", "lone", "b")],
            [
                container(
                    "shop",
                    "lone",
                    "a",
                    {"cpu/usage": 7, "memory/usage": 10, "network/rx": 90},
                    custom=[custom("x", 3.0), custom("y", 0.5)],
                ),
                container(
                    "shop",
                    "lone",
                    "b",
                    {"memory/usage": 5, "memory/cache": 8},
                    custom=[custom("x", 4.0), custom("y", 0.25)],
                ),
            ],
        ),
        {
            _LONE: Want(
                {"memory/usage": 15, "memory/cache": 8, "custom/x": 7.0, "custom/y": 0.75, "network/rx_rate": 1.5},
                {
                    "type": "pod",
                    "pod_id": "kubelet-lone",
                    "pod_name": "lone",
                    "namespace_name": "shop",
                    "namespace_id": "uid-shop",
                    "hostname": "n1.example",
                    "host_id": "i-0abc",
                },
                only_metrics=True,
                only_labels=True,
                scrape_ns=None,
                create_ns=None,
                start_ns=None,
            )
        },
        (Node(), SHOP),
    ),
    Case(
        "A-02 a made pod is in no node's sum",
        (
            [
                node(),
                container("shop", "lone", "a", {"memory/usage": 10}),
            ],
        ),
        {
            "node:n1": Want({"memory/usage": None, "cpu/request": None}),
            "namespace:shop": Want({"memory/usage": 10}),
            "cluster": Want({"memory/usage": 10}),
        },
    ),
    Case(
        "A-03 containers add to what the pod has",
        _twice(
            [pod("shop", "lone", {"cpu/usage": 0}), container("shop", "lone", "a", {"cpu/usage": 0})],
            [
                pod("shop", "lone", {"cpu/usage": millicores(3), "memory/usage": 100}),
                container("shop", "lone", "a", {"cpu/usage": millicores(4), "memory/usage": 10}),
            ],
        ),
        {_LONE: Want({"memory/usage": 110, "cpu/usage_rate": 7, "cpu/usage": millicores(3)})},
        why="Q7",
    ),
    Case(
        "A-04 another type than the pod's is left out",
        (
            [
                pod("shop", "lone", custom=[custom("mixed", 1.5)]),
                container("shop", "lone", "a", custom=[custom("mixed", 1)]),
            ],
        ),
        {_LONE: Want({"custom/mixed": 1.5})},
    ),
    Case(
        "A-05 resources are not summed",
        ([container("shop", "lone", "a", resources=[resource("filesystem", "/", usage=1000)])],),
        {
            _LONE: Want(labeled={}),
            _A: Want(labeled={("filesystem/usage", "/"): 1000}),
        },
    ),
    Case(
        "A-06 custom counters are summed",
        (
            [
                container("shop", "lone", "a", custom=[custom("n", 10.0, "cumulative")]),
                container("shop", "lone", "b", custom=[custom("n", 20.0, "delta")]),
            ],
        ),
        {_LONE: Want({"custom/n": 30.0})},
        why="Q6",
    ),
    Case(
        "A-07 custom floats",
        (
            [
                container("shop", "lone", "a", custom=[custom("f", 0.1)]),
                container("shop", "lone", "b", custom=[custom("f", 0.2)]),
            ],
        ),
        {_LONE: Want({"custom/f": 0.1 + 0.2})},
        why="Q1",
    ),
    Case(
        "A-09 a sum wraps to the one integer that is no sample",
        (
            [
                container("shop", "lone", "a", {"memory/usage": (1 << 63) - 1}),
                container("shop", "lone", "b", {"memory/usage": 1}),
            ],
        ),
        {_LONE: Want({"memory/usage": None}), _A: Want({"memory/usage": (1 << 63) - 1})},
    ),
    Case(
        "a sum beyond int64 wraps",
        (
            [
                container("shop", "lone", "a", {"memory/usage": (1 << 63) - 1}),
                container("shop", "lone", "b", {"memory/usage": 2}),
            ],
        ),
        {_LONE: Want({"memory/usage": -(1 << 63) + 1})},
        why="N3",
    ),
    Case(
        "restarts are summed",
        ([pod("shop", "web"), container("shop", "web", "c1"), container("shop", "web", "c2")],),
        {WEB: Want({"restart_count": 3})},
        (Node(), Pod("shop", "web", (Spec("c1", restarts=2), Spec("c2", restarts=1)))),
    ),
    Case(
        "G-01, G-02 six metrics of a namespace",
        _twice(
            [
                pod("shop", "web", {"network/rx": 0}),
                container("shop", "web", "c1", {"cpu/usage": 0}),
                container("shop", "lone", "a", {"cpu/usage": 0}),
            ],
            [
                pod("shop", "web", {"network/rx": 600}),
                container(
                    "shop",
                    "web",
                    "c1",
                    {"cpu/usage": millicores(215), "memory/usage": 60_000_000, "memory/working_set": 5},
                ),
                container("shop", "lone", "a", {"cpu/usage": millicores(10), "memory/usage": 1_000_000}),
            ],
        ),
        {
            "namespace:shop": Want(
                {"cpu/usage_rate": 225, "memory/usage": 61_000_000, **_requests(100, 0, 0, 0)}, only_metrics=True
            ),
            "cluster": Want(
                {"cpu/usage_rate": 225, "memory/usage": 61_000_000, **_requests(100, 0, 0, 0)}, only_metrics=True
            ),
        },
        (Node(), Pod("shop", "web", (Spec("c1", cpu_request=100, restarts=1),))),
    ),
    Case(
        "G-03 a node has its pods' requests and its own use",
        _twice(
            [node(metrics={"cpu/usage": 0})],
            [node(metrics={"cpu/usage": millicores(800)}), pod("shop", "web"), pod("shop", "db")],
        ),
        {"node:n1": Want({"cpu/request": 1100, "cpu/usage_rate": 800, "memory/usage": None})},
        (
            Node(),
            Pod("shop", "web", (Spec("c1", cpu_request=100),)),
            Pod("shop", "db", (Spec("c1", cpu_request=1000),), uid="uid-2"),
        ),
        why="Q5",
    ),
    Case(
        "G-04 no node is made for a pod",
        ([pod("shop", "web")],),
        {"node:n1": None, WEB: Want(labels={"nodename": "n1"})},
        (Node(), TWO),
    ),
    Case(
        "G-05 two namespaces",
        _twice(
            [container("a", "p", "c", {"cpu/usage": 0}), container("b", "p", "c", {"cpu/usage": 0})],
            [
                container("a", "p", "c", {"cpu/usage": millicores(5)}),
                container("b", "p", "c", {"cpu/usage": millicores(7)}),
            ],
        ),
        {
            "namespace:a": Want({"cpu/usage_rate": 5}),
            "namespace:b": Want({"cpu/usage_rate": 7}),
            "cluster": Want({"cpu/usage_rate": 12}),
        },
    ),
    Case(
        "G-06 an empty batch has a cluster",
        ([],),
        {"cluster": Want(labels={"type": "cluster"}, only_metrics=True, only_labels=True, scrape_ns=None)},
        exactly=True,
    ),
    Case(
        "G-08 a namespace without a UID",
        ([pod("a", "p")],),
        {"namespace:a": Want(labels={"namespace_id": ""})},
    ),
)


def _node_case(
    name: str,
    api_node: Node,
    values: dict[str, int],
    want: dict[str, int | float | None],
    why: str = "",
    **requests: int,
) -> Case:
    """A node of its own that uses and offers so much, with one pod that requests so much."""
    return Case(
        name,
        _twice(
            [node(metrics={"cpu/usage": 0} if "cpu/usage" in values else {})], [node(metrics=values), pod("a", "p")]
        ),
        {"node:n1": Want(want)},
        (api_node, Pod("a", "p", (Spec("c", **requests),))),
        why=why,
    )


_GI = 1 << 30

NODE_CASES = (
    _node_case(
        "U-01 cpu",
        Node(cpu_capacity=4000, cpu_allocatable=3800),
        {"cpu/usage": millicores(250)},
        {
            "cpu/node_utilization": 0.06578947368421052,
            "cpu/node_reservation": 0.39473684210526316,
            "cpu/node_capacity": 4000.0,
            "cpu/node_allocatable": 3800.0,
        },
        "Q1, Q4",
        cpu_request=1500,
    ),
    _node_case(
        "U-02 memory",
        Node(memory_capacity=8 * _GI, memory_allocatable=7 * _GI),
        {"memory/usage": 2147483648},
        {
            "memory/node_utilization": 0.2857142857142857,
            "memory/node_reservation": 0.14285714285714285,
            "memory/node_capacity": 8589934592.0,
            "memory/node_allocatable": 7516192768.0,
        },
        "Q1, Q4",
        memory_request=1073741824,
    ),
    _node_case(
        "U-03 more than there is",
        Node(cpu_allocatable=4000),
        {"cpu/usage": millicores(5000)},
        {"cpu/node_utilization": 1.25},
    ),
    _node_case("U-05 no rate yet", Node(cpu_allocatable=4000), {}, {"cpu/node_utilization": 0.0}),
    _node_case(
        "U-06 nothing is allocatable",
        Node(cpu_capacity=4000, memory_capacity=_GI),
        {"cpu/usage": millicores(5)},
        {
            "cpu/node_utilization": None,
            "cpu/node_reservation": None,
            "cpu/node_capacity": 4000.0,
            "cpu/node_allocatable": 0.0,
            "memory/node_utilization": None,
            "memory/node_reservation": None,
            "memory/node_capacity": float(_GI),
            "memory/node_allocatable": 0.0,
        },
    ),
    _node_case(
        "U-07 more than 24 bits",
        Node(memory_allocatable=15553016 << 10),
        {},
        {"memory/node_allocatable": 15926288384.0},
    ),
    _node_case(
        "U-08 a number that binary32 would round",
        Node(memory_capacity=16777217),
        {},
        {"memory/node_capacity": 16777217.0},
        "Q1",
    ),
    Case("U-09 a node that nobody scraped", ([],), {"node:n1": None}, (Node(cpu_allocatable=4000),)),
    Case(
        "U-10 labels of a node",
        ([node()],),
        {
            "node:n1": Want(
                labels={
                    "type": "node",
                    "nodename": "n1",
                    "hostname": "n1.example",
                    "host_id": "i-0abc",
                    "labels": "zone:a",
                },
                only_labels=True,
            )
        },
        (Node(labels="zone:a"),),
    ),
    Case(
        "S-05 a kubelet that calls its node otherwise",
        ([node("other", {"memory/usage": 5}), system("kubelet", {"memory/usage": 2})],),
        {
            "node:other": Want({"memory/usage": 5}, {"nodename": "n1", "labels": None}, only_metrics=True),
            "node:other/container:kubelet": Want({"memory/usage": 2}, {"nodename": "n1", "type": "sys_container"}),
            "node:n1": None,
        },
    ),
)

CASES = ENRICHER_CASES + AGGREGATION_CASES + NODE_CASES
