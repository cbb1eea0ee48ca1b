"""The Summary API parser: bytes a second, against msgspec and against json with dict code.

In      rounds; the node is made up from a fixed seed: 30 pods of 2 containers, all that a kubelet writes
Out     figures
Callers `python -m bench.micro.wire [ROUNDS]`, bench/micro/command.py
Source  design.md section 10: parse /stats/summary at 1 GB/s and more
Never   counts time before all three agree on every sample; the ratios within one run are what counts
"""

# ruff: noqa: N815 (members are spelled as in the JSON)

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import msgspec

from bench.figures import Figures, Scale, at_least, main
from heapfast.wire._rows import Rows
from heapfast.wire._summary import parse_summary

PODS, CONTAINERS = 30, 2
SCALE = Scale(full=2_000, quick=100, unit="rounds of the fastest parser")
BUDGETS = {f"{layout}: parse_summary, GB/s": at_least(1.0) for layout in ("indented", "compact")}

#: (kind, names, metric) -> value
Samples = dict[tuple[str, ...], int]

CPU = {"usageCoreNanoSeconds": "cpu/usage"}
MEMORY = {
    "usageBytes": "memory/usage",
    "workingSetBytes": "memory/working_set",
    "rssBytes": "memory/rss",
    "pageFaults": "memory/page_faults",
    "majorPageFaults": "memory/major_page_faults",
}
NETWORK = {
    "rxBytes": "network/rx",
    "rxErrors": "network/rx_errors",
    "txBytes": "network/tx",
    "txErrors": "network/tx_errors",
}
DISK = {
    "usedBytes": "usage",
    "capacityBytes": "limit",
    "availableBytes": "available",
    "inodes": "inodes",
    "inodesFree": "inodes_free",
}


# --- the body ---------------------------------------------------------------------------------------------------------


def make_summary(seed: int = 1) -> dict[str, Any]:
    """A summary as a kubelet of Kubernetes 1.32 writes it, unread members included, in its order."""
    rng = random.Random(seed)

    def moment() -> str:
        return f"2025-11-04T19:{rng.randrange(60):02}:{rng.randrange(60):02}Z"

    def cpu() -> dict[str, Any]:
        return {"time": moment(), "usageNanoCores": rng.randrange(10**9), "usageCoreNanoSeconds": rng.randrange(10**14)}

    def memory() -> dict[str, Any]:
        names = ("availableBytes", *MEMORY)
        return {"time": moment(), **{name: rng.randrange(10 ** rng.randint(4, 10)) for name in names}}

    def disk() -> dict[str, Any]:
        names = ("availableBytes", "capacityBytes", "usedBytes", "inodesFree", "inodes", "inodesUsed")
        return {"time": moment(), **{name: rng.randrange(10**11) for name in names}}

    def network() -> dict[str, Any]:
        interface = {"name": "eth0", **{name: rng.randrange(10**10) for name in NETWORK}}
        return {"time": moment(), **interface, "interfaces": [interface]}

    def swap() -> dict[str, Any]:
        return {"time": moment(), "swapAvailableBytes": 0, "swapUsageBytes": 0}

    def container(name: str) -> dict[str, Any]:
        disks = {"rootfs": disk(), "logs": disk()}
        return {"name": name, "startTime": moment(), "cpu": cpu(), "memory": memory(), **disks, "swap": swap()}

    def pod(i: int) -> dict[str, Any]:
        uid = "-".join(f"{rng.getrandbits(4 * n):0{n}x}" for n in (8, 4, 4, 4, 12))
        return {
            "podRef": {"name": f"checkout-{rng.getrandbits(40):010x}-{i:05}", "namespace": f"team-{i % 7}", "uid": uid},
            "startTime": moment(),
            "containers": [container(name) for name in ("app", "istio-proxy")[:CONTAINERS]],
            "cpu": cpu(),
            "memory": memory(),
            "network": network(),
            "volume": [{**disk(), "name": f"kube-api-access-{i:05}"}],
            "ephemeral-storage": disk(),
            "process_stats": {"process_count": rng.randrange(100)},
            "swap": swap(),
        }

    system = [
        {"name": name, "startTime": moment(), "cpu": cpu(), "memory": memory()}
        for name in ("kubelet", "runtime", "pods")
    ]
    node = {
        "nodeName": "ip-10-0-0-3.eu-west-1.compute.internal",
        "systemContainers": system,
        "startTime": moment(),
        "cpu": cpu(),
        "memory": memory(),
        "network": network(),
        "fs": disk(),
        "runtime": {"imageFs": disk(), "containerFs": disk()},
        "rlimit": {"time": moment(), "maxpid": 125722, "curproc": 1352},
        "swap": swap(),
    }
    return {"node": node, "pods": [pod(i) for i in range(PODS)]}


# --- msgspec: typed decode of the members that the parser reads -------------------------------------------------------


class Cpu(msgspec.Struct):
    time: datetime | None = None
    usageCoreNanoSeconds: int | None = None


class Memory(msgspec.Struct):
    time: datetime | None = None
    usageBytes: int | None = None
    workingSetBytes: int | None = None
    rssBytes: int | None = None
    pageFaults: int | None = None
    majorPageFaults: int | None = None


