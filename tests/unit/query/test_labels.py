"""`labels`: pairs, and how bad ones are quoted."""

from __future__ import annotations

import pytest

from heapfast.errors import QueryError
from heapfast.query.labels import parse_labels


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        (None, None),
        ("", None),
        ("resource_id:/", {"resource_id": "/"}),
        ("resource_id:Volume:data", {"resource_id": "Volume:data"}),
        ("a:b,c:d", {"a": "b", "c": "d"}),
        ("a:b,a:c", {"a": "c"}),
        (" a: b", {" a": " b"}),
        ("a:\udcff", {"a": "\ufffd"}),
    ],
)
def test_accepts(text: str | None, labels: dict[str, str] | None) -> None:
    assert parse_labels(text) == labels


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("abc", '"abc"'),
        ("abc:", '"abc:"'),
        (":abc", '":abc"'),
        ("a:b,", '""'),
        (",a:b", '""'),
        ('say "hi"\\', r'"say \"hi\"\\"'),
        ("bell\a\b\f\n\r\t\v\0\x7f", r'"bell\a\b\f\n\r\t\v\x00\x7f"'),
        ("é😀\u2028\udcff\U000e0001", '"é😀\\u2028\\xff\\U000e0001"'),
    ],
)
def test_refuses_and_quotes(text: str, pair: str) -> None:
    with pytest.raises(QueryError) as refusal:
        parse_labels(text)
    assert str(refusal.value) == f"invalid label pair {pair}"
