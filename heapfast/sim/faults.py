"""What can be wrong with a simulated kubelet, and which kubelets it is wrong with.

In      "TARGET=KIND[:NUMBER][@PATH]": TARGET is a node name, a glob ("node-00*", "*") or a percentage ("5%"); where
        there is a PATH such as /stats/summary, all others answer as if nothing were wrong
Out     per node a Fault, or none; bodies made wrong on purpose
Callers options (checks the texts), main, kubelet (asks before each answer), control (switches at run time)
Never   touches a socket: how to hang or to trickle is the kubelet's business

KINDS is the table of everything there is. Percentages take nodes in an order that the seed decides,
so 10% contains the nodes of 5%.
"""

from __future__ import annotations

import fnmatch
import re
from typing import TYPE_CHECKING, Final

import msgspec

from heapfast.errors import ConfigError
from heapfast.sim.loads import mix

if TYPE_CHECKING:
    from heapfast.sim.cluster import Cluster

#: Name, what it does, and the default of its number. A kind of three digits answers that HTTP status.
KINDS: Final = {
    "hang": ("takes the request and never answers", 0.0),
    "slow": ("trickles the answer over NUMBER seconds", 5.0),
    "cut": ("announces the whole body, sends half of it and closes", 0.0),
    "close": ("closes the connection without an answer", 0.0),
    "empty": ("answers with no body at all", 0.0),
    "html": ("answers with a page, as a proxy does that wants a login", 0.0),
    "nested": ("answers with a hundred thousand arrays, one in the other", 0.0),
    "badjson": ("breaks the syntax in the middle of the body", 0.0),
    "wrong-type": ("writes words where CPU counters should be", 0.0),
    "negative": ("writes CPU counters below zero", 0.0),
    "too-big": ("writes CPU counters that fit no 64 bits", 0.0),
    "bad-utf8": ("writes bytes that are no UTF-8 into a name", 0.0),
    "duplicate-pods": ("lists every pod twice", 0.0),
    "huge": ("pads the body with blanks to NUMBER bytes", 64.0 * 1024 * 1024),
    "clock-jump": ("shows times that are NUMBER seconds off", 3600.0),
    "restart": ("starts all counters again from zero, once", 0.0),
}
_OF_WHOLE_NODES: Final = ("clock-jump", "restart")
_STATUS_KIND: Final = re.compile(r"[345][0-9][0-9]")
_SPEC: Final = re.compile(r"(?P<target>[^=]+)=(?P<kind>[a-z0-9-]+)(?::(?P<number>-?[0-9.]+))?(?:@(?P<path>/\S+))?")

