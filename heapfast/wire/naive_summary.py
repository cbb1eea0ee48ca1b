"""The Summary API again, in plain Python on json: slow, short, and obviously what the specification says.

In      a body
Out     what Rows.to_dicts gives, and how many bad values there were; or ValueError for broken JSON
Callers tests, which hold parse_summary to this; bench/micro/wire.py
Source  spec/heapster-pipeline.md 3.6, with the decisions of design.md
Never   runs in the daemon
"""

from __future__ import annotations

from typing import Any, Final

from heapfast.wire.naive import Pairs, Parsed, Reader, as_float, filesystem, load, row, unique

CPU: Final = {"usagecorenanoseconds": "cpu/usage"}
MEMORY: Final = {
    "usagebytes": "memory/usage",
    "rssbytes": "memory/rss",
    "workingsetbytes": "memory/working_set",
    "pagefaults": "memory/page_faults",
    "majorpagefaults": "memory/major_page_faults",
}
NETWORK: Final = {
    "rxbytes": "network/rx",
    "rxerrors": "network/rx_errors",
    "txbytes": "network/tx",
    "txerrors": "network/tx_errors",
}
GROUPS: Final = {"cpu": CPU, "memory": MEMORY, "network": NETWORK}
FILESYSTEM: Final = {
    "usedbytes": "usage",
    "capacitybytes": "limit",
    "availablebytes": "available",
    "inodes": "inodes",
    "inodesfree": "inodes_free",
}
ACCELERATOR: Final = {"memorytotal": "memory_total", "memoryused": "memory_used", "dutycycle": "duty_cycle"}
SYSTEM_NAMES: Final = {"runtime": "docker-daemon", "misc": "system"}


def parse_summary(body: bytes) -> Parsed:
    reader = Reader()
    document = load(body)
    if not isinstance(document, Pairs):
        raise ValueError("not an object")
    node: tuple[dict[str, Any], list[dict[str, Any]]] = row("node", ""), []
    # "node" and "pods" come in either order, and so do the rows after the node's own.
    groups: dict[str, list[dict[str, Any]]] = {}
    for name, member in reader.members(document):
        if name == "node":
            node = read_node(reader, member)
            groups.pop("node", None)
            groups["node"] = node[1]
        elif name == "pods":
            groups.pop("pods", None)
            groups["pods"] = [r for pod in reader.elements(member) for r in read_pod(reader, pod)]
    if not node[0]["name"]:
        reader.bad()
    rows = [node[0], *(r for group in groups.values() for r in group)]
    return Parsed(unique(rows), reader.bad_values)


def read_node(reader: Reader, value: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    name, start = "", None
    groups: dict[str, tuple[dict[str, int], int | None]] = {}
    disk: dict[str, int] = {}
    containers: list[dict[str, Any]] = []
    for member_name, member in reader.members(value):
        match member_name:
            case "nodename":
                name = reader.text(member)
            case "starttime":
                start = reader.time(member)
            case "cpu" | "memory" | "network":
                groups[member_name] = reader.counts(member, GROUPS[member_name]), reader.last_time(member)
            case "fs":
                disk = reader.counts(member, FILESYSTEM)
            case "systemcontainers":
                elements = reader.elements(member)
                containers = [c for element in elements for c in read_container(reader, element, "sys_container")]
    for container in containers:
        container["name"] = SYSTEM_NAMES.get(container["name"], container["name"])
    times = [groups[group][1] for group in ("cpu", "memory", "network") if group in groups]
    return row(
        "node",
        name,
        start_ns=start,
        sample_ns=next((time for time in times if time is not None), None),
        groups=[group[0] for group in groups.values()],
        resources=filesystem("filesystem", "/", disk),
    ), containers


def read_container(reader: Reader, value: Any, kind: str) -> list[dict[str, Any]]:
    name, start = "", None
    groups: dict[str, tuple[dict[str, int], int | None]] = {}
    disks: dict[str, dict[str, int]] = {"rootfs": {}, "logs": {}}
    accelerators: list[dict[str, Any]] = []
    custom: list[dict[str, Any]] = []
    for member_name, member in reader.members(value):
        match member_name:
            case "name":
                name = reader.text(member)
            case "starttime":
                start = reader.time(member)
            case "cpu" | "memory":
                groups[member_name] = reader.counts(member, GROUPS[member_name]), reader.last_time(member)
            case "rootfs" | "logs":
                disks[member_name] = reader.counts(member, FILESYSTEM)
            case "accelerators":
                found = [reader.accelerator(element, ACCELERATOR) for element in reader.elements(member)]
                accelerators = [one for one in found if one]
            case "userdefinedmetrics":
                custom = [c for element in reader.elements(member) for c in read_custom(reader, element)]
    if not name:
        reader.bad()
        return []
    times = [groups[group][1] for group in ("cpu", "memory") if group in groups]
    return [
        row(
            kind,
            name,
            start_ns=start,
            sample_ns=next((time for time in times if time is not None), None),
            groups=[group[0] for group in groups.values()],
            resources=[
                *accelerators,
                *filesystem("filesystem", "/", disks["rootfs"]),
                *filesystem("filesystem", "logs", disks["logs"]),
            ],
            custom=custom,
        )
    ]


def read_custom(reader: Reader, value: Any) -> list[dict[str, Any]]:
    name, type_, number, bad = "", "", 0.0, False
    for member_name, member in reader.members(value):
        match member_name:
            case "name":
                name = reader.text(member)
            case "type":
                type_ = reader.text(member)
            case "value":
                before = reader.bad_values
                number = reader.ok(member, as_float) or 0.0
                bad = reader.bad_values > before
    if type_ not in ("gauge", "cumulative", "delta"):
        return []
    if not name and not bad:
        reader.bad()
    return [{"name": name, "type": type_, "value": number}] if name and not bad else []


def read_pod(reader: Reader, value: Any) -> list[dict[str, Any]]:
    names = {"name": "", "namespace": "", "uid": ""}
    start, time = None, None
    network: dict[str, int] = {}
    volumes: list[dict[str, Any]] = []
    containers: list[dict[str, Any]] = []
    for member_name, member in reader.members(value):
        match member_name:
            case "podref":
                names = dict.fromkeys(names, "")
                for ref_name, ref in reader.members(member):
                    if ref_name in names:
                        names[ref_name] = reader.text(ref)
            case "starttime":
                start = reader.time(member)
            case "network":
                network, time = reader.counts(member, NETWORK), reader.last_time(member)
            case "volume":
                volumes = [v for element in reader.elements(member) for v in read_volume(reader, element)]
            case "containers":
                elements = reader.elements(member)
                containers = [c for element in elements for c in read_container(reader, element, "pod_container")]
    if not names["name"] or not names["namespace"]:
        reader.bad()
        return []
    owner = {"namespace": names["namespace"], "uid": names["uid"]}
    pod = row("pod", names["name"], start_ns=start, sample_ns=time, groups=[network], resources=volumes, **owner)
    return [pod, *(container | owner | {"pod": names["name"]} for container in containers)]


def read_volume(reader: Reader, value: Any) -> list[dict[str, Any]]:
    names = [reader.text(member) for name, member in reader.members(value) if name == "name"]
    return filesystem("volume", names[-1] if names else "", reader.counts(value, FILESYSTEM))
