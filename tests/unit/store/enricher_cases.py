"""What the API server's objects add to what was scraped: spec/heapster-pipeline.md 8.2.

In      nothing; this is a table
Out     Case rows, for test_pipeline.py
Source  the spec's section named above
"""

from __future__ import annotations

from tests.unit.store.cases import C1, C2, POD_START_NS, SHOP, TWO, TWO_SUMS, WEB, Case, Want, requests, twice
from tests.unit.store.rows import SECOND_NS, T0_NS, Node, Pod, Row, Spec, container, node, pod


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
        Spec("c1", cpu_request_millicores=250, memory_request_bytes=67108864),
        Want(requests(250, 67108864, 0, 0)),
        "E-01 requests, no limits",
    ),
    _one_container(
        container("shop", "web", "c1"),
        Spec("c1", cpu_request_millicores=1, cpu_limit_millicores=1500, memory_limit_bytes=1610612736),
        Want(requests(1, 0, 1500, 1610612736)),
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
            C1: Want(requests(100, 555, 0, 0), only_metrics=True, scrape_ns=None, start_ns=None, labeled={}),
            C2: Want(requests(333, 1000, 2222, 3333), only_metrics=True, scrape_ns=None, start_ns=None),
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
            C2: Want(requests(333, 1000, 2222, 3333), {"nodename": "n1"}, only_metrics=True, create_ns=None),
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
        twice([pod("shop", "web")], [pod("shop", "web"), container("shop", "web", "c1", {"cpu/usage": 5})]),
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
