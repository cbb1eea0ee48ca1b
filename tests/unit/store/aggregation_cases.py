"""Sums over containers, pods, namespaces: spec/heapster-pipeline.md 8.4.

In      nothing; this is a table
Out     Case rows, for test_pipeline.py
Source  the spec's section named above. Two rows cannot be said in rows of a target: A-08, because a
        container always names its pod, and G-07, because a metric's type is the catalogue's
"""

from __future__ import annotations

from tests.unit.store.cases import SHOP, TWO, WEB, Case, Want, millicores, requests, twice
from tests.unit.store.rows import Node, Pod, Spec, container, custom, node, pod, resource

_A, _B = "namespace:shop/pod:lone/container:a", "namespace:shop/pod:lone/container:b"
_LONE = "namespace:shop/pod:lone"

AGGREGATION_CASES = (
    Case(
        "A-01 a pod made of its containers",
        twice(
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
        twice(
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
        twice(
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
                {"cpu/usage_rate": 225, "memory/usage": 61_000_000, **requests(100, 0, 0, 0)}, only_metrics=True
            ),
            "cluster": Want(
                {"cpu/usage_rate": 225, "memory/usage": 61_000_000, **requests(100, 0, 0, 0)}, only_metrics=True
            ),
        },
        (Node(), Pod("shop", "web", (Spec("c1", cpu_request_millicores=100, restarts=1),))),
    ),
    Case(
        "G-03 a node has its pods' requests and its own use",
        twice(
            [node(metrics={"cpu/usage": 0})],
            [node(metrics={"cpu/usage": millicores(800)}), pod("shop", "web"), pod("shop", "db")],
        ),
        {"node:n1": Want({"cpu/request": 1100, "cpu/usage_rate": 800, "memory/usage": None})},
        (
            Node(),
            Pod("shop", "web", (Spec("c1", cpu_request_millicores=100),)),
            Pod("shop", "db", (Spec("c1", cpu_request_millicores=1000),), uid="uid-2"),
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
        twice(
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
