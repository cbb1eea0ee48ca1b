"""What a parser reads from a kubelet's answer, run by hand as `heapfast parse FILE`.

In      the bytes of a file, and which source they come from
Out     a table, one entity a row; for bytes that are no answer, the place the error points at
Callers cli
Never   mends its input: it shows what the daemon would have read, or why it would not
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal

from rich.console import Console
from rich.table import Table

from heapfast.errors import ParseError
from heapfast.wire._cadvisor import parse_cadvisor
from heapfast.wire._resource import parse_resource
from heapfast.wire._rows import Rows
from heapfast.wire._summary import parse_summary

Kind = Literal["summary", "cadvisor", "resource"]

PARSERS: Final = {"summary": parse_summary, "cadvisor": parse_cadvisor, "resource": parse_resource}
EXCERPT_BYTES: Final = 36
RESOURCE_LABELS: Final = ("type", "make", "model", "id")


def guess_kind(body: bytes) -> Kind:
    """Tells the sources apart by how JSON begins, and by a name that only one of them uses."""
    if not body.lstrip().startswith((b"{", b"[")):
        return "resource"
    return "summary" if b'"nodeName"' in body or b'"podRef"' in body else "cadvisor"


def parse_body(body: bytes, kind: Kind) -> Rows:
    """Parses one answer.

    Raises:
        ParseError: it is none; `excerpt` shows where.
    """
    rows = Rows()
    PARSERS[kind](body, rows)
    return rows


def print_rows(rows: Rows, console: Console) -> None:
    """Prints a table of every entity, and how many values were left out."""
    entities = rows.to_dicts()
    table = Table("kind", "entity", "sampled", "started", "values", show_lines=True)
    for entity in entities:
        table.add_row(
            entity["kind"],
            "/".join(filter(None, (entity.get("namespace"), entity.get("pod"), entity["name"]))),
            _time(entity["sample_ns"]),
            _time(entity["start_ns"]),
            "\n".join(_iter_values(entity)),
        )
    console.print(table)
    console.print(f"{len(entities)} entities, {rows.bad_values} bad values left out")


def excerpt(body: bytes, error: ParseError) -> str:
    """Shows the bytes around an error, with a caret below the one that does not fit."""
    start = max(0, error.offset - EXCERPT_BYTES)
    # Whatever is not printable ASCII is one dot, so that the caret stands below its byte.
    around = body[start : error.offset + EXCERPT_BYTES]
    shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in around)
    return f"{shown}\n{' ' * (error.offset - start)}^"


def _iter_values(entity: Mapping[str, Any]) -> Iterator[str]:
    for name, value in entity["metrics"].items():
        yield f"{name} {value}"
    for resource in entity["resources"]:
        who = " ".join(resource[key] for key in RESOURCE_LABELS if resource.get(key))
        yield f"{who}: " + " ".join(f"{key}={value}" for key, value in resource.items() if key not in RESOURCE_LABELS)
    for custom in entity["custom"]:
        yield f"custom/{custom['name']} {custom['value']}"


def _time(time_ns: int | None) -> str:
    if time_ns is None:
        return "-"
    return datetime.fromtimestamp(time_ns / 1e9, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
