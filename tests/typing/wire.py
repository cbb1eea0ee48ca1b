"""Seen by mypy, never run: a parser fills rows that its caller owns."""

from typing import Any, assert_type

from heapfast.wire._cadvisor import parse_cadvisor
from heapfast.wire._exposition import parse_exposition
from heapfast.wire._resource import parse_resource
from heapfast.wire._rows import Rows
from heapfast.wire._summary import parse_summary

rows = Rows()
parse_summary(b"{}", rows)
parse_summary(bytearray(b"{}"), rows)
parse_summary(memoryview(b"{}"), rows)
parse_cadvisor(b"{}", rows)
assert_type(len(rows), int)
assert_type(rows.bad_values, int)
assert_type(rows.to_dicts(), list[dict[str, Any]])

parse_summary("{}", rows)  # type: ignore[arg-type]
parse_summary(b"{}")  # type: ignore[call-arg]

parse_resource(b"", rows)
parse_resource(b"", rows, requested_ns=1)
assert_type(parse_exposition(b""), list[tuple[str, tuple[tuple[str, str], ...], float, int | None]])
parse_exposition(bytearray(b"# EOF"), openmetrics=True)

parse_resource(b"", rows, 1.5)  # type: ignore[arg-type]
parse_exposition("")  # type: ignore[arg-type]
