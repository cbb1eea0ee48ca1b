"""The plain twins of _exposition.pyx and _resource.pyx: regular expressions, line by line.

In      the body of an exposition, or of a kubelet's resource metrics
Out     samples as parse_exposition gives them; rows in the form of Rows.to_dicts
Callers tests and bench/
Source  spec/metrics-k8s-io.md 15, with the decisions that _resource.pyx states
Never   runs in the daemon
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import isinf
from typing import Any, Final

from heapfast.errors import ParseError
from heapfast.wire.naive import INT64_MAX, TIME_ZERO, Parsed, row

Labels = tuple[tuple[str, str], ...]
Sample = tuple[str, Labels, float, int | None]

NUMBER_TEXT_MAX: Final = 400

_BLANKS: Final = r"[ \t]*"
_NAME: Final = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_QUOTED: Final = r'"(?:[^"\\\n]|\\[^\n])*"'
_WORD: Final = r"[a-zA-Z_][a-zA-Z0-9_]*"
_LABEL: Final = rf"(?:{_WORD}|{_QUOTED}){_BLANKS}={_BLANKS}{_QUOTED}"
_ITEM: Final = rf"(?:{_LABEL}|{_QUOTED}){_BLANKS}"
_LABELS: Final = rf"\{{{_BLANKS}(?:{_ITEM}(?:,{_BLANKS}{_ITEM})*(?:,{_BLANKS})?)?\}}"
_NUMBER: Final = r"(?:[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?i:inf(?:inity)?)|(?i:nan))"
_START: Final = rf"(?:({_NAME})(?:{_BLANKS}({_LABELS}){_BLANKS}|[ \t]+)|({_LABELS}){_BLANKS})({_NUMBER})"
_EXEMPLAR: Final = rf"[ \t]+#{_BLANKS}({_LABELS}){_BLANKS}({_NUMBER})(?:[ \t]+({_NUMBER}))?"

TEXT_LINE: Final = re.compile(rf"{_START}(?:[ \t]+(-?[0-9]+))?[ \t]*", re.ASCII)
OPENMETRICS_LINE: Final = re.compile(rf"{_START}(?:[ \t]+((?=[-0-9]){_NUMBER}))?(?:{_EXEMPLAR})?[ \t]*", re.ASCII)
TYPE_LINE: Final = re.compile(
    rf"#[ \t]*TYPE[ \t]+(?:{_NAME}[ \t]+|{_QUOTED}{_BLANKS})"
    r"(?:counter|gauge|histogram|summary|untyped|unknown|info|stateset|gaugehistogram)[ \t]*",
    re.ASCII,
)
LABEL_OR_NAME: Final = re.compile(rf"(?:({_WORD}|{_QUOTED}){_BLANKS}={_BLANKS})?({_QUOTED})")
TYPE_START: Final = re.compile(r"#[ \t]*TYPE[ \t]")

#: Metric of a row and factor, by family.
FAMILIES: Final = {
    "node_cpu_usage_seconds_total": ("cpu/usage", 1e9),
    "node_memory_working_set_bytes": ("memory/working_set", 1.0),
    "container_cpu_usage_seconds_total": ("cpu/usage", 1e9),
    "container_memory_working_set_bytes": ("memory/working_set", 1.0),
    "container_start_time_seconds": ("start", 1e9),
    "node_swap_usage_bytes": ("swap", 1.0),
    "container_swap_usage_bytes": ("swap", 1.0),
}


class Malformed(Exception):
    """A line that is none."""


def parse_exposition(body: bytes, openmetrics: bool = False, crlf: bool = True) -> list[Sample]:
    lines = body.split(b"\n")
    if crlf:
        lines[:-1] = [line.removesuffix(b"\r") for line in lines[:-1]]
    samples: list[Sample] = []
    number = 0
    try:
        for line in lines:
            number += 1
            samples += iter_samples(line, openmetrics)
            if openmetrics and line == b"# EOF":
                number += 1
                if lines[number - 1 :] not in ([], [b""]):
                    raise Malformed
                return samples
        if openmetrics:
            raise Malformed
    except (Malformed, UnicodeDecodeError) as error:
        raise ParseError("exposition", f"line {number}: not well-formed", 0) from error
    return samples


def iter_samples(line: bytes, openmetrics: bool) -> Iterator[Sample]:
    """The sample of a line, if it has one."""
    text = line.decode()
    if "\0" in text:
        raise Malformed
    if text.startswith("#"):
        if TYPE_START.match(text) and not TYPE_LINE.fullmatch(text):
            raise Malformed
        return
    if not text:
        return
    found = (OPENMETRICS_LINE if openmetrics else TEXT_LINE).fullmatch(text)
    if found is None:
        raise Malformed
    bare, labels, only_labels, value, time, *exemplar = found.groups()
    name, pairs = read_labels(bare, labels or only_labels or "{}")
    if exemplar and exemplar[0]:
        read_labels(name, exemplar[0])
        read_number(exemplar[1])
        if exemplar[2]:
            read_seconds(exemplar[2])
    yield name, pairs, read_number(value), read_time(time, openmetrics)


def read_labels(name: str | None, text: str) -> tuple[str, Labels]:
    """Name and labels; the name may stand among them, once and alone."""
    pairs = []
    for label, value in LABEL_OR_NAME.findall(text):
        if label:
            pairs.append((undo_escapes(label), undo_escapes(value)))
        elif name:
            raise Malformed
        else:
            name = undo_escapes(value)
    if not name or not all(label for label, _ in pairs):
        raise Malformed
    return name, tuple(pairs)


def undo_escapes(text: str) -> str:
    if not text.startswith('"'):
        return text
    return re.sub(r'\\([\\"n])', lambda found: "\n" if found[1] == "n" else found[1], text[1:-1])


def read_number(text: str) -> float:
    value = float(text)
    if len(text) > NUMBER_TEXT_MAX or (isinf(value) and "inf" not in text.lower()):
        raise Malformed
    return value


def read_time(text: str | None, openmetrics: bool) -> int | None:
    if text is None:
        return None
    if openmetrics:
        return read_seconds(text)
    if abs(int(text)) > INT64_MAX:
        raise Malformed
    return int(text)


def read_seconds(text: str) -> int:
    seconds = read_number(text)
    if not abs(seconds) < 2**63 / 1000:
        raise Malformed
    return round(seconds * 1e3)


def parse_resource(body: bytes, requested_ns: int = TIME_ZERO, wants_swap: bool = False) -> Parsed:
    node = row("node", "")
    containers: dict[tuple[str, str, str], dict[str, Any]] = {}
    bad_values = 0
    for name, labels, value, time_ms in parse_exposition(body, crlf=False):
        if name not in FAMILIES or (FAMILIES[name][0] == "swap" and not wants_swap):
            continue
        metric, factor = FAMILIES[name]
        target = node
        if name.startswith("container"):
            # Of two labels of one name the former counts.
            named = dict(reversed(labels))
            namespace, pod, container = (named.get(label) for label in ("namespace", "pod", "container"))
            if container is None or not namespace or not pod:
                bad_values += 1
                continue
            new = row("pod_container", container, namespace=namespace, pod=pod, uid="")
            if metric == "swap" and (namespace, pod, container) not in containers:
                continue
            target = containers.setdefault((namespace, pod, container), new)
        if not keep_sample(target, metric, value * factor, time_ms, requested_ns):
            bad_values += 1
    rows = list(containers.values())
    return Parsed([node, *rows] if node["metrics"] else rows, bad_values)


def keep_sample(target: dict[str, Any], metric: str, value: float, time_ms: int | None, requested_ns: int) -> bool:
    """False: it is a bad one."""
    if metric == "swap":
        target.pop("swap", None)
        if -1 < value < 2**63:
            target["swap"] = int(value)
        return True
    if not -1 < value < 2**63:
        return False
    if metric == "start":
        target["start_ns"] = known_time(int(value))
        return True
    if time_ms is not None and time_ms < 0:
        return False
    target["metrics"][metric] = int(value)
    # What is beyond int64 wraps.
    time_ns = requested_ns if time_ms is None else (time_ms * 10**6 + 2**63) % 2**64 - 2**63
    target["sample_ns"] = known_time(time_ns)
    return True


def known_time(time_ns: int) -> int | None:
    return None if time_ns == TIME_ZERO else time_ns
