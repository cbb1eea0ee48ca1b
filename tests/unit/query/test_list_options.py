"""Options of a list: what is read, what is refused, and in which order."""

from __future__ import annotations

import pytest

from heapfast.errors import QueryError
from heapfast.query.field_selector import select_fields
from heapfast.query.list_options import InvalidOptions, parse_bool, parse_list_options

MATCH, VERSION, EVENTS = "resourceVersionMatch", "resourceVersion", "sendInitialEvents"


def test_nothing_said_means_everything() -> None:
    assert parse_list_options({}) == ((), select_fields(()), False, 0, "")


def test_a_limit_below_zero_is_none() -> None:
    assert parse_list_options({"limit": "-1"}).limit == 0
    assert parse_list_options({"limit": "+7", "continue": "t"})[3:] == (7, "t")


@pytest.mark.parametrize("text", ["", "abc", "1.5", "0x10", " 1", "1_0", "9223372036854775808", "9" * 5000])
@pytest.mark.parametrize("name", ["limit", "timeoutSeconds"])
def test_numbers_that_are_none_are_refused(name: str, text: str) -> None:
    with pytest.raises(QueryError, match=r"^strconv\.ParseInt: parsing "):
        parse_list_options({name: text})


@pytest.mark.parametrize("text", ["9223372036854775807", "-9223372036854775808", "0" * 30 + "1"])
def test_numbers_of_64_bits_are_read(text: str) -> None:
    assert parse_list_options({"timeoutSeconds": text}).limit == 0


@pytest.mark.parametrize(
    ("text", "is_set"),
    [(None, False), ("0", False), ("false", False), ("False", False), ("", True), ("1", True), ("no", True)],
)
def test_a_flag_is_set_unless_it_says_no(text: str | None, is_set: bool) -> None:
    assert parse_bool(text) is is_set


@pytest.mark.parametrize(
    ("params", "first"),
    [
        ({"limit": "x", "labelSelector": "="}, "strconv"),
        ({"labelSelector": "=", "fieldSelector": "bad"}, "found '='"),
        ({"fieldSelector": "bad", MATCH: "Exact"}, "invalid selector"),
        ({"fieldSelector": "a=b", MATCH: "Exact"}, "resourceVersionMatch: Forbidden"),
        ({"fieldSelector": "a=b"}, '"a" is not a known field selector'),
    ],
)
def test_the_first_fault_in_the_reference_s_order_is_told(params: dict[str, str], first: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse_list_options(params)
    assert str(caught.value).startswith(first)


ILLEGAL = {
    "match without version": ({MATCH: "Exact"}, [MATCH]),
    "unknown match": ({MATCH: "Bogus", VERSION: "1"}, [MATCH]),
    "unknown match without version": ({MATCH: "Bogus"}, [MATCH, MATCH]),
    "match on a later page": ({MATCH: "Exact", VERSION: "1", "continue": "t"}, [MATCH]),
    "exactly any version": ({MATCH: "Exact", VERSION: "0"}, [MATCH]),
    "events of a list": ({EVENTS: ""}, [EVENTS]),
    "events of a watch": ({"watch": "1", EVENTS: "true", MATCH: "NotOlderThan"}, [EVENTS]),
    "events without match": ({"watch": "1", EVENTS: "true"}, [MATCH, EVENTS]),
    "match of a watch": ({"watch": "1", MATCH: "NotOlderThan"}, [MATCH]),
    "all of it": ({"watch": "1", MATCH: "Exact", "continue": "t"}, [MATCH, MATCH, MATCH]),
}


@pytest.mark.parametrize("case", ILLEGAL)
def test_options_that_do_not_go_together_are_all_named(case: str) -> None:
    params, fields = ILLEGAL[case]
    with pytest.raises(InvalidOptions) as caught:
        parse_list_options(params)
    assert [fault.field for fault in caught.value.faults] == fields
    assert str(caught.value).startswith("[" if len(fields) > 1 else fields[0])


@pytest.mark.parametrize("match", ["Exact", "NotOlderThan"])
def test_a_version_may_be_matched(match: str) -> None:
    assert parse_list_options({MATCH: match, VERSION: "5"}).limit == 0
