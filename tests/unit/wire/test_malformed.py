"""Bodies that are no JSON: a clear error with an offset, no rows, and never a byte beyond the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from heapfast.errors import ParseError
from heapfast.wire._cadvisor import parse_cadvisor
from heapfast.wire._rows import Rows
from heapfast.wire._summary import parse_summary

PARSERS: dict[str, Callable[[Any, Rows], None]] = {"summary": parse_summary, "cadvisor": parse_cadvisor}

SUMMARY = rb"""{"node": {"nodeName": "n\u0031\n", "systemContainers": [{"name": "kubelet",
 "startTime": "2017-12-11T10:00:00Z"}], "cpu": {"time": "2017-12-11T10:00:00.25+01:00",
 "usageCoreNanoSeconds": 123456789012}, "unknown": [1, -2.5e+3, true, false, null, {"\u00e9": "\\"}]},
 "pods": [{"podRef": {"name": "p", "namespace": "s"}, "containers": [{"name": "c", "accelerators": [{"id": "g"}],
 "userDefinedMetrics": [{"name": "m", "type": "gauge", "value": 1.5}]}]}]}"""
CADVISOR = rb"""{"/": {"name": "/", "stats": [{"timestamp": "2017-12-11T10:00:00Z", "cpu": {"usage": {"total": 5}},
 "custom_metrics": {"q": [{"int_value": -1}]}, "diskio": {"io_service_bytes": [{"major": 8}]}}], "spec":
 {"has_cpu": true, "has_diskio": true, "has_custom_metrics": true, "custom_metrics":
 [{"name": "q", "type": "gauge", "format": "int"}]}}}"""
BODIES = {"summary": SUMMARY, "cadvisor": CADVISOR}

#: What is wrong, and where the first byte stands that does not fit.
BROKEN = {
    "nothing": ("", 0),
    "blanks alone": (" \n ", 3),
    "two documents": ("{} {}", 3),
    "text behind": ("{}x", 2),
    "NUL behind": ("{}\0", 2),
    "NUL for a blank": ('{"a":\0 1}', 5),
    "a name without quotes": ("{a:1}", 1),
    "a name that is a number": ("{1:1}", 1),
    "no colon": ('{"a" 1}', 5),
    "no value": ('{"a":}', 5),
    "no comma": ('{"a":1 "b":2}', 7),
    "a comma at the end": ('{"a":1,}', 7),
    "a comma at the start": ("{,}", 1),
    "a comma at the end of a list": ('{"a":[1,]}', 8),
    "a comma at the end of pods": ('{"pods":[{},]}', 12),
    "a bracket that closes another": ('{"a":[1}', 7),
    "a wrong word": ('{"a":nul}', 8),
    "a long word": ('{"a":trues}', 9),
    "a leading zero": ('{"a":01}', 6),
    "a leading zero of a count": ('{"node":{"cpu":{"usageCoreNanoSeconds":00}}}', 40),
    "a plus sign": ('{"a":+1}', 5),
    "a minus sign alone": ('{"a":-}', 6),
    "a point without digits": ('{"a":1.}', 7),
    "a point without digits in a count": ('{"node":{"cpu":{"usageCoreNanoSeconds":1.}}}', 41),
    "an exponent without digits": ('{"a":1e+}', 8),
    "a hexadecimal number": ('{"a":0x1}', 6),
    "NaN": ('{"a":NaN}', 5),
    "single quotes": ("{'a':1}", 1),
    "a line end in a string": ('{"a":"\n"}', 6),
    "NUL in a string": ('{"a":"\0"}', 6),
    "a tab in a name": ('{"a\t":1}', 3),
    "an unknown escape": ('{"a":"\\x"}', 7),
    "half a unicode escape": ('{"a":"\\u12"}', 10),
    "letters in a unicode escape": ('{"a":"\\u12g4"}', 10),
    "a byte order mark": ("\ufeff{}", 0),
    "a comment": ("{/**/}", 1),
    "a form feed for a blank": ('{\f"a":1}', 1),
}


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize(("body", "offset"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_json_is_refused_where_it_breaks(parser: str, body: str, offset: int) -> None:
    rows = Rows()
    PARSERS[parser](BODIES[parser], rows)
    with pytest.raises(ParseError) as caught:
        PARSERS[parser](body.encode(), rows)
    assert caught.value.offset == offset
    assert str(offset) in str(caught.value)
    assert (len(rows), rows.n_resources, rows.n_customs, rows.to_dicts()) == (0, 0, 0, [])


@pytest.mark.parametrize("parser", PARSERS)
def test_body_cut_anywhere_is_refused(parser: str) -> None:
    body, rows = BODIES[parser], Rows()
    PARSERS[parser](body, rows)
    assert len(rows) >= 1
    for size in range(len(body)):
        # An exact copy, so that a sanitizer sees a read beyond it.
        with pytest.raises(ParseError) as caught:
            PARSERS[parser](memoryview(bytearray(body[:size])), rows)
        assert caught.value.offset == size
        assert len(rows) == 0


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize(("depth", "fits"), [(512, True), (513, False), (100_000, False)])
def test_nesting_has_a_limit(parser: str, depth: int, fits: bool) -> None:
    for left, right in (("[", "]"), ('{"b":', "}")):
        inner = "1" if left != "[" else ""
        body = f'{{"unknown":{left * depth}{inner}{right * depth}}}'.encode()
        if fits:
            PARSERS[parser](body, Rows())
        else:
            with pytest.raises(ParseError, match="512 levels"):
                PARSERS[parser](body, Rows())


@pytest.mark.parametrize("parser", PARSERS)
def test_any_contiguous_buffer_is_a_body(parser: str) -> None:
    body = BODIES[parser]
    want = Rows()
    PARSERS[parser](body, want)
    window = memoryview(b"\xff" + body + b"\xff")[1:-1]
    for form in (bytearray(body), memoryview(body), memoryview(bytearray(body)), window):
        rows = Rows()
        PARSERS[parser](form, rows)
        rows.check()
        assert rows.to_dicts() == want.to_dicts()


def test_rows_hold_a_mutable_body_until_they_are_cleared() -> None:
    body, rows = bytearray(SUMMARY), Rows()
    parse_summary(body, rows)
    with pytest.raises(BufferError):
        body.extend(b"x")
    rows.clear()
    body.extend(b"x")
    assert len(body) == len(SUMMARY) + 1


def test_body_lives_as_long_as_its_rows() -> None:
    rows = Rows()
    parse_summary(bytes(bytearray(SUMMARY)), rows)
    assert rows.to_dicts()[0]["name"] == "n1\n"
    assert rows.to_dicts()[-1]["pod"] == "p"


@pytest.mark.parametrize("body", [None, "{}", 7, [b"{}"]])
def test_what_has_no_bytes_is_a_type_error(body: object) -> None:
    with pytest.raises(TypeError):
        parse_summary(body, Rows())  # type: ignore[arg-type]


def test_scattered_buffer_is_refused() -> None:
    with pytest.raises(BufferError):
        parse_summary(memoryview(b"{ } ")[::2], Rows())


def test_json_that_is_no_object_is_no_summary() -> None:
    for body in (b"[]", b"null", b"7", b'"x"'):
        with pytest.raises(ParseError, match="unexpected byte"):
            parse_summary(body, Rows())
