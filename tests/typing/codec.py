"""Seen by mypy, never run: scalars go in as text and come out as numbers, and back."""

from typing import assert_type

from heapfast.codec._float import format_double
from heapfast.codec._quantity import format_memory_bytes, parse_milli_value
from heapfast.codec._rfc3339 import format_time, parse_time

assert_type(parse_milli_value("1500m"), int)
assert_type(format_memory_bytes(2048), str)
assert_type(parse_time("2024-03-01T12:00:00Z"), int)
assert_type(format_time(0, offset_seconds=3600), str)
assert_type(format_double(0.5), bytes)

parse_milli_value(b"1500m")  # type: ignore[arg-type]
format_time("now")  # type: ignore[arg-type]
