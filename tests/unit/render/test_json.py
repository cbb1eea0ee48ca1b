"""Strings, integers and times of the JSON writer."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heapfast.render._json import render_scalars

ZERO_NS = -6795364578871345152
Scalar = bytes | int | float | tuple[str, int]

INT64 = st.integers(-(2**63), 2**63 - 1)


def rendered(item: Scalar) -> str:
    return render_scalars([item])[1:-1].decode()


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", ""),
        (b"plain", "plain"),
        (b"<a & b>", r"\u003ca \u0026 b\u003e"),
        (b'"\\/', r"\"\\/"),
        (b"\n\r\t", r"\n\r\t"),
        (b"\x00\x07\x08\x0c\x1f\x7f", "\\u0000\\u0007\\u0008\\u000c\\u001f\x7f"),
        ("é 日 😀".encode(), "é 日 😀"),
        ("\u2028|\u2029|\u2027|\u202a".encode(), "\\u2028|\\u2029|\u2027|\u202a"),
        (b"\xff", r"\ufffd"),
        (b"a\xc3", r"a\ufffd"),
        (b"\xc0\xaf", r"\ufffd\ufffd"),
        (b"\xed\xa0\x80", r"\ufffd\ufffd\ufffd"),
        (b"\xf4\x90\x80\x80", r"\ufffd\ufffd\ufffd\ufffd"),
        (b"\xe2\x82", r"\ufffd\ufffd"),
    ],
)
def test_strings_are_escaped_as_in_html_safe_json(raw: bytes, text: str) -> None:
    assert rendered(raw) == f'"{text}"'


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_strings_read_back(text: str) -> None:
    assert json.loads(rendered(text.encode())) == text


@given(st.binary(max_size=40))
def test_any_bytes_give_valid_json_without_html(raw: bytes) -> None:
    text = rendered(raw)
    json.loads(text)
    assert not set(text) & set("<>&\u2028\u2029")


@given(INT64)
def test_integers_read_back(value: int) -> None:
    assert rendered(value) == str(value)


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1513065720 * 10**9, "2017-12-12T08:02:00Z"),
        (1513065720 * 10**9 + 500_000_000, "2017-12-12T08:02:00.5Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (951782400 * 10**9, "2000-02-29T00:00:00Z"),
        (ZERO_NS, "0001-01-01T00:00:00Z"),
        (2**63 - 1, "2262-04-11T23:47:16.854775807Z"),
    ],
)
def test_times_have_no_needless_decimals(time_ns: int, text: str, zone: None) -> None:
    assert rendered(("time", time_ns)) == f'"{text}"'


def test_times_in_utc_drop_the_fraction() -> None:
    assert rendered(("utc", 1513065720_999_999_999)) == '"2017-12-12T08:02:00Z"'
    assert rendered(("utc", -1)) == '"1969-12-31T23:59:59Z"'
    assert rendered(("utc", ZERO_NS)) == "null"


@pytest.mark.parametrize("zone", ["<+08>-8"], indirect=True)
def test_times_carry_the_processs_zone(zone: None) -> None:
    assert rendered(("time", 1453087920 * 10**9)) == '"2016-01-18T11:32:00+08:00"'
    assert rendered(("time", ZERO_NS)) == '"0001-01-01T00:00:00Z"'
    assert rendered(("utc", 1453087920 * 10**9)) == '"2016-01-18T03:32:00Z"'


@pytest.fixture
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", getattr(request, "param", "UTC"))
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()
    assert os.environ.get("TZ") != "<+08>-8"


def test_grows_beyond_its_first_allocation() -> None:
    items: list[Scalar] = [b"x" * 10_000, *range(5000)]
    assert json.loads(render_scalars(items)) == ["x" * 10_000, *range(5000)]
