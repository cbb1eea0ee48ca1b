"""Both parsers again, in plain Python on json: slow, short, and obviously what the specification says.

In      a body
Out     what Rows.to_dicts gives, and how many bad values there were; or ValueError for broken JSON
Callers tests, which hold the compiled parsers to this; bench/micro/wire.py
Source  spec/heapster-pipeline.md 3.5 and 3.6, with the decisions of design.md
Never   runs in the daemon
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple, NoReturn, TypeVar

from heapfast.codec._rfc3339 import parse_time
from heapfast.errors import ParseError

T = TypeVar("T")

TIME_ZERO: Final = -6795364578871345152
INT64_MAX: Final = 2**63 - 1

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

RAW_MEMORY: Final = {
    "usage": "memory/usage",
    "rss": "memory/rss",
    "cache": "memory/cache",
    "working_set": "memory/working_set",
}
FAULTS: Final = {"pgfault": "memory/page_faults", "pgmajfault": "memory/major_page_faults"}
INTERFACE: Final = {
    "rx_bytes": "network/rx",
    "rx_errors": "network/rx_errors",
    "tx_bytes": "network/tx",
    "tx_errors": "network/tx_errors",
}
RAW_ACCELERATOR: Final = {"memory_total": "memory_total", "memory_used": "memory_used", "duty_cycle": "duty_cycle"}
RAW_FILESYSTEM: Final = {
    "usage": "usage",
    "capacity": "limit",
    "available": "available",
    "inodes": "inodes",
    "inodes_free": "inodes_free",
}


class Number(str):
    """A JSON number as it stands in the text: 1, 1.0 and 1e0 are three different things here."""


class Pairs(list[tuple[str, Any]]):
    """A JSON object with every member, in order."""


class Bad(Exception):
    """A value that is not what it should be; the caller counts it."""


class Parsed(NamedTuple):
    rows: list[dict[str, Any]]
    bad_values: int


def load(body: bytes) -> Any:
    """The document; bytes that are no UTF-8 and half surrogate pairs become U+FFFD, as in Go."""

    def refuse(word: str) -> NoReturn:
        raise ValueError(f"{word} is no JSON")

    text = body.decode("utf-8", "surrogateescape")
    if text.startswith("\ufeff"):
        raise ValueError("a byte order mark is no JSON")
    return json.loads(text, parse_int=Number, parse_float=Number, parse_constant=refuse, object_pairs_hook=Pairs)


def clean(text: str) -> str:
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def lower(name: str) -> str:
    """Lower case of ASCII letters only."""
    return "".join(c.lower() if c.isascii() else c for c in clean(name))


class Reader:
    """Reads values and counts the bad ones. None always means absent."""

    def __init__(self) -> None:
        self.bad_values = 0

    def bad(self) -> None:
        self.bad_values += 1

    def ok(self, value: Any, read: Callable[[Any], T]) -> T | None:
        if value is None:
            return None
        try:
            return read(value)
        except Bad:
            self.bad()
            return None

    def count(self, value: Any) -> int | None:
        return self.ok(value, as_count)

    def text(self, value: Any) -> str:
        return self.ok(value, as_text) or ""

    def time(self, value: Any) -> int | None:
        return self.ok(value, as_time)

    def members(self, value: Any) -> Iterator[tuple[str, Any]]:
        """Members by lower-case name, of anything: of no object there are none."""
        for name, member in self.ok(value, as_pairs) or ():
            yield lower(name), member

    def elements(self, value: Any) -> Iterator[Any]:
        """Elements that are objects."""
        for element in self.ok(value, as_list) or ():
            if self.ok(element, as_pairs) is not None:
                yield element

    def counts(self, value: Any, names: dict[str, str]) -> dict[str, int]:
        """The counts of an object, by our names."""
        out: dict[str, int] = {}
        for name, member in self.members(value):
            if name in names:
                out.pop(names[name], None)
                number = self.count(member)
                if number is not None:
                    out[names[name]] = number
        return out

    def last_time(self, value: Any) -> int | None:
        """The last "time" of an object."""
        times = [self.time(member) for name, member in (value if isinstance(value, Pairs) else ()) if lower(name) == "time"]
        return times[-1] if times else None

    def plain(self, out: dict[str, int], name: str, value: Any) -> None:
        """A count that is 0 when absent; a bad one is left out."""
        out.pop(name, None)
        before = self.bad_values
        number = self.count(value)
        if self.bad_values == before:
            out[name] = number or 0

    def accelerator(self, value: Any, names: dict[str, str]) -> dict[str, Any] | None:
        numbers = dict.fromkeys(names.values(), 0)
        texts = {"id": "", "make": "", "model": ""}
        for name, member in self.members(value):
            if name in names:
                self.plain(numbers, names[name], member)
            elif name in texts:
                texts[name] = self.text(member)
        return {"type": "accelerator", **texts, **numbers} if numbers else None


def as_count(value: Any) -> int:
    if isinstance(value, Number) and value.isdecimal() and len(value) <= 19 and int(value) <= INT64_MAX:
        return int(value)
    raise Bad


def as_signed(value: Any) -> int:
    if isinstance(value, Number) and value.startswith("-"):
        return -as_count(Number(value[1:]))
    return as_count(value)


def as_float(value: Any) -> float:
    if isinstance(value, Number) and len(value) <= 400 and abs(float(value)) != float("inf"):
        return float(value)
    raise Bad


def as_flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise Bad


def as_text(value: Any) -> str:
    if isinstance(value, str) and not isinstance(value, Number):
        return clean(value)
    raise Bad


def as_time(value: Any) -> int | None:
    try:
        time_ns = parse_time(as_text(value))
    except ParseError as error:
        raise Bad from error
    return None if time_ns == TIME_ZERO else time_ns


def as_pairs(value: Any) -> Pairs:
    if isinstance(value, Pairs):
        return value
    raise Bad


def as_list(value: Any) -> list[Any]:
    if isinstance(value, list) and not isinstance(value, Pairs):
        return value
    raise Bad


def row(kind: str, name: str, **more: Any) -> dict[str, Any]:
    """A row in to_dicts' form; `groups` joins the samples of several objects."""
    groups = more.pop("groups", ())
    metrics = {metric: value for group in groups for metric, value in group.items()}
    out = {"kind": kind, "name": name, "start_ns": None, "sample_ns": None, "resources": [], "custom": [], **more}
    return out | {"metrics": metrics}


