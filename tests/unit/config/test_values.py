"""The spellings of Go's flag values."""

import pytest

from heapfast.config.values import parse_bool, parse_duration, parse_int, parse_list

SECOND_NS = 1_000_000_000


@pytest.mark.parametrize(
    ("text", "duration_ns"),
    [
        ("0", 0),
        ("60s", 60 * SECOND_NS),
        ("1m30s", 90 * SECOND_NS),
        ("1.5h", 5400 * SECOND_NS),
        (".5s", SECOND_NS // 2),
        ("1.s", SECOND_NS),
        ("+2ms", 2_000_000),
        ("-1m", -60 * SECOND_NS),
        ("3us", 3_000),
        ("3\u00b5s", 3_000),
        ("3\u03bcs", 3_000),
        ("7ns", 7),
        ("0.9ns", 0),
        ("1h1m1s1ms1us1ns", 3661 * SECOND_NS + 1_001_001),
        ("1s1h", 3601 * SECOND_NS),
    ],
)
def test_durations_are_read_as_in_go(text: str, duration_ns: int) -> None:
    assert parse_duration(text) == duration_ns


@pytest.mark.parametrize("text", ["", "5", "-", "s", "1x", "1h1", "1 s", " 1s", ".s", "1_0s", "\u0661s", "2562048h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a duration such as"):
        parse_duration(text)


def test_booleans_are_read_in_every_spelling_of_go() -> None:
    assert all(parse_bool(text) for text in ("1", "t", "T", "TRUE", "true", "True"))
    assert not any(parse_bool(text) for text in ("0", "f", "F", "FALSE", "false", "False"))


@pytest.mark.parametrize("text", ["", "yes", "tRUE", "2", "on", " true"])
def test_what_is_no_boolean_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="true or false"):
        parse_bool(text)


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("8082", 8082), ("-1", -1), ("0x1F", 31)])
def test_integers_are_read_in_every_base(text: str, value: int) -> None:
    assert parse_int(text) == value


@pytest.mark.parametrize("text", ["", "1.0", "1e3", "eight"])
def test_what_is_no_integer_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="an integer"):
        parse_int(text)


@pytest.mark.parametrize(
    ("text", "items"),
    [("", []), ("a", ["a"]), ("a,b", ["a", "b"]), ('"a,b",c', ["a,b", "c"]), ("a,", ["a", ""])],
)
def test_lists_are_lines_of_csv(text: str, items: list[str]) -> None:
    assert parse_list(text) == items


def test_a_list_with_an_open_quote_is_refused() -> None:
    with pytest.raises(ValueError, match="quotes in pairs"):
        parse_list('"a,b')
