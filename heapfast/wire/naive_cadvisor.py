"""cAdvisor's container answers again, in plain Python on json: slow, short, and obviously what the specification says.

In      a body
Out     what Rows.to_dicts gives, and how many bad values there were; or ValueError for broken JSON
Callers tests, which hold parse_cadvisor to this
Source  spec/heapster-pipeline.md 3.5, with the decisions of design.md
Never   runs in the daemon
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from heapfast.wire.naive import (
    INT64_MAX,
    TIME_ZERO,
    Pairs,
    Parsed,
    Reader,
    as_flag,
    as_float,
    as_list,
    as_pairs,
    as_signed,
    clean,
    filesystem,
    load,
    row,
    unique,
)

CUSTOMS_MAX: Final = 256
MEMORY: Final = {
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
ACCELERATOR: Final = {"memory_total": "memory_total", "memory_used": "memory_used", "duty_cycle": "duty_cycle"}
FILESYSTEM: Final = {
    "usage": "usage",
    "capacity": "limit",
    "available": "available",
    "inodes": "inodes",
    "inodes_free": "inodes_free",
}


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
    rows = [r for info in reader.elements(infos) for r in read_container(reader, info)]
    # The last node comes first; the others are no more.
    nodes = [r for r in rows if r["kind"] == "node"]
    return Parsed(unique(nodes[-1:] + [r for r in rows if r["kind"] != "node"]), reader.bad_values)


def read_container(reader: Reader, info: Pairs) -> list[dict[str, Any]]:
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
    identity = find_identity(reader, alias or name, spec)
    if identity is None:
        reader.bad()
        return []
    return [
        row(
            start_ns=reader.time(spec.get("creation_time")),
            sample_ns=reader.time(sample.get("timestamp")),
            groups=read_groups(reader, spec, sample),
            resources=read_resources(reader, spec, sample),
            custom=read_customs(reader, spec, sample),
            **identity,
        )
    ]


def find_identity(reader: Reader, name: str, spec: dict[str, Any]) -> dict[str, Any] | None:
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


def read_groups(reader: Reader, spec: dict[str, Any], sample: dict[str, Any]) -> list[dict[str, int]]:
    cpu: dict[str, int] = {}
    memory: dict[str, int] = {}
    network: dict[str, int] = {}
    if reader.ok(spec.get("has_cpu"), as_flag):
        cpu = {"cpu/usage": 0}
        for name, member in group_members(reader, sample.get("cpu"), cpu):
            if name == "usage":
                read_counts(reader, member, {"total": "cpu/usage"}, cpu)
    if reader.ok(spec.get("has_memory"), as_flag):
        memory = dict.fromkeys([*MEMORY.values(), *FAULTS.values()], 0)
        for name, member in group_members(reader, sample.get("memory"), memory):
            if name in MEMORY:
                reader.plain(memory, MEMORY[name], member)
            elif name == "container_data":
                read_counts(reader, member, FAULTS, memory)
    if reader.ok(spec.get("has_network"), as_flag):
        network = dict.fromkeys(INTERFACE.values(), 0)
        for name, member in group_members(reader, sample.get("network"), network):
            if name == "interfaces":
                network = read_network(reader, member)
    return [cpu, memory, network]


def group_members(reader: Reader, value: Any, out: dict[str, int]) -> list[tuple[str, Any]]:
    """Members of a group. When it is no object at all, its metrics are lost."""
    before = reader.bad_values
    members = list(reader.members(value))
    if reader.bad_values > before:
        out.clear()
    return members


def read_counts(reader: Reader, value: Any, names: dict[str, str], out: dict[str, int]) -> None:
    found = dict.fromkeys(names.values(), 0)
    for name, member in group_members(reader, value, found):
        if name in names:
            reader.plain(found, names[name], member)
    for name in names.values():
        out.pop(name, None)
    out.update(found)


def read_network(reader: Reader, value: Any) -> dict[str, int]:
    sums = dict.fromkeys(INTERFACE.values(), 0)
    before = reader.bad_values
    interfaces = reader.ok(value, as_list)
    if reader.bad_values > before:
        return {}
    for interface in reader.elements(interfaces):
        found: dict[str, int] = {}
        read_counts(reader, interface, INTERFACE, found)
        for name in INTERFACE.values():
            if name in found and found[name] + sums.get(name, 0) > INT64_MAX:
                reader.bad()
                del found[name]
            if name not in found:
                sums.pop(name, None)
            elif name in sums:
                sums[name] += found[name]
    return sums


def read_resources(reader: Reader, spec: dict[str, Any], sample: dict[str, Any]) -> list[dict[str, Any]]:
    disks: list[dict[str, Any]] = []
    if reader.ok(spec.get("has_diskio"), as_flag):
        for name, member in reader.members(sample.get("diskio")):
            if name == "io_service_bytes":
                disks = [d for element in reader.elements(member) for d in read_disk(reader, element)]
    filesystems: list[dict[str, Any]] = []
    if reader.ok(spec.get("has_filesystem"), as_flag):
        elements = reader.elements(sample.get("filesystem"))
        filesystems = [f for element in elements for f in read_filesystem(reader, element)]
    found = [reader.accelerator(element, ACCELERATOR) for element in reader.elements(sample.get("accelerators"))]
    return [*disks, *filesystems, *(one for one in found if one)]


def read_disk(reader: Reader, value: Any) -> list[dict[str, Any]]:
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


def read_filesystem(reader: Reader, value: Any) -> list[dict[str, Any]]:
    device, has_inodes = "", False
    values = dict.fromkeys(FILESYSTEM.values(), 0)
    for name, member in reader.members(value):
        if name in FILESYSTEM:
            reader.plain(values, FILESYSTEM[name], member)
        elif name == "device":
            device = reader.text(member)
        elif name == "has_inodes":
            has_inodes = reader.ok(member, as_flag) or False
    if not has_inodes:
        values = {name: number for name, number in values.items() if not name.startswith("inodes")}
    return filesystem("filesystem", device, values)


def read_customs(reader: Reader, spec: dict[str, Any], sample: dict[str, Any]) -> list[dict[str, Any]]:
    if not reader.ok(spec.get("has_custom_metrics"), as_flag):
        return []
    wanted: dict[str, tuple[str, str]] = {}
    for element in reader.elements(spec.get("custom_metrics")):
        texts = {"name": "", "type": "", "format": ""}
        for name, member in reader.members(element):
            if name in texts:
                texts[name] = reader.text(member)
        if texts["type"] in ("gauge", "cumulative") and texts["format"] in ("int", "float"):
            if texts["name"] and (texts["name"] in wanted or len(wanted) < CUSTOMS_MAX):
                wanted[texts["name"]] = texts["type"], texts["format"]
            else:
                reader.bad()
    if spec.get("custom_metrics") is None:
        return []
    values = {clean(key): member for key, member in reader.ok(sample.get("custom_metrics"), as_pairs) or ()}
    out = []
    for name, (type_, format_) in wanted.items():
        value = read_custom_value(reader, values[name], format_) if name in values else None
        if value is not None:
            out.append({"name": name, "type": type_, "value": value})
    return out


def read_custom_value(reader: Reader, value: Any, format_: str) -> float | None:
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
