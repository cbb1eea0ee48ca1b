"""What the plain twins of both parsers share: JSON with nothing lost, values, rows.

In      a body, or a value of it
Out     values; what is bad is counted. Rows have the form of Rows.to_dicts
Callers naive_summary.py, naive_cadvisor.py, naive_exposition.py
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
        """The last "time" of an object; anything but an object has none, which is for others to count."""
        pairs = value if isinstance(value, Pairs) else Pairs()
        times = [self.time(member) for name, member in pairs if lower(name) == "time"]
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
