"""The selector grammar: what it means, and how bad ones are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heapfast.errors import QueryError
from heapfast.query._selector import parse_selector
from heapfast.store.requirement import Operator, Requirement, matches, parse_int64

NAME_HELP = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
PREFIX_HELP = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
BAD_KEY = "unable to parse requirement: invalid label key"


@pytest.mark.parametrize(
    ("text", "requirements"),
    [
        ("", ()),
        (" \t\r\n", ()),
        ("a", (Requirement("a", Operator.EXISTS),)),
        ("!a", (Requirement("a", Operator.DOES_NOT_EXIST),)),
        ("a=b", (Requirement("a", Operator.IN, ("b",)),)),
        ("a == b", (Requirement("a", Operator.IN, ("b",)),)),
        ("a=", (Requirement("a", Operator.IN, ("",)),)),
        ("a=,b", (Requirement("a", Operator.IN, ("",)), Requirement("b", Operator.EXISTS))),
        ("a!=b", (Requirement("a", Operator.NOT_IN, ("b",)),)),
        ("a in (c,b,c)", (Requirement("a", Operator.IN, ("b", "c")),)),
        ("a in ()", (Requirement("a", Operator.IN, ("",)),)),
        ("a in (,b)", (Requirement("a", Operator.IN, ("", "b")),)),
        ("a in (b,)", (Requirement("a", Operator.IN, ("", "b")),)),
        ("a in (b,,c)", (Requirement("a", Operator.IN, ("", "b", "c")),)),
        ("a notin(b)", (Requirement("a", Operator.NOT_IN, ("b",)),)),
        ("in in (in,notin)", (Requirement("in", Operator.IN, ("in", "notin")),)),
        ("a>5,b<7", (Requirement("a", Operator.GREATER_THAN, ("5",)), Requirement("b", Operator.LESS_THAN, ("7",)))),
        ("example.com/a_b.c=X-1", (Requirement("example.com/a_b.c", Operator.IN, ("X-1",)),)),
        ("a\0,,", (Requirement("a", Operator.EXISTS),)),
    ],
)
def test_accepts(text: str, requirements: tuple[Requirement, ...]) -> None:
    assert parse_selector(text) == requirements


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("=x", "found '=', expected: !, identifier, or 'end of string'"),
        ("a=b,", "found '', expected: identifier after ','"),
        ("a,,b", "found ',', expected: identifier after ','"),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("!a=b", "found '=', expected: ',' or 'end of string'"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        ("!!a", "unable to parse requirement: found '!', expected: identifier"),
        ("a b", "unable to parse requirement: found 'b', expected: '=', '!=', '==', 'in', notin'"),
        ("a=(", "unable to parse requirement: found '(', expected: identifier"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("a in (=", "unable to parse requirement: found '=', expected: ',', ')' or identifier"),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a in (b c)", "unable to parse requirement: found 'c', expected: ',' or ')'"),
        ("a in (b,=)", "unable to parse requirement: found '=', expected: ',', or identifier"),
        ("a>x", "unable to parse requirement: for 'Gt', 'Lt' operators, the value must be an integer"),
        ("a>", "unable to parse requirement: for 'Gt', 'Lt' operators, the value must be an integer"),
        ("-a", f'unable to parse requirement: invalid label key "-a": name part {NAME_HELP}'),
        ("a/=b", f'{BAD_KEY} "a/": name part must be non-empty; name part {NAME_HELP}'),
        ("/a", 'unable to parse requirement: invalid label key "/a": prefix part must be non-empty'),
        (
            "a/b/c",
            f'{BAD_KEY} "a/b/c": a qualified name {NAME_HELP} {PREFIX_HELP}',
        ),
        (
            "é" * 32 + "=b",
            f'{BAD_KEY} "{"é" * 32}": name part must be no more than 63 characters; name part {NAME_HELP}',
        ),
        (
            "a=" + "y" * 64,
            f'unable to parse requirement: invalid label value: "{"y" * 64}": must be no more than 63 characters',
        ),
    ],
)  # fmt: skip
def test_refuses_as_kubernetes_does(text: str, reason: str) -> None:
    with pytest.raises(QueryError) as refusal:
        parse_selector(text)
    assert str(refusal.value) == reason


def test_refuses_a_prefix_that_is_no_dns_name() -> None:
    with pytest.raises(QueryError, match=r'"Example\.com/a": prefix part a DNS-1123 subdomain must consist of lower'):
        parse_selector("Example.com/a")
    with pytest.raises(QueryError, match=r"prefix part must be no more than 253 characters$"):
        parse_selector(f"{'a' * 254}/a")


@pytest.mark.parametrize(
    ("text", "labels", "is_selected"),
    [
        ("", {}, True),
        ("a!=b", {}, True),
        ("a!=b", {"a": "b"}, False),
        ("a notin (b)", {"a": "c"}, True),
        ("!a", {"a": ""}, False),
        ("a=", {"a": ""}, True),
        ("a=", {}, False),
        ("a>5", {"a": "6"}, True),
        ("a>5", {"a": "5"}, False),
        ("a>5", {"a": "x"}, False),
        ("a>5", {}, False),
        ("a<5", {"a": "4"}, True),
        ("a<5", {"a": str(-(2**63) - 1)}, False),
        ("a,b=c", {"a": "1", "b": "c"}, True),
        ("a,b=c", {"b": "c"}, False),
    ],
)
def test_selects(text: str, labels: dict[str, str], is_selected: bool) -> None:
    assert matches(parse_selector(text), labels) is is_selected


@given(st.text("ab=!(),<> in\0/é", max_size=30))
def test_never_fails_otherwise(text: str) -> None:
    try:
        parse_selector(text)
    except QueryError as error:
        assert str(error)  # noqa: PT017


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0), ("-5", -5), ("+5", 5), ("007", 7), (str(2**63 - 1), 2**63 - 1), (str(2**63), None),
        ("", None), ("-", None), ("1_0", None), ("\u0665", None), (" 1", None), ("9" * 5000, None),
    ],
)  # fmt: skip
def test_integers_are_int64(text: str, number: int | None) -> None:
    assert parse_int64(text) == number
