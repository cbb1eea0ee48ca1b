"""Field selectors: what is a term, what is a value, and what is left."""

from __future__ import annotations

import pytest

from heapfast.errors import QueryError
from heapfast.query._selector import parse_field_selector
from heapfast.query.field_selector import FieldSelection, check_fields, select_fields
from heapfast.store.requirement import Operator, Requirement

IN, NOT_IN = Operator.IN, Operator.NOT_IN

LEGAL = {
    "": [],
    ",": [],
    "=": [],
    "metadata.name=a": [("metadata.name", IN, "a")],
    "metadata.name==a": [("metadata.name", IN, "a")],
    "metadata.name!=a": [("metadata.name", NOT_IN, "a")],
    "metadata.name=": [("metadata.name", IN, "")],
    ",metadata.name=a,,b!=c,": [("metadata.name", IN, "a"), ("b", NOT_IN, "c")],
    " metadata.name=a ": [(" metadata.name", IN, "a ")],
    r"a=b\,c": [("a", IN, "b,c")],
    r"a=b\=c\\": [("a", IN, "b=c\\")],
    "=x": [("", IN, "x")],
}


@pytest.mark.parametrize("text", LEGAL)
def test_terms_become_requirements(text: str) -> None:
    wanted = tuple(Requirement(key, operator, (value,)) for key, operator, value in LEGAL[text])
    assert parse_field_selector(text) == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bad", "invalid selector: 'bad'; can't understand 'bad'"),
        ("a=b,bad", "invalid selector: 'bad'; can't understand 'bad'"),
        ("a>b", "invalid selector: 'a>b'; can't understand 'a>b'"),
        ("a===b", "invalid field selector: unescaped character in value: 61"),
        (r"a=\b", r"invalid field selector: invalid escape sequence: \b"),
        ("a=b\\", "invalid field selector: invalid escape sequence: \\"),
    ],
)
def test_what_is_no_selector_is_refused(text: str, message: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse_field_selector(text)
    assert str(caught.value) == message


def test_only_name_and_namespace_are_known() -> None:
    check_fields(parse_field_selector("metadata.name=a,metadata.namespace!=b"))
    with pytest.raises(QueryError, match=r'^"status\.phase" is not a known field selector: only "metadata\.name", '):
        check_fields(parse_field_selector("metadata.name=a,status.phase=Running"))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("", FieldSelection(None, None, (), (), False)),
        ("metadata.name=a", FieldSelection("a", None, (), (), False)),
        ("metadata.name=a,metadata.name=a", FieldSelection("a", None, (), (), False)),
        ("metadata.name!=b,metadata.name!=a", FieldSelection(None, None, ("a", "b"), (), False)),
        ("metadata.namespace=n,metadata.name!=a", FieldSelection(None, "n", ("a",), (), False)),
        ("metadata.namespace!=n", FieldSelection(None, None, (), ("n",), False)),
    ],
)
def test_conditions_are_joined(text: str, left: FieldSelection) -> None:
    assert select_fields(parse_field_selector(text)) == left


@pytest.mark.parametrize("text", ["metadata.name=a,metadata.name=b", "metadata.namespace=a,metadata.namespace!=a"])
def test_contradictions_leave_nothing(text: str) -> None:
    assert select_fields(parse_field_selector(text)).is_empty