def filesystem(type_: str, id_: str, values: dict[str, int]) -> list[dict[str, Any]]:
    return [{"type": type_, "id": id_, **values}] if values else []


def unique(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row per kind and names. Containers: the one that started last, then the one sampled last, then the last."""
    kept: dict[tuple[str, ...], int] = {}
    for i, new in enumerate(rows):
        key = (new["kind"], new.get("namespace", ""), new.get("pod", ""), new["name"])
        if key in kept and new["kind"] in ("pod_container", "sys_container"):
            old = rows[kept[key]]
            if age(new) < age(old):
                continue
        kept[key] = i
    return [rows[i] for i in sorted(kept.values())]


def age(container: dict[str, Any]) -> tuple[int, int]:
    """Sorts containers of one name. Rows keep "unknown" as time_zero(), and this sorts as they do."""
    times = container["start_ns"], container["sample_ns"]
    return tuple(TIME_ZERO if time is None else time for time in times)  # type: ignore[return-value]


# --- /stats/summary ---------------------------------------------------------------------------------------------------


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
            node = summary_node(reader, member)
            groups.pop("node", None)
            groups["node"] = node[1]
        elif name == "pods":
            groups.pop("pods", None)
            groups["pods"] = [r for pod in reader.elements(member) for r in summary_pod(reader, pod)]
    if not node[0]["name"]:
        reader.bad()
    rows = [node[0], *(r for group in groups.values() for r in group)]
    return Parsed(unique(rows), reader.bad_values)


def summary_node(reader: Reader, value: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
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
                containers = [c for element in elements for c in summary_container(reader, element, "sys_container")]
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


def summary_container(reader: Reader, value: Any, kind: str) -> list[dict[str, Any]]:
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
                custom = [c for element in reader.elements(member) for c in summary_custom(reader, element)]
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


def summary_custom(reader: Reader, value: Any) -> list[dict[str, Any]]:
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


def summary_pod(reader: Reader, value: Any) -> list[dict[str, Any]]:
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
                volumes = [v for element in reader.elements(member) for v in summary_volume(reader, element)]
            case "containers":
                elements = reader.elements(member)
                containers = [c for element in elements for c in summary_container(reader, element, "pod_container")]
    if not names["name"] or not names["namespace"]:
        reader.bad()
        return []
    owner = {"namespace": names["namespace"], "uid": names["uid"]}
    pod = row("pod", names["name"], start_ns=start, sample_ns=time, groups=[network], resources=volumes, **owner)
    return [pod, *(container | owner | {"pod": names["name"]} for container in containers)]


def summary_volume(reader: Reader, value: Any) -> list[dict[str, Any]]:
    names = [reader.text(member) for name, member in reader.members(value) if name == "name"]
    return filesystem("volume", names[-1] if names else "", reader.counts(value, FILESYSTEM))


# --- POST /stats/container/ -------------------------------------------------------------------------------------------


def parse_cadvisor(body: bytes) -> Parsed:
    reader = Reader()
    document = load(body)
    if isinstance(document, Pairs):
        is_map = not document or document[0][0].startswith("/")
        infos = [info for _, info in document] if is_map else [document]
    elif isinstance(document, list):
        infos = document
    else:
        raise ValueError("neither an object nor an array")
    rows = [r for info in reader.elements(infos) for r in raw_container(reader, info)]
    # The last node comes first; the others are no more.
    nodes = [r for r in rows if r["kind"] == "node"]
    return Parsed(unique(nodes[-1:] + [r for r in rows if r["kind"] != "node"]), reader.bad_values)


def raw_container(reader: Reader, info: Pairs) -> list[dict[str, Any]]:
    name, alias = "", ""
    spec: dict[str, Any] = {}
    sample: dict[str, Any] | None = None
    for member_name, member in reader.members(info):
        match member_name:
            case "name":
                name = reader.text(member)
            case "aliases":
                aliases = reader.ok(member, as_list)
                alias = reader.text(aliases[0]) if aliases else ""
            case "spec":
                spec = dict(reader.members(member))
            case "stats":
                sample = None
                for element in reader.ok(member, as_list) or ():
                    sample = None if reader.ok(element, as_pairs) is None else dict(reader.members(element))
    if sample is None:
        return []
    identity = raw_identity(reader, alias or name, spec)
    if identity is None:
        reader.bad()
        return []
    return [
        row(
            start_ns=reader.time(spec.get("creation_time")),
            sample_ns=reader.time(sample.get("timestamp")),
            groups=raw_groups(reader, spec, sample),
            resources=raw_resources(reader, spec, sample),
            custom=raw_customs(reader, spec, sample),
            **identity,
        )
    ]


def raw_identity(reader: Reader, name: str, spec: dict[str, Any]) -> dict[str, Any] | None:
    """Kind and names of a container; None when it has no name."""
    labels = dict.fromkeys(("container.name", "pod.namespace", "pod.name", "pod.uid"), "")
    for key, member in reader.ok(spec.get("labels"), as_pairs) or ():
        short = clean(key).removeprefix("io.kubernetes.")
        if short != clean(key) and short in labels:
            labels[short] = reader.text(member)
    container, namespace, pod, uid = labels.values()
    if name == "/":
        return {"kind": "node", "name": ""}
    if not namespace and "/" in pod:
        namespace, pod = pod.split("/", 1)
    if not container:
        container = old_container_name(name)
    if not (container and namespace and pod):
        name = name.removeprefix("/")
        return {"kind": "sys_container", "name": name} if name else None
    if container == "POD":
        return {"kind": "pod", "name": pod, "namespace": namespace, "uid": uid}
    image = reader.text(spec.get("image"))
    return {"kind": "pod_container", "name": container, "namespace": namespace, "pod": pod, "uid": uid, "image": image}


def old_container_name(name: str) -> str:
    """From byte 4 to the first point: k8s_nginx.1a2b_x gives nginx. Half a character is no name."""
    head, point, _ = name.encode().partition(b".")
    try:
        return head[4:].decode() if point else ""
    except UnicodeDecodeError:
        return ""


def raw_groups(reader: Reader, spec: dict[str, Any], sample: dict[str, Any]) -> list[dict[str, int]]:
    cpu: dict[str, int] = {}
    memory: dict[str, int] = {}
    network: dict[str, int] = {}
    if reader.ok(spec.get("has_cpu"), as_flag):
        cpu = {"cpu/usage": 0}
        for name, member in raw_members(reader, sample.get("cpu"), cpu):
            if name == "usage":
                raw_counts(reader, member, {"total": "cpu/usage"}, cpu)
    if reader.ok(spec.get("has_memory"), as_flag):
        memory = dict.fromkeys([*RAW_MEMORY.values(), *FAULTS.values()], 0)
        for name, member in raw_members(reader, sample.get("memory"), memory):
            if name in RAW_MEMORY:
                reader.plain(memory, RAW_MEMORY[name], member)
            elif name == "container_data":
                raw_counts(reader, member, FAULTS, memory)
    if reader.ok(spec.get("has_network"), as_flag):
        network = dict.fromkeys(INTERFACE.values(), 0)
        for name, member in raw_members(reader, sample.get("network"), network):
            if name == "interfaces":
                network = raw_network(reader, member)
    return [cpu, memory, network]


def raw_members(reader: Reader, value: Any, out: dict[str, int]) -> list[tuple[str, Any]]:
    """Members of a group. When it is no object at all, its metrics are lost."""
    before = reader.bad_values
    members = list(reader.members(value))
    if reader.bad_values > before:
        out.clear()
    return members


def raw_counts(reader: Reader, value: Any, names: dict[str, str], out: dict[str, int]) -> None:
    found = dict.fromkeys(names.values(), 0)
    for name, member in raw_members(reader, value, found):
        if name in names:
            reader.plain(found, names[name], member)
    for name in names.values():
        out.pop(name, None)
    out.update(found)


def raw_network(reader: Reader, value: Any) -> dict[str, int]:
    sums = dict.fromkeys(INTERFACE.values(), 0)
    before = reader.bad_values
    interfaces = reader.ok(value, as_list)
    if reader.bad_values > before:
        return {}
    for interface in reader.elements(interfaces):
        found: dict[str, int] = {}
        raw_counts(reader, interface, INTERFACE, found)
        for name in INTERFACE.values():
            if name in found and found[name] + sums.get(name, 0) > INT64_MAX:
                reader.bad()
                del found[name]
            if name not in found:
                sums.pop(name, None)
            elif name in sums:
                sums[name] += found[name]
    return sums


def raw_resources(reader: Reader, spec: dict[str, Any], sample: dict[str, Any]) -> list[dict[str, Any]]:
    disks: list[dict[str, Any]] = []
    if reader.ok(spec.get("has_diskio"), as_flag):
        for name, member in reader.members(sample.get("diskio")):
            if name == "io_service_bytes":
                disks = [d for element in reader.elements(member) for d in raw_disk(reader, element)]
    filesystems: list[dict[str, Any]] = []
    if reader.ok(spec.get("has_filesystem"), as_flag):
        elements = reader.elements(sample.get("filesystem"))
        filesystems = [f for element in elements for f in raw_filesystem(reader, element)]
    found = [reader.accelerator(element, RAW_ACCELERATOR) for element in reader.elements(sample.get("accelerators"))]
    return [*disks, *filesystems, *(one for one in found if one)]


def raw_disk(reader: Reader, value: Any) -> list[dict[str, Any]]:
    device, numbers = "", {"major": 0, "minor": 0}
    values = {"read_bytes": 0, "write_bytes": 0}
    for name, member in reader.members(value):
        if name == "device":
            device = reader.text(member)
        elif name in numbers:
            numbers[name] = reader.count(member) or 0
        elif name == "stats":
            values = {"read_bytes": 0, "write_bytes": 0}
            before = reader.bad_values
            pairs = reader.ok(member, as_pairs)
            if reader.bad_values > before:
                values = {}
            for key, count in pairs or ():
                if key in ("Read", "Write"):
                    reader.plain(values, f"{key.lower()}_bytes", count)
    id_ = device or f"{numbers['major']}:{numbers['minor']}"
    return [{"type": "disk", "id": id_, **values}] if values else []


def raw_filesystem(reader: Reader, value: Any) -> list[dict[str, Any]]:
    device, has_inodes = "", False
    values = dict.fromkeys(RAW_FILESYSTEM.values(), 0)
    for name, member in reader.members(value):
        if name in RAW_FILESYSTEM:
            reader.plain(values, RAW_FILESYSTEM[name], member)
        elif name == "device":
            device = reader.text(member)
        elif name == "has_inodes":
            has_inodes = reader.ok(member, as_flag) or False
    if not has_inodes:
        values = {name: number for name, number in values.items() if not name.startswith("inodes")}
    return filesystem("filesystem", device, values)


def raw_customs(reader: Reader, spec: dict[str, Any], sample: dict[str, Any]) -> list[dict[str, Any]]:
    if not reader.ok(spec.get("has_custom_metrics"), as_flag):
        return []
    wanted: dict[str, tuple[str, str]] = {}
    for element in reader.elements(spec.get("custom_metrics")):
        texts = {"name": "", "type": "", "format": ""}
        for name, member in reader.members(element):
            if name in texts:
                texts[name] = reader.text(member)
        if texts["type"] in ("gauge", "cumulative") and texts["format"] in ("int", "float"):
            if texts["name"] and (texts["name"] in wanted or len(wanted) < 256):
                wanted[texts["name"]] = texts["type"], texts["format"]
            else:
                reader.bad()
    if spec.get("custom_metrics") is None:
        return []
    values = {clean(key): member for key, member in reader.ok(sample.get("custom_metrics"), as_pairs) or ()}
    out = []
    for name, (type_, format_) in wanted.items():
        value = raw_custom_value(reader, values[name], format_) if name in values else None
        if value is not None:
            out.append({"name": name, "type": type_, "value": value})
    return out


def raw_custom_value(reader: Reader, value: Any, format_: str) -> float | None:
    """The newest value of a custom metric, of equally new ones the first; None when there is none or it is bad."""
    best: float | None = None
    newest: int | None = None
    for element in reader.elements(value):
        time: int | None = None
        numbers: dict[str, float | None] = {"int_value": 0, "float_value": 0.0}
        for name, member in reader.members(element):
            if name == "timestamp":
                time = reader.time(member)
            elif name in numbers:
                before = reader.bad_values
                read: Callable[[Any], float] = as_signed if name == "int_value" else as_float
                number = reader.ok(member, read) or 0
                numbers[name] = None if reader.bad_values > before else number
        age_ns = TIME_ZERO if time is None else time
        if newest is None or age_ns > newest:
            newest, best = age_ns, numbers[f"{format_}_value"]
    return best