class Network(msgspec.Struct):
    time: datetime | None = None
    rxBytes: int | None = None
    rxErrors: int | None = None
    txBytes: int | None = None
    txErrors: int | None = None


class Disk(msgspec.Struct):
    usedBytes: int | None = None
    capacityBytes: int | None = None
    availableBytes: int | None = None
    inodes: int | None = None
    inodesFree: int | None = None
    name: str = ""


class Container(msgspec.Struct):
    name: str
    startTime: datetime | None = None
    cpu: Cpu | None = None
    memory: Memory | None = None
    rootfs: Disk | None = None
    logs: Disk | None = None


class PodRef(msgspec.Struct):
    name: str
    namespace: str
    uid: str = ""


class Pod(msgspec.Struct):
    podRef: PodRef
    startTime: datetime | None = None
    containers: list[Container] | None = None
    network: Network | None = None
    volume: list[Disk] | None = None


class Node(msgspec.Struct):
    nodeName: str
    systemContainers: list[Container] | None = None
    startTime: datetime | None = None
    cpu: Cpu | None = None
    memory: Memory | None = None
    network: Network | None = None
    fs: Disk | None = None


class Summary(msgspec.Struct):
    node: Node
    pods: list[Pod] | None = None


# --- json and dict code, which also flattens what msgspec made --------------------------------------------------------


def flatten(summary: dict[str, Any]) -> Samples:
    """Every sample of a decoded summary, by entity and metric."""
    out: Samples = {}

    def put(key: tuple[str, ...], group: dict[str, Any] | None, names: dict[str, str]) -> None:
        for name, metric in names.items():
            value = (group or {}).get(name)
            if value is not None:
                out[(*key, metric)] = value

    def put_container(key: tuple[str, ...], container: dict[str, Any]) -> None:
        put(key, container.get("cpu"), CPU)
        put(key, container.get("memory"), MEMORY)
        put((*key, "/"), container.get("rootfs"), DISK)
        put((*key, "logs"), container.get("logs"), DISK)

    node = summary["node"]
    put(("node", node["nodeName"], "/"), node.get("fs"), DISK)
    put_container(("node", node["nodeName"]), node)
    put(("node", node["nodeName"]), node.get("network"), NETWORK)
    for container in node.get("systemContainers") or ():
        name = {"runtime": "docker-daemon", "misc": "system"}.get(container["name"], container["name"])
        put_container(("sys_container", name), container)
    for pod in summary.get("pods") or ():
        key = ("pod", pod["podRef"]["namespace"], pod["podRef"]["name"])
        put(key, pod.get("network"), NETWORK)
        for volume in pod.get("volume") or ():
            put((*key, volume["name"]), volume, DISK)
        for container in pod.get("containers") or ():
            put_container(("pod_container", *key[1:], container["name"]), container)
    return out


def samples_of(rows: Rows) -> Iterator[tuple[tuple[str, ...], int]]:
    for row in rows.to_dicts():
        key = tuple(row[part] for part in ("kind", "namespace", "pod", "name") if part in row)
        for metric, value in row["metrics"].items():
            yield (*key, metric), value
        for resource in row["resources"]:
            for name in DISK.values():
                if name in resource:
                    yield (*key, resource["id"], name), resource[name]


# --- the measurement --------------------------------------------------------------------------------------------------


def best_seconds(call: Callable[[], object], rounds: int) -> float:
    """The fastest of many calls: other work on the machine only ever adds."""
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


def run(rounds: int) -> Figures:
    """Measures both layouts; figures are named "layout: what"."""
    document = make_summary()
    decoder = msgspec.json.Decoder(Summary)
    rows = Rows()
    figures: Figures = {}
    # Kubelets indent by one space.
    layouts = {"indented": json.dumps(document, indent=1), "compact": json.dumps(document, separators=(",", ":"))}
    for layout, text in layouts.items():
        body = text.encode()
        parse_summary(body, rows)
        want = flatten(json.loads(body))
        assert dict(samples_of(rows)) == want, "parse_summary and json disagree"
        assert flatten(msgspec.to_builtins(decoder.decode(body))) == want, "msgspec and json disagree"
        assert rows.bad_values == 0

        calls: dict[str, tuple[Callable[[], object], int]] = {
            "parse_summary": (lambda body=body: parse_summary(body, rows), rounds),  # type: ignore[misc]
            "msgspec, typed": (lambda body=body: decoder.decode(body), max(5, rounds // 10)),  # type: ignore[misc]
            "json and dict code": (lambda body=body: flatten(json.loads(body)), max(5, rounds // 20)),  # type: ignore[misc]
        }
        seconds = {name: best_seconds(call, n) for name, (call, n) in calls.items()}
        figures[f"{layout}: bytes"] = len(body)
        for name, spent in seconds.items():
            figures[f"{layout}: {name}, us"] = spent * 1e6
            figures[f"{layout}: {name}, GB/s"] = len(body) / spent / 1e9
        figures[f"{layout}: times as fast as json"] = seconds["json and dict code"] / seconds["parse_summary"]
    return figures


if __name__ == "__main__":
    sys.exit(main(__doc__, run, SCALE, BUDGETS))
