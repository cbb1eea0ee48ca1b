"""One complete scenario: two scrapes of one node, and every metric set after each of them.

In      nothing; this is a table
Out     OBJECTS, TICKS, and FIRST and SECOND: what the two batches hold, key by key
Callers test_pipeline.py
Source  spec/heapster-pipeline.md 8.13; floats as float64 (Q1)
"""

from __future__ import annotations

from typing import Any

from tests.unit.store.rows import (
    SECOND_NS,
    T0_NS,
    Namespace,
    Node,
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

_GI, _MI = 1 << 30, 1 << 20
_0800 = T0_NS - 7200 * SECOND_NS
_0900 = T0_NS - 3600 * SECOND_NS
_095930 = T0_NS - 30 * SECOND_NS

NODE, WEB, DB, GHOST = "node:n1", "namespace:shop/pod:web-1", "namespace:shop/pod:db-0", "namespace:shop/pod:ghost"

OBJECTS = (
    Node(
        labels="zone:a",
        cpu_capacity_millicores=4000,
        cpu_allocatable_millicores=3800,
        memory_capacity_bytes=8 * _GI,
        memory_allocatable_bytes=7 * _GI,
    ),
    Namespace("shop", "ns-uid-1"),
    Pod(
        "shop",
        "web-1",
        (
            Spec(
                "nginx",
                "nginx:1.13",
                cpu_request_millicores=100,
                cpu_limit_millicores=500,
                memory_request_bytes=64 * _MI,
                memory_limit_bytes=128 * _MI,
                restarts=2,
            ),
            Spec("sidecar", "side:1", restarts=0),
        ),
        uid="pod-uid-1",
        labels="app:web,tier:front",
        start=_0900,
    ),
    Pod(
        "shop",
        "db-0",
        (
            Spec(
                "pg",
                "pg:10",
                cpu_request_millicores=1000,
                cpu_limit_millicores=2000,
                memory_request_bytes=_GI,
                memory_limit_bytes=2 * _GI,
            ),
        ),
        uid="pod-uid-2",
        start=_095930,
    ),
)


def _scrape(second: bool) -> list[Row]:
    """What the kubelet says at 10:00:00 or, a minute later, at 10:01:00."""
    at = T0_NS + (60 * SECOND_NS if second else 0)

    def now(first_value: int, second_value: int) -> int:
        return second_value if second else first_value

    web: dict[str, Any] = {"at": at, "uid": "pod-uid-1"}
    ghost: dict[str, Any] = {"at": at, "uid": "pod-uid-3"}
    return [
        node(
            metrics={
                "cpu/usage": now(1_000_000_000_000, 1_048_000_000_000),
                "memory/usage": 4294967296,
                "memory/working_set": 3221225472,
                "memory/rss": 2147483648,
                "memory/page_faults": now(1000, 1600),
                "memory/major_page_faults": 10,
                "network/rx": now(1_000_000, 4_000_000),
                "network/rx_errors": 0,
                "network/tx": now(2_000_000, 2_600_000),
                "network/tx_errors": now(0, 6),
            },
            at=at,
            start=_0800,
            resources=[resource("filesystem", "/", available=70, limit=100, usage=30, inodes_free=9, inodes=10)],
        ),
        system(
            "kubelet",
            {
                "cpu/usage": now(3_000_000_000, 3_060_000_000),
                "memory/usage": 7,
                "memory/working_set": 6,
                "memory/rss": 5,
                "memory/page_faults": 4,
                "memory/major_page_faults": 3,
            },
            at=at,
            start=_0800,
        ),
        system("docker-daemon", {"cpu/usage": 1}, at=at, start=_0800),
        pod(
            "shop",
            "web-1",
            {
                "network/rx": now(0, 600_000),
                "network/tx": now(0, 300_000),
                "network/rx_errors": 0,
                "network/tx_errors": 0,
            },
            start=_0900,
            resources=[resource("volume", "data", available=877, limit=1000, usage=123, inodes_free=90, inodes=100)],
            **web,
        ),
        container(
            "shop",
            "web-1",
            "nginx",
            {
                "cpu/usage": now(10_000_000_000, 22_000_000_000),
                "memory/usage": 50_000_000,
                "memory/working_set": 40_000_000,
                "memory/rss": 30_000_000,
                "memory/page_faults": now(100, 160),
                "memory/major_page_faults": 0,
            },
            start=_0900 + 5 * SECOND_NS,
            resources=[
                resource("filesystem", "/", available=900, limit=2000, usage=1000, inodes_free=5, inodes=10),
                resource("filesystem", "logs", usage=50),
            ],
            **web,
        ),
        container(
            "shop",
            "web-1",
            "sidecar",
            {
                "cpu/usage": now(5_000_000_000, 5_900_000_000),
                "memory/usage": 10_000_000,
                "memory/working_set": 8_000_000,
                "memory/rss": 6_000_000,
                "memory/page_faults": now(10, 40),
                "memory/major_page_faults": now(0, 3),
            },
            start=_0900 + 6 * SECOND_NS,
            custom=[custom("qps", 0.1)],
            **web,
        ),
        pod("shop", "db-0", {"network/rx": 100, "network/tx": 200}, at=at, start=_095930, uid="pod-uid-2"),
        pod("shop", "ghost", start=_0900 + 600 * SECOND_NS, **ghost),
        container(
            "shop",
            "ghost",
            "g",
            {"cpu/usage": now(0, 600_000_000), "memory/usage": 1_000_000},
            start=_0900 + 601 * SECOND_NS,
            **ghost,
        ),
    ]


TICKS = (_scrape(second=False), _scrape(second=True))

_SUMS = {
    "cpu/usage_rate": 225,
    "memory/usage": 61_000_000,
    "cpu/request": 1100,
    "cpu/limit": 2500,
    "memory/request": 1140850688,
    "memory/limit": 2281701376,
}
_NGINX_REQUESTS = {"cpu/request": 100, "cpu/limit": 500, "memory/request": 67108864, "memory/limit": 134217728}
_PG_REQUESTS = {"cpu/request": 1000, "cpu/limit": 2000, "memory/request": 1073741824, "memory/limit": 2147483648}

#: Plain metrics after the second scrape, all of them but uptime, which depends on the clock.
SECOND: dict[str, dict[str, Any]] = {
    NODE: {
        "cpu/usage": 1_048_000_000_000,
        "cpu/usage_rate": 800,
        "memory/usage": 4294967296,
        "memory/working_set": 3221225472,
        "memory/rss": 2147483648,
        "memory/page_faults": 1600,
        "memory/page_faults_rate": 10.0,
        "memory/major_page_faults": 10,
        "memory/major_page_faults_rate": 0.0,
        "network/rx": 4_000_000,
        "network/rx_rate": 50_000.0,
        "network/rx_errors": 0,
        "network/rx_errors_rate": 0.0,
        "network/tx": 2_600_000,
        "network/tx_rate": 10_000.0,
        "network/tx_errors": 6,
        "network/tx_errors_rate": 0.1,
        "cpu/request": 1100,
        "cpu/limit": 2500,
        "memory/request": 1140850688,
        "memory/limit": 2281701376,
        "cpu/node_capacity": 4000.0,
        "cpu/node_allocatable": 3800.0,
        "cpu/node_utilization": 0.21052631578947367,
        "cpu/node_reservation": 0.2894736842105263,
        "memory/node_capacity": 8589934592.0,
        "memory/node_allocatable": 7516192768.0,
        "memory/node_utilization": 0.5714285714285714,
        "memory/node_reservation": 0.15178571428571427,
    },
    f"{NODE}/container:kubelet": {
        "cpu/usage": 3_060_000_000,
        "cpu/usage_rate": 1,
        "memory/usage": 7,
        "memory/working_set": 6,
        "memory/rss": 5,
        "memory/page_faults": 4,
        "memory/page_faults_rate": 0.0,
        "memory/major_page_faults": 3,
        "memory/major_page_faults_rate": 0.0,
    },
    f"{NODE}/container:docker-daemon": {"cpu/usage": 1, "cpu/usage_rate": 0},
    WEB: {
        "network/rx": 600_000,
        "network/rx_rate": 10_000.0,
        "network/tx": 300_000,
        "network/tx_rate": 5_000.0,
        "network/rx_errors": 0,
        "network/rx_errors_rate": 0.0,
        "network/tx_errors": 0,
        "network/tx_errors_rate": 0.0,
        "cpu/usage_rate": 215,
        "memory/usage": 60_000_000,
        "memory/working_set": 48_000_000,
        "memory/rss": 36_000_000,
        "memory/page_faults_rate": 1.5,
        "memory/major_page_faults_rate": 0.05,
        **_NGINX_REQUESTS,
        "restart_count": 2,
        "custom/qps": 0.1,
    },
    f"{WEB}/container:nginx": {
        "cpu/usage": 22_000_000_000,
        "cpu/usage_rate": 200,
        "memory/usage": 50_000_000,
        "memory/working_set": 40_000_000,
        "memory/rss": 30_000_000,
        "memory/page_faults": 160,
        "memory/page_faults_rate": 1.0,
        "memory/major_page_faults": 0,
        "memory/major_page_faults_rate": 0.0,
        **_NGINX_REQUESTS,
        "restart_count": 2,
    },
    f"{WEB}/container:sidecar": {
        "cpu/usage": 5_900_000_000,
        "cpu/usage_rate": 15,
        "memory/usage": 10_000_000,
        "memory/working_set": 8_000_000,
        "memory/rss": 6_000_000,
        "memory/page_faults": 40,
        "memory/page_faults_rate": 0.5,
        "memory/major_page_faults": 3,
        "memory/major_page_faults_rate": 0.05,
        **dict.fromkeys(_NGINX_REQUESTS, 0),
        "restart_count": 0,
        "custom/qps": 0.1,
    },
    DB: {
        "network/rx": 100,
        "network/rx_rate": 0.0,
        "network/tx": 200,
        "network/tx_rate": 0.0,
        **_PG_REQUESTS,
    },
    f"{DB}/container:pg": _PG_REQUESTS,
    GHOST: {"cpu/usage_rate": 10, "memory/usage": 1_000_000},
    f"{GHOST}/container:g": {"cpu/usage": 600_000_000, "cpu/usage_rate": 10, "memory/usage": 1_000_000},
    "namespace:shop": _SUMS,
    "cluster": _SUMS,
}

#: Counters that the first scrape shows otherwise.
_BEFORE: dict[str, dict[str, Any]] = {
    NODE: {
        "cpu/usage": 1_000_000_000_000,
        "memory/page_faults": 1000,
        "network/rx": 1_000_000,
        "network/tx": 2_000_000,
        "network/tx_errors": 0,
        "cpu/node_utilization": 0.0,
    },
    f"{NODE}/container:kubelet": {"cpu/usage": 3_000_000_000},
    WEB: {"network/rx": 0, "network/tx": 0},
    f"{WEB}/container:nginx": {"cpu/usage": 10_000_000_000, "memory/page_faults": 100},
    f"{WEB}/container:sidecar": {
        "cpu/usage": 5_000_000_000,
        "memory/page_faults": 10,
        "memory/major_page_faults": 0,
    },
    f"{GHOST}/container:g": {"cpu/usage": 0},
}

#: Plain metrics after the first scrape: the same sets without any rate.
FIRST: dict[str, dict[str, Any]] = {
    name: {metric: value for metric, value in metrics.items() if not metric.endswith("_rate")} | _BEFORE.get(name, {})
    for name, metrics in SECOND.items()
}

#: (name, resource_id) to value, in both batches; sets that are not named have none.
LABELED = {
    NODE: {
        ("filesystem/usage", "/"): 30,
        ("filesystem/limit", "/"): 100,
        ("filesystem/available", "/"): 70,
        ("filesystem/inodes", "/"): 10,
        ("filesystem/inodes_free", "/"): 9,
    },
    WEB: {
        ("filesystem/usage", "Volume:data"): 123,
        ("filesystem/limit", "Volume:data"): 1000,
        ("filesystem/available", "Volume:data"): 877,
        ("filesystem/inodes", "Volume:data"): 100,
        ("filesystem/inodes_free", "Volume:data"): 90,
    },
    f"{WEB}/container:nginx": {
        ("filesystem/usage", "/"): 1000,
        ("filesystem/limit", "/"): 2000,
        ("filesystem/available", "/"): 900,
        ("filesystem/inodes", "/"): 10,
        ("filesystem/inodes_free", "/"): 5,
        ("filesystem/usage", "logs"): 50,
    },
}

_HOST = {"nodename": "n1", "hostname": "n1.example", "host_id": "i-0abc"}
_SHOP = {"namespace_name": "shop", "namespace_id": "ns-uid-1"}
_WEB_LABELS = _HOST | _SHOP | {"pod_name": "web-1", "pod_id": "pod-uid-1", "labels": "app:web,tier:front"}
_DB_LABELS = _HOST | _SHOP | {"pod_name": "db-0", "pod_id": "pod-uid-2", "labels": ""}
_GHOST_LABELS = _HOST | _SHOP | {"pod_name": "ghost", "pod_id": "pod-uid-3"}
_CONTAINER = {"type": "pod_container"}

#: All labels of all sets, in both batches.
LABELS: dict[str, dict[str, str]] = {
    NODE: _HOST | {"type": "node", "labels": "zone:a"},
    f"{NODE}/container:kubelet": _HOST | {"type": "sys_container", "container_name": "kubelet"},
    f"{NODE}/container:docker-daemon": _HOST | {"type": "sys_container", "container_name": "docker-daemon"},
    WEB: _WEB_LABELS | {"type": "pod"},
    f"{WEB}/container:nginx": _WEB_LABELS
    | _CONTAINER
    | {"container_name": "nginx", "container_base_image": "nginx:1.13"},
    f"{WEB}/container:sidecar": _WEB_LABELS
    | _CONTAINER
    | {"container_name": "sidecar", "container_base_image": "side:1"},
    DB: _DB_LABELS | {"type": "pod"},
    f"{DB}/container:pg": _DB_LABELS | _CONTAINER | {"container_name": "pg", "container_base_image": "pg:10"},
    GHOST: _GHOST_LABELS | {"type": "pod"},
    f"{GHOST}/container:g": _GHOST_LABELS | _CONTAINER | {"container_name": "g"},
    "namespace:shop": {"type": "ns"} | _SHOP,
    "cluster": {"type": "cluster"},
}

#: (scrape, create, start) of the second batch where the spec names them; None = unknown.
TIMES: dict[str, tuple[int | None, int | None, int | None]] = {
    NODE: (T0_NS + 60 * SECOND_NS, None, _0800),
    WEB: (T0_NS + 60 * SECOND_NS, _0900, _0900),
    f"{WEB}/container:nginx": (T0_NS + 60 * SECOND_NS, _0900, _0900 + 5 * SECOND_NS),
    f"{DB}/container:pg": (None, _095930, None),
    "namespace:shop": (None, None, None),
    "cluster": (None, None, None),
}
