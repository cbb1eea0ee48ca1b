"""What a node offers, and how much of it is used: spec/heapster-pipeline.md 8.5.

In      nothing; this is a table
Out     Case rows, for test_pipeline.py
Source  the spec's section named above, and S-05 of 8.6. U-04 is left out: there are no negative rates (Q3)
"""

from __future__ import annotations

from tests.unit.store.cases import Case, Want, millicores, twice
from tests.unit.store.rows import Node, Pod, Spec, node, pod, system

_GI = 1 << 30
_ASKS_NOTHING = Spec("c")


def _node_case(
    name: str,
    api_node: Node,
    values: dict[str, int],
    want: dict[str, int | float | None],
    why: str = "",
    spec: Spec = _ASKS_NOTHING,
) -> Case:
    """A node of its own that uses and offers so much, with one pod that requests so much."""
    return Case(
        name,
        twice([node(metrics={"cpu/usage": 0} if "cpu/usage" in values else {})], [node(metrics=values), pod("a", "p")]),
        {"node:n1": Want(want)},
        (api_node, Pod("a", "p", (spec,))),
        why=why,
    )


NODE_CASES = (
    _node_case(
        "U-01 cpu",
        Node(cpu_capacity_millicores=4000, cpu_allocatable_millicores=3800),
        {"cpu/usage": millicores(250)},
        {
            "cpu/node_utilization": 0.06578947368421052,
            "cpu/node_reservation": 0.39473684210526316,
            "cpu/node_capacity": 4000.0,
            "cpu/node_allocatable": 3800.0,
        },
        "Q1, Q4",
        Spec("c", cpu_request_millicores=1500),
    ),
    _node_case(
        "U-02 memory",
        Node(memory_capacity_bytes=8 * _GI, memory_allocatable_bytes=7 * _GI),
        {"memory/usage": 2147483648},
        {
            "memory/node_utilization": 0.2857142857142857,
            "memory/node_reservation": 0.14285714285714285,
            "memory/node_capacity": 8589934592.0,
            "memory/node_allocatable": 7516192768.0,
        },
        "Q1, Q4",
        Spec("c", memory_request_bytes=1073741824),
    ),
    _node_case(
        "U-03 more than there is",
        Node(cpu_allocatable_millicores=4000),
        {"cpu/usage": millicores(5000)},
        {"cpu/node_utilization": 1.25},
    ),
    _node_case("U-05 no rate yet", Node(cpu_allocatable_millicores=4000), {}, {"cpu/node_utilization": 0.0}),
    _node_case(
        "U-06 nothing is allocatable",
        Node(cpu_capacity_millicores=4000, memory_capacity_bytes=_GI),
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
        Node(memory_allocatable_bytes=15553016 << 10),
        {},
        {"memory/node_allocatable": 15926288384.0},
    ),
    _node_case(
        "U-08 a number that binary32 would round",
        Node(memory_capacity_bytes=16777217),
        {},
        {"memory/node_capacity": 16777217.0},
        "Q1",
    ),
    Case("U-09 a node that nobody scraped", ([],), {"node:n1": None}, (Node(cpu_allocatable_millicores=4000),)),
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
