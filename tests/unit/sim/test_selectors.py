"""Selectors of the simulated API server."""

import pytest

from heapfast.errors import QueryError
from heapfast.sim.selectors import parse_fields, parse_labels

LABELS = {"app": "web", "tier": "frontend", "example.com/zone": "z0", "weight": "5", "empty": ""}
FIELDS = {"metadata.name": "web-1", "status.phase": "Running"}


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("app=web", True),
        ("app==web", True),
        ("app = web , tier=frontend", True),
        ("app=web,tier=backend", False),
        ("app!=web", False),
        ("absent!=web", True),
        ("app", True),
        ("absent", False),
        ("!absent", True),
        ("!app", False),
        ("app in (api, web)", True),
        ("app in (api)", False),
        ("app notin (api),tier in (frontend,backend)", True),
        ("absent notin (api)", True),
        ("absent in (api)", False),
        ("example.com/zone=z0", True),
        ("weight>4", True),
        ("weight>5", False),
        ("weight<6,app", True),
        ("app>4", False),
        ("empty=", True),
        ("tier=", False),
    ],
)
def test_a_label_selector_matches(text: str, want: bool) -> None:
    match = parse_labels(text)
    assert match is not None
    assert match(LABELS) is want


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_selector_is_none(text: str) -> None:
    assert parse_labels(text) is None
    assert parse_fields(text, frozenset(FIELDS)) == (None, {})


@pytest.mark.parametrize(
    "text", ["=web", "app=web,", "app in web", "app=web tier=x", "!app=web", "a>b", ",", "a in (b"]
)
def test_what_is_no_label_selector_is_refused(text: str) -> None:
    with pytest.raises(QueryError, match="unable to parse requirement"):
        parse_labels(text)


@pytest.mark.parametrize(
    ("text", "want", "equal"),
    [
        ("metadata.name=web-1", True, {"metadata.name": "web-1"}),
        ("metadata.name==web-2", False, {"metadata.name": "web-2"}),
        ("status.phase!=Running", False, {}),
        ("status.phase!=Failed,metadata.name=web-1", True, {"metadata.name": "web-1"}),
    ],
)
def test_a_field_selector_matches(text: str, want: bool, equal: dict[str, str]) -> None:
    match, found = parse_fields(text, frozenset(FIELDS))
    assert match is not None
    assert match(FIELDS) is want
    assert found == equal


@pytest.mark.parametrize("text", ["status.phase", "spec.color=red", "a=b=c", "status.phase=Running,"])
def test_what_is_no_field_selector_is_refused(text: str) -> None:
    with pytest.raises(QueryError):
        parse_fields(text, frozenset(FIELDS))
