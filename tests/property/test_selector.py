"""Selectors of labels and of fields: compiled parsers and plain ones agree on everything, and on what they say."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from heapfast.errors import QueryError
from heapfast.query import naive_selector
from heapfast.query._selector import parse_field_selector, parse_selector
from heapfast.store._values import gather_postings, integers_beyond, slots_beyond
from heapfast.store.requirement import Operator, Requirement, Selector

NAME_CHARS = "aZ09-_."
#: Bytes that were no UTF-8 arrive as the last one.
ODD_CHARS = "é€\U0001f600\udc80"
BLANKS = st.sampled_from(["", "", "", " ", "\t\r\n "])
PLAIN_WORDS = st.sampled_from(["app", "tier", "in", "notin", "example.com/app", "app-17", "7", "-3", "+5", ""])
WORDS = st.one_of(
    PLAIN_WORDS,
    st.text(NAME_CHARS, min_size=1, max_size=5),
    st.text("ab0-._/" + ODD_CHARS, min_size=1, max_size=8),
    st.text("aA-", min_size=60, max_size=66),
    st.builds("{}/{}".format, st.text("a.-", max_size=6), st.text(NAME_CHARS, max_size=4)),
    st.sampled_from([str(2**63 - 1), str(2**63), str(-(2**63)), str(-(2**63) - 1), "0" * 40 + "1", "0" * 39 + "1"]),
    st.sampled_from(["a" * 253 + "/b", "a" * 254 + "/b", "é" * 32, "a/b/c"]),
)
SYMBOLS = st.sampled_from([*"=!(),<>\0 ", "==", "!=", " in ", " notin "])
OPERATORS = st.sampled_from(["=", "==", "!=", ">", "<", " in ", " notin ", "!", "===", ""])


@st.composite
def conditions(draw: st.DrawFn) -> str:
    """One condition, well-formed more often than not."""
    key, operator = draw(WORDS), draw(OPERATORS)
    if draw(st.integers(0, 4)) == 0:
        return draw(st.sampled_from(["!", "! ", ""])) + key
    if operator.strip() not in ("in", "notin"):
        return f"{key}{draw(BLANKS)}{operator}{draw(BLANKS)}{draw(WORDS)}"
    values = [f"{draw(BLANKS)}{value}{draw(BLANKS)}" for value in draw(st.lists(WORDS, max_size=8))]
    opened, closed = draw(st.sampled_from(["()", "()", "()", "(", ")", "("])).ljust(2)
    return f"{key}{operator}{opened}{','.join(values)}{closed}"


SELECTORS = st.one_of(
    st.lists(conditions(), max_size=5).map(",".join),
    st.text("ab=!(),<> in\0/\t-5é\udc80", max_size=30),
    st.lists(st.one_of(WORDS, st.sampled_from([*"=!(),<>\0 ", "==", "!=", " in ", " notin "])), max_size=12).map(
        "".join
    ),
)
FIELD_SELECTORS = st.one_of(
    st.text("ab=!,\\.é\0 \udc80\U0001f600", max_size=20),
    st.lists(
        st.builds(
            "{}{}{}".format,
            st.sampled_from(["metadata.name", "metadata.namespace", "a\\=b", "!", ""]),
            st.sampled_from(["=", "==", "!=", "", "!"]),
            st.text("ab\\,=é", max_size=6),
        ),
        max_size=4,
    ).map(",".join),
)


def outcome(parse: Callable[[str], Selector], text: str) -> Selector | str:
    """What a text means, or what is said of it."""
    try:
        return parse(text)
    except QueryError as error:
        return f"refused: {error}"


@settings(max_examples=1500, deadline=None, derandomize=True)
@given(SELECTORS)
@example("a in (b,-,_,é)")
@example("a in (" + "b" * 64 + ",\u00e9,\udc80)")
@example("k in (" + ",".join(f"pod-{n % 300}" for n in range(1000)) + ")")
@example("k in (" + ",".join(f"pod-{n:0{n % 12 + 1}}" for n in range(2000)) + ")")
@example("k in (" + ",".join(f"pod-{n}" for n in range(2000)))
@example("k in (x" + ",x" * 5000 + " y)")
def test_label_selectors_are_what_the_plain_parser_makes_of_them(text: str) -> None:
    got = outcome(parse_selector, text)
    assert got == outcome(naive_selector.parse_selector, text)
    assert isinstance(got, str) or all(type(one) is Requirement for one in got)


@settings(max_examples=1500, deadline=None, derandomize=True)
@given(FIELD_SELECTORS)
@example("a=\\")
@example("a=\\é")
@example("a=\\\udc80b")
@example("a=b\\,c,d!=e")
def test_field_selectors_are_what_the_plain_parser_makes_of_them(text: str) -> None:
    assert outcome(parse_field_selector, text) == outcome(naive_selector.parse_field_selector, text)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(
    st.lists(
        st.one_of(
            st.integers(-(2**65), 2**65).map(str),
            st.text("0123456789+-_ é\udc80", max_size=6),
            st.integers(36, 44).map(lambda n: "0" * n + "7"),
        ),
        max_size=20,
    ),
    st.one_of(st.integers(-10, 10), st.integers(-(2**63), 2**63 - 1)),
    st.booleans(),
)
def test_integers_beyond_a_bound_are_those_that_a_condition_admits(
    values: list[str], bound: int, is_greater: bool
) -> None:
    operator = Operator.GREATER_THAN if is_greater else Operator.LESS_THAN
    requirement = Requirement("k", operator, (str(bound),))
    assert integers_beyond(values, bound, is_greater) == list(filter(requirement.admits_number, values))


class Labelled(NamedTuple):
    labels: tuple[tuple[str, str], ...]


@given(
    st.lists(
        st.none()
        | st.dictionaries(
            st.sampled_from(["k", "other"]),
            st.integers(-(2**65), 2**65).map(str) | st.text("0123456789+-_ \u00e9", max_size=6),
        ),
        max_size=12,
    ),
    st.lists(st.integers(0, 15), max_size=15),
    st.integers(-10, 10) | st.integers(-(2**63), 2**63 - 1),
    st.booleans(),
)
def test_slots_beyond_a_bound_are_those_whose_labels_a_condition_admits(
    sets: list[dict[str, str] | None], slots: list[int], bound: int, is_greater: bool
) -> None:
    operator = Operator.GREATER_THAN if is_greater else Operator.LESS_THAN
    requirement = Requirement("k", operator, (str(bound),))
    want = [slot for slot in slots if requirement.matches((sets[slot] if slot < len(sets) else None) or {})]
    kept = [None if labels is None else Labelled(tuple(labels.items())) for labels in sets]
    assert list(slots_beyond(kept, "k", slots, bound, is_greater)) == want


@given(
    st.dictionaries(st.text(max_size=2), st.one_of(st.integers(0, 9), st.just("many"))), st.lists(st.text(max_size=2))
)
def test_postings_are_gathered_value_by_value(postings: dict[str, int | str], values: list[str]) -> None:
    slots, terms = gather_postings(postings, values)
    found = [postings[value] for value in values if value in postings]
    assert list(slots) == [one for one in found if isinstance(one, int)]
    assert terms == [one for one in found if one == "many"]


@pytest.mark.parametrize("parse", [parse_selector, parse_field_selector])
def test_nothing_but_text_is_parsed(parse: Callable[[object], object]) -> None:
    for other in (None, b"a=b"):
        with pytest.raises(TypeError):
            parse(other)