_JSON_COUNTER: Final = re.compile(rb'("usageCoreNanoSeconds"|"total"): ([0-9]+)')
_PAGE: Final = b"<!DOCTYPE html>\n<title>Log in</title>\n"
_NESTED: Final = b"[" * 100_000
_TEXT_COUNTER: Final = re.compile(rb"(?m)^((?:container|node)_cpu_usage_seconds_total\S*) (\S+)")


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong with a node."""

    kind: str
    number: float = 0.0

    @property
    def status(self) -> int | None:
        """The HTTP status that answers everything, if that is the fault."""
        return int(self.kind) if self.kind.isdigit() else None


class FaultSpec(msgspec.Struct, frozen=True):
    """Which nodes, what, and where; a path of "" is every path."""

    target: str
    fault: Fault
    path: str = ""


def parse_fault(text: str) -> FaultSpec:
    """Reads "TARGET=KIND[:NUMBER][@PATH]".

    Raises:
        ConfigError: the text, or its percentage, is not one.
    """
    match = _SPEC.fullmatch(text)
    if match is None:
        raise ConfigError(f"cannot read fault: got {text!r}, want TARGET=KIND[:NUMBER][@PATH]")
    kind, target = match["kind"], match["target"]
    if kind not in KINDS and not _STATUS_KIND.fullmatch(kind):
        raise ConfigError(f"cannot read fault {text!r}: got kind {kind!r}, want a status or {', '.join(KINDS)}")
    if target.endswith("%"):
        _percentage(target)
    try:
        number = float(match["number"]) if match["number"] else KINDS.get(kind, ("", 0.0))[1]
    except ValueError as error:
        raise ConfigError(f"cannot read fault {text!r}: got number {match['number']!r}") from error
    path = (match["path"] or "").rstrip("/")
    if path and kind in _OF_WHOLE_NODES:
        raise ConfigError(f"cannot read fault {text!r}: got the path {path}, want none: {kind} is of a whole node")
    return FaultSpec(target, Fault(kind, number), path)


def _percentage(target: str) -> float:
    try:
        value = float(target[:-1])
    except ValueError as error:
        raise ConfigError(f"cannot read fault target: got {target!r}, want a number and %") from error
    if not 0 <= value <= 100:
        raise ConfigError(f"cannot read fault target: got {target!r}, want 0% to 100%")
    return value


class Faults:
    """The faults of a cluster's nodes, one a node and path: the last one set counts."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._by_node: dict[str, dict[str, Fault]] = {}

    def find(self, node: str, path: str = "") -> Fault | None:
        """What is wrong with a path of a node: its own fault, or that of every path."""
        faults = self._by_node.get(node, {})
        return faults.get(path.rstrip("/")) or faults.get("")

    def set(self, spec: FaultSpec, now_ms: int) -> list[str]:
        """Makes the fault so from now on; returns the names of the nodes it hit."""
        names = self.select(spec.target)
        for name in names:
            host = self._cluster.get_host(name)
            host.clock_offset_ms = 0
            if spec.fault.kind == "restart":
                self._by_node.get(name, {}).pop("", None)
                self._cluster.restart(host, now_ms)
                continue
            if spec.fault.kind == "clock-jump":
                host.clock_offset_ms = round(spec.fault.number * 1000)
            self._by_node.setdefault(name, {})[spec.path] = spec.fault
        return names

    def clear(self, target: str = "*") -> list[str]:
        """Mends the nodes of a target; returns their names. What a restart did stays done."""
        names = [name for name in self.select(target) if name in self._by_node]
        for name in names:
            del self._by_node[name]
            self._cluster.get_host(name).clock_offset_ms = 0
        return names

    def select(self, target: str) -> list[str]:
        """The node names a target means; none is not an error."""
        names = [host.name for host in self._cluster.hosts]
        if target.endswith("%"):
            count = round(len(names) * _percentage(target) / 100)
            ranked = sorted(range(len(names)), key=lambda index: mix(self._cluster.seed, index, 81))
            return [names[index] for index in sorted(ranked[:count])]
        return [name for name in names if fnmatch.fnmatchcase(name, target)]

    def describe(self) -> dict[str, Fault]:
        """All faults by node name, and path where they have one: "node-0003/stats/summary"."""
        return {f"{node}{path}": fault for node, faults in self._by_node.items() for path, fault in faults.items()}


def spoil(kind: str, body: bytes) -> bytes:
    """The body as a kubelet with this fault sends it; kinds that leave bodies alone give it back."""
    spoiler = _SPOILERS.get(kind)
    return body if spoiler is None else spoiler(body)


def _is_json(body: bytes) -> bool:
    return body.startswith(b"{")


def _break_syntax(body: bytes) -> bytes:
    old, new = (b'": ', b'"; ') if _is_json(body) else (b'="', b"=")
    middle = len(body) // 2
    return body[:middle] + body[middle:].replace(old, new, 1)


def _change_type(body: bytes) -> bytes:
    if _is_json(body):
        return _JSON_COUNTER.sub(rb'\1: "much"', body)
    return _TEXT_COUNTER.sub(rb"\1 much", body)


def _negate(body: bytes) -> bytes:
    if _is_json(body):
        return _JSON_COUNTER.sub(rb"\1: -\2", body)
    return _TEXT_COUNTER.sub(rb"\1 -\2", body)


def _enlarge(body: bytes) -> bytes:
    pattern = rb"\1: \g<2>00000000000000000000" if _is_json(body) else rb"\1 \g<2>e300"
    return (_JSON_COUNTER if _is_json(body) else _TEXT_COUNTER).sub(pattern, body)


def _break_utf8(body: bytes) -> bytes:
    old = b'"namespace": "' if _is_json(body) else b'namespace="'
    return body.replace(old, old + b"\xff\xfe")


def _list_twice(body: bytes) -> bytes:
    if not _is_json(body):
        samples = b"".join(line for line in body.splitlines(keepends=True) if not line.startswith(b"#"))
        return body + samples
    # The list of pods of a summary, or else the members of the whole object.
    start = body.find(b'"pods": [')
    start, end = (start + 9, body.rindex(b"]")) if start >= 0 else (1, body.rindex(b"}"))
    inner = body[start:end].rstrip()
    if not inner:
        return body
    return body[:start] + inner + b"," + inner + body[end:]


_SPOILERS: Final = {
    "empty": lambda body: b"",
    "html": lambda body: _PAGE,
    "nested": lambda body: _NESTED,
    "badjson": _break_syntax,
    "wrong-type": _change_type,
    "negative": _negate,
    "too-big": _enlarge,
    "bad-utf8": _break_utf8,
    "duplicate-pods": _list_twice,
}
