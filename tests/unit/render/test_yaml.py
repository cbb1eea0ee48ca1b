"""YAML: its layout, and that a reader gets back what was written."""

from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from hypothesis import example, given
from hypothesis import strategies as st

from heapfast.render.yaml import to_yaml, yaml_around, yaml_items

TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.text("ab 'n:#-{}[]0x.\n\"\\", max_size=200),
    st.sampled_from(
        ["", "y", "N", "yes", "Off", "null", "~", "1", "-1", "+1", "1.5", ".5", "1e5", "1.", "0x1F", "0b1"]
    ),
    st.sampled_from(
        ["1:30", "2026-11-22", "2026-11-22T07:25:43Z", "<<", "=", ".inf", ".nan", "1_000", "0o7", "---", "..."]
    ),
    st.from_regex(r"\A(?:[a-z']{1,20} ){0,20}[a-z]\Z"),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=12,
)


def read(text: bytes) -> Any:
    return yaml.safe_load(text.decode())


@given(st.dictionaries(st.from_regex(r"\A[a-zA-Z./-]{1,20}\Z"), VALUES, min_size=1))
@example({"m": "found '=', expected: !, identifier, or 'end of string' and so on, and so on, and so on"})
@example({"m": {"n": ["x" * 90 + "  y z", ["deep"], {}, []]}})
@example({"a": "  begins and ends with spaces " * 9})
@example({"a": "\n", "b": "x\n", "c": "x\n\n", "d": "\nx", "e": " x\ny", "f": "x\n y"})
def test_what_is_written_is_read_back(value: dict[str, Any]) -> None:
    assert read(to_yaml(value)) == value


def test_the_layout_is_block_style_with_keys_sorted() -> None:
    value = {
        "b": [{"z": 1, "x": "1500000000"}, "plain text"],
        "a": {"n": "3", "app": "web", "none": None, "empty": {}, "list": [], "yes": True},
    }
    assert to_yaml(value).decode() == (
        "a:\n"
        "  app: web\n"
        "  empty: {}\n"
        "  list: []\n"
        '  "n": "3"\n'
        "  none: null\n"
        '  "yes": true\n'
        "b:\n"
        '- x: "1500000000"\n'
        "  z: 1\n"
        "- plain text\n"
    )


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("404057437n", "404057437n"),
        ("6754795194", '"6754795194"'),
        ("1e3", '"1e3"'),
        ("2026-11-22T07:25:43Z", '"2026-11-22T07:25:43Z"'),
        ("1540Ki", "1540Ki"),
        ("15.011s", "15.011s"),
        ("a: b", "'a: b'"),
        ("it's", "it's"),
        ("'it's", "'''it''s'"),
        ("a\tb", '"a\\tb"'),
        ("two\nlines", "|-\n  two\n  lines"),
        ("", '""'),
    ],
)
def test_text_is_quoted_only_where_it_must_be(text: str, written: str) -> None:
    assert to_yaml({"k": text}).decode() == f"k: {written}\n"


def test_long_text_is_folded_at_the_first_space_after_80_columns() -> None:
    text = "word " * 30 + "end"
    lines = to_yaml({"message": text}).decode().splitlines()
    assert len(lines) == 2
    assert len(lines[0]) >= 80
    assert len(lines[0]) < 86
    assert lines[1].startswith("  word")


def test_a_list_can_be_written_apart_from_what_is_around_it() -> None:
    items: list[Any] = [{"a": 1}, {"b": ["c"]}]
    value = {"apiVersion": "v1", "items": items, "kind": "L", "metadata": {}}
    before, after = yaml_around(value, "items")
    assert before + yaml_items(items[:1]) + yaml_items(items[1:]) + after == to_yaml(value)
