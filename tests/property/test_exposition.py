"""The text format on generated bodies: parse(render(x)) == x, numbers as Python reads them, and both twins."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from hypothesis import example, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from heapfast.errors import ParseError
from heapfast.wire import naive_exposition
from heapfast.wire._exposition import parse_exposition
from heapfast.wire._resource import parse_resource
from heapfast.wire._rows import Rows

Text = st.SearchStrategy[str]

NAMES = st.from_regex(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,40}", fullmatch=True)
LABEL_NAMES = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,20}", fullmatch=True)
#: Anything but NUL and half surrogate pairs.
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
FLOATS = st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack("<d", struct.pack("<Q", bits))[0])
BLANKS = st.sampled_from(["", "", "", " ", "\t", "  \t "])
GAPS = st.sampled_from([" ", " ", "\t", " \t "])
BETWEEN = st.sampled_from(["", "", "\n", "# TYPE a gauge\n", "# HELP a é\\n\n", "#\n", "#a{\n"])


class Line(NamedTuple):
    """A sample, and how it is spelled."""

    sample: tuple[str, tuple[tuple[str, str], ...], float, int | None]
    text: str


def escaped(text: str) -> str:
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'


@st.composite
def lines(draw: st.DrawFn, plain: bool = False) -> Line:
    """One sample. `plain` leaves out what prometheus-client does not read, or not so."""
    blanks = st.just("") if plain else BLANKS
    name = draw(NAMES)
    labels = tuple(draw(st.lists(st.tuples(LABEL_NAMES, TEXTS), max_size=4, unique_by=lambda label: label[0])))
    value = draw(FLOATS if plain else st.one_of(FLOATS, st.sampled_from([float("inf"), -float("inf"), 0.0])))
    time_ms = draw(st.none() | (st.integers(0, 2**45) if plain else st.integers(1 - 2**63, 2**63 - 1)))
    items = [f"{key}{draw(blanks)}={draw(blanks)}{escaped(text)}" for key, text in labels]
    is_quoted = not plain and draw(st.booleans())
    if is_quoted:
        name = draw(TEXTS.filter(bool))
        items.insert(draw(st.integers(0, len(items))), escaped(name))
    braces = "{" + ",".join(f"{draw(blanks)}{item}{draw(blanks)}" for item in items) + "}"
    head = braces if is_quoted else name + (braces if labels or draw(st.booleans()) else "")
    time = "" if time_ms is None else f"{draw(GAPS)}{time_ms}"
    spelled = str(value) if plain else draw(st.sampled_from([repr(value), repr(value).upper(), f"{value:.17e}"]))
    return Line((name, labels, value, time_ms), f"{head}{draw(GAPS)}{spelled}{time}{draw(blanks)}")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(BETWEEN, lines()), max_size=6), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_what_is_rendered_is_read(body: list[tuple[str, Line]], end: str, ends: bool) -> None:
    text = "".join(f"{between}{line.text}{end}" for between, line in body)
    raw = (text if ends else text.removesuffix(end)).encode()
    assert repr(parse_exposition(raw)) == repr([line.sample for _, line in body])


@settings(max_examples=200, deadline=None)
@given(st.lists(lines(plain=True), max_size=6))
def test_what_is_rendered_reads_as_in_prometheus_client(body: list[Line]) -> None:
    text = "".join(f"{line.text}\n" for line in body)
    theirs = [
        (sample.name, tuple(sample.labels.items()), float(sample.value), sample.timestamp)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]
    ours = [
        (name, labels, value, None if time_ms is None else time_ms / 1000)
        for name, labels, value, time_ms in parse_exposition(text.encode())
    ]
    assert sorted(map(repr, ours)) == sorted(map(repr, theirs))


DIGITS = st.text("0123456789", min_size=1, max_size=25)
DECIMALS = st.one_of(
    st.builds("{}{}.{}".format, st.sampled_from(["", "-", "+"]), DIGITS, DIGITS),
    st.builds("{}e{}".format, DIGITS, st.integers(-330, 330)),
    st.builds("{}.{}E{:+}".format, DIGITS, DIGITS, st.integers(-60, 60)),
    st.builds(".{}".format, DIGITS),
    FLOATS.filter(lambda value: value - value == 0).map(repr),
)


@st.composite
def ties(draw: st.DrawFn) -> str:
    """A decimal that lies exactly between two doubles, or a digit beside that."""
    odd = 2 * draw(st.integers(2**52, 2**53 - 1)) + 1
    power = draw(st.integers(1, 12))
    return f"{odd * 5**power + draw(st.sampled_from([-1, 0, 0, 1]))}e-{power}"


@settings(max_examples=1000, deadline=None)
@given(st.one_of(DECIMALS, ties()))
@example("9007199254740993")
@example("1.7976931348623158e308")
@example("1.7976931348623159e308")
@example("2.2250738585072011e-308")
def test_number_is_the_double_that_python_reads(text: str) -> None:
    want = float(text)
    try:
        ((_, _, value, _),) = parse_exposition(f"a {text}".encode())
    except ParseError:
        assert abs(want) == float("inf")
    else:
        assert repr(value) == repr(want)


#: Few pieces, so that whole lines are common, and nearly whole ones.
PIECES = st.sampled_from(
    [
        *("a", "a", "a", "b:c", " ", " ", " ", "\t", "\n", "\n", "\r\n", "\r", "é", "\0", "\\", "\\n"),
        *("{", "{", "}", "}", ",", "=", '"', '"', '"c"', '"d\\"e"', 'f="g"', 'f="g"', '"h"="i"'),
        *("1", "1", "+1.5e3", ".5", "5.", "-", "NaN", "Inf", "infinity", "0x1", "1_0", "1.5"),
        *("1795337523500", "-5", "9223372036854775808"),
        *("#", "# TYPE a gauge\n", "# TYPE ", "gauge", "# HELP", "# EOF", "# EOF\n", "# {} 1"),
    ]
)


#: Names of labels that begin as others do, some longer than what is compared at once; one of them is none.
ALIKE = st.sampled_from(["a", "ab", "a1", "a_b", "pod", "pods", "n" * 14, "n" * 15, "n" * 16, "n" * 17, "1a"])
ALIKE_LABELS = st.builds('{}{}={}"{}"'.format, ALIKE, BLANKS, BLANKS, st.sampled_from(["", "a", "x" * 20]))
ALIKE_LINES = st.lists(ALIKE_LABELS, max_size=6).map(lambda labels: f"a{{{','.join(labels)}}} 1")

#: Text that is read many bytes at a time, with something odd wherever it may be.
ODD = st.sampled_from([b"", b"\0", b"\x1f", b"\x7f", b"\xc3\xa9", b"\xc3", b"\xff", b"\\n", b"\\\0", b"\\\xff", b"\t"])
ODD_TEXTS = st.lists(st.builds(lambda n, odd: b"x" * n + odd, st.integers(0, 20), ODD), max_size=3).map(b"".join)


@settings(max_examples=500, deadline=None)
@given(st.lists(ALIKE_LINES, max_size=4).map("\n".join), st.integers(0, 20))
def test_names_of_labels_that_look_alike_agree_with_their_twin(text: str, behind: int) -> None:
    agree_on((text + "\n" * behind).encode(), openmetrics=False)


@settings(max_examples=500, deadline=None)
@given(ODD_TEXTS, st.integers(0, 20))
@example(b"xxxxxxx\0", 0)
@example(b"\xff", 0)
def test_odd_bytes_in_text_agree_with_their_twin(text: bytes, behind: int) -> None:
    agree_on(b'{"a",b="' + text + b'"} 1' + b"\n" * behind, openmetrics=False)
    agree_on(b"#" + text + b"\n" * behind, openmetrics=False)


@settings(max_examples=1500, deadline=None)
@given(st.lists(PIECES, max_size=14).map("".join), st.booleans())
def test_scanner_agrees_with_its_twin(text: str, openmetrics: bool) -> None:
    agree_on(text.encode(), openmetrics=openmetrics)


def agree_on(raw: bytes, *, openmetrics: bool) -> None:
    found = outcome(parse_exposition, raw, openmetrics)
    want = outcome(naive_exposition.parse_exposition, raw, openmetrics)
    if isinstance(found, ParseError) and isinstance(want, ParseError):
        assert 0 <= found.offset <= len(raw)
        assert line_of(found) == line_of(want)
    else:
        assert repr(found) == repr(want)


def outcome(parse: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return parse(*arguments)
    except ParseError as error:
        return error


def line_of(error: ParseError) -> str:
    return str(error).partition(": line ")[2].partition(":")[0]


def one_of_few(*texts: str) -> Text:
    return st.sampled_from(texts)


FAMILIES = one_of_few(
    "container_cpu_usage_seconds_total", "container_memory_working_set_bytes", "container_start_time_seconds",
    "node_cpu_usage_seconds_total", "node_memory_working_set_bytes", "container_swap_usage_bytes",
    "node_swap_usage_bytes", "other", "another",
)  # fmt: skip
FEW = one_of_few("a", "a", "b", "ab", "", "c\\\\", "é")
CONTAINERS = st.one_of(
    st.builds('{{container="{}",namespace="{}",pod="{}"}}'.format, FEW, FEW, FEW),
    st.builds('{{pod="{}",x="y",namespace="{}",container="{}"}}'.format, FEW, FEW, FEW),
    st.builds('{{namespace="{}",pod="{}"}}'.format, FEW, FEW),
    one_of_few(
        "", "{}", '{container="a",namespace="a",pod="a"}', '{container="a",container="b",namespace="a",pod="a"}'
    ),
)
VALUES = one_of_few("0", "1", "1.001", "1.25e+07", "17422.815957711", "NaN", "-1", "9.3e18", "1e300", "+Inf", "-0.5")
TIMES = one_of_few("", "", " 0", " 5", " 1795337523500", " -1", " 9223372036854775807")
SERIES = st.builds("{}{} {}{}".format, FAMILIES, CONTAINERS, VALUES, TIMES)


@st.composite
def resource_bodies(draw: st.DrawFn) -> str:
    """Families one after the other, as kubelets write them, with odd lines between."""
    containers = draw(st.lists(CONTAINERS, max_size=6))
    out = []
    for family in draw(st.lists(FAMILIES, max_size=5)):
        out += [f"{family}{labels} {draw(VALUES)}{draw(TIMES)}" for labels in containers if draw(st.integers(0, 9))]
        out += draw(st.lists(st.one_of(SERIES, one_of_few("", "# TYPE a gauge", '{"other"} 1', "other")), max_size=1))
    return "\n".join(out)


@settings(max_examples=500, deadline=None)
@given(resource_bodies(), st.sampled_from([naive_exposition.TIME_ZERO, 0, 77]), st.booleans())
def test_resource_metrics_agree_with_their_twin(body: str, requested_ns: int, wants_swap: bool) -> None:
    raw, rows = body.encode(), Rows()
    found = outcome(parse_resource, raw, rows, requested_ns, wants_swap)
    want = outcome(naive_exposition.parse_resource, raw, requested_ns, wants_swap)
    rows.check()
    assert (rows.bad_offset >= 0) == (rows.bad_values > 0)
    if isinstance(found, ParseError):
        assert isinstance(want, ParseError)
        assert len(rows) == 0
    else:
        assert (rows.to_dicts(), rows.bad_values) == want
