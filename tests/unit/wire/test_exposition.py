"""The text format and OpenMetrics, form by form: what is read, what is refused and where."""

from __future__ import annotations

import math
from typing import Any

import pytest

from heapfast.errors import ParseError
from heapfast.wire import naive_exposition
from heapfast.wire._exposition import parse_exposition

Samples = list[tuple[str, tuple[tuple[str, str], ...], float, int | None]]


def parse(body: str | bytes, openmetrics: bool = False) -> Samples:
    """Parses, and sees that the twin makes the same of it."""
    raw = body.encode() if isinstance(body, str) else body
    samples = parse_exposition(raw, openmetrics)
    assert repr(samples) == repr(naive_exposition.parse_exposition(raw, openmetrics))
    return samples


def refuse(body: str | bytes, openmetrics: bool = False) -> ParseError:
    """Sees that parser and twin refuse the body, in the same line."""
    raw = body.encode() if isinstance(body, str) else body
    with pytest.raises(ParseError) as caught:
        parse_exposition(raw, openmetrics)
    with pytest.raises(ParseError) as twin:
        naive_exposition.parse_exposition(raw, openmetrics)
    assert line_of(caught.value) == line_of(twin.value)
    return caught.value


def line_of(error: ParseError) -> str:
    return str(error).partition(": line ")[2].partition(":")[0]


#: One line, and the sample in it.
LINES: dict[str, tuple[str, Any]] = {
    "a name alone": ("a 1", ("a", (), 1.0, None)),
    "a time": ("a 1 1795337523500", ("a", (), 1.0, 1795337523500)),
    "no labels": ("a{} 1", ("a", (), 1.0, None)),
    "labels": ('a{b="c",d="e"} 1 2', ("a", (("b", "c"), ("d", "e")), 1.0, 2)),
    "labels in any order": ('a{d="e",b="c"} 1', ("a", (("d", "e"), ("b", "c")), 1.0, None)),
    "a label twice": ('a{b="1",b="2"} 1', ("a", (("b", "1"), ("b", "2")), 1.0, None)),
    "an empty value": ('a{b=""} 1', ("a", (("b", ""),), 1.0, None)),
    "a comma at the end": ('a{b="c",} 1', ("a", (("b", "c"),), 1.0, None)),
    "blanks and tabs": (' {\tb = "c" ,\td="e" , }  1 \t 2 \t', ("a", (("b", "c"), ("d", "e")), 1.0, 2)),
    "no blank behind labels": ('a{b="c"}1', ("a", (("b", "c"),), 1.0, None)),
    "punctuation in a value": ('a{b="},=#{ c"} 1', ("a", (("b", "},=#{ c"),), 1.0, None)),
    "the three escapes": (r'a{b="\\\"\n"} 1', ("a", (("b", '\\"\n'),), 1.0, None)),
    "a backslash at the end": (r'a{b="\\",c="d"} 1', ("a", (("b", "\\"), ("c", "d")), 1.0, None)),
    "a backslash that escapes nothing": (r'a{b="\t\é"} 1', ("a", (("b", r"\t\é"),), 1.0, None)),
    "control characters in a value": ('a{b="\t\x01"} 1', ("a", (("b", "\t\x01"),), 1.0, None)),
    "a value longer than a block": (f'a{{b="{"é" * 40}"}} 1', ("a", (("b", "é" * 40),), 1.0, None)),
    "colons and digits in a name": ("_:a9:b 1", ("_:a9:b", (), 1.0, None)),
    "capitals": ('AZ_z0{Z_0="c"} 1', ("AZ_z0", (("Z_0", "c"),), 1.0, None)),
    "a quoted name": ('{"my.metric",a="b"} 1', ("my.metric", (("a", "b"),), 1.0, None)),
    "a quoted name alone": ('{ "my metric" } 1', ("my metric", (), 1.0, None)),
    "a quoted name last": ('{a="b","é"} 1', ("é", (("a", "b"),), 1.0, None)),
    "a quoted name with escapes": (r'{"\"\\"} 1', ('"\\', (), 1.0, None)),
    "a quoted label": ('a{"b.c"="d"} 1', ("a", (("b.c", "d"),), 1.0, None)),
    "leading zeros of a time": ("a 1 0000000001795337523500", ("a", (), 1.0, 1795337523500)),
    "time 0": ("a 1 0", ("a", (), 1.0, 0)),
    "a negative time": ("a 1 -62135596800000", ("a", (), 1.0, -62135596800000)),
    "the largest time": ("a 1 9223372036854775807", ("a", (), 1.0, 2**63 - 1)),
    "the smallest time": ("a 1 -9223372036854775807", ("a", (), 1.0, 1 - 2**63)),
}  # fmt: skip


@pytest.mark.parametrize(("line", "sample"), LINES.values(), ids=LINES.keys())
def test_line_is_read(line: str, sample: tuple[Any, ...]) -> None:
    line = line if line[0] != " " else f"a{line}"
    assert parse(line) == [sample]
    assert parse(f"x 0\n{line}\n{line}\n")[1:] == [sample, sample]


VALUES = {
    "0": 0.0, "000150": 150.0, "+1": 1.0, "-1": -1.0, ".5": 0.5, "5.": 5.0, "1.5": 1.5, "0.3": 0.3, "1e3": 1000.0,
    "1E+3": 1000.0, "1.5e-3": 0.0015, "1.5e+09": 1.5e9, "3.4400333824e+10": 34400333824.0, "1.e1": 10.0, ".1e1": 1.0,
    "17422.815957711": 17422.815957711, "1.7000783404035501e+09": 1700078340.4035501,
    "9007199254740993": 9007199254740992.0, "9007199254740993.0": 9007199254740992.0,
    "9007199254740993.1": 9007199254740994.0, "90071992547409.93": 90071992547409.93,
    "1.8446744073709552e+19": 2.0**64, "18446744073709551615": 2.0**64, "9999999999999999999": 1e19,
    "0.1234567890123456789": 0.1234567890123456789, "1e22": 1e22, "1e23": 1e23, "1e-22": 1e-22, "1e-23": 1e-23,
    "123456789012345678e-19": 0.0123456789012345678, "1e308": 1e308, "1e-320": 1e-320, "1e-400": 0.0, "-0": -0.0,
    "1e00000000000000000003": 1000.0, "0e99999": 0.0, "150." + "123456789" * 40: 150.123456789123456789,
    "Inf": math.inf, "+Inf": math.inf, "-inf": -math.inf, "iNfInItY": math.inf, "-Infinity": -math.inf,
}  # fmt: skip


@pytest.mark.parametrize("text", VALUES)
def test_value_is_the_nearest_double(text: str) -> None:
    for line in (f"a {text}", f"a {text}\n", f"a{{}}{text} 5"):
        ((_, _, value, _),) = parse(line)
        assert repr(value) == repr(VALUES[text])


@pytest.mark.parametrize("text", ["NaN", "nan", "NAN"])
def test_nan_is_a_value(text: str) -> None:
    ((_, _, value, _),) = parse(f"a {text}")
    assert math.isnan(value)


#: What is wrong, the body, and where the first byte stands that does not fit.
BROKEN: dict[str, tuple[str | bytes, int, str]] = {
    "a word": ("garbage", 7, "value"),
    "a word and a newline": ("garbage\n", 7, "value"),
    "words": ("a b c", 2, "value"),
    "HTML": ("<html>\n", 0, "name"),
    "JSON": ('{"a": 1}', 4, "name"),
    "a byte order mark": ("\ufeffa 1", 0, "name"),
    "a name with a digit in front": ("1a 1", 0, "name"),
    "a name that is not ASCII": ("hé 1", 1, "name"),
    "a point in a name": ("a.b 1", 1, "name"),
    "a value at the name": ("a+5", 1, "name"),
    "a blank in front": ("a 1\n b 1", 4, "name"),
    "a blank line": ("a 1\n \nb 1", 4, "name"),
    "labels without a name": ('{a="b"} 1', 6, "name"),
    "labels that are nothing": ("{} 1", 1, "name"),
    "NUL in a name": ("x\0y 1", 1, "name"),
    "a comma in front": ('a{,b="c"} 1', 2, "labels"),
    "two commas": ('a{b="c",,d="e"} 1', 8, "labels"),
    "two commas at the end": ('a{b="c",,} 1', 8, "labels"),
    "no comma": ('a{b="c" d="e"} 1', 8, "labels"),
    "no quotes": ("a{b=c} 1", 4, "labels"),
    "single quotes": ("a{b='c'} 1", 4, "labels"),
    "no equals sign": ('a{b"c"} 1', 3, "labels"),
    "no label name": ('a{="c"} 1', 2, "labels"),
    "an empty quoted label": ('a{""="c"} 1', 4, "labels"),
    "a digit before a label": ('a{1b="c"} 1', 2, "labels"),
    "a colon in a label": ('a{b:c="d"} 1', 3, "labels"),
    "two names": ('a{"b"} 1', 5, "labels"),
    "two quoted names": ('{"a","b"} 1', 8, "labels"),
    "an empty quoted name": ('{""} 1', 3, "labels"),
    "labels that do not end": ('a{b="c"', 7, "labels"),
    "labels that end with the line": ('a{b="c"\n} 1', 7, "labels"),
    "a value that does not end": ('a{b="c', 6, "quotes"),
    "a value that ends with the line": ('a{b="c\n"} 1', 6, "quotes"),
    "a backslash at the end of the line": ('a{b="c\\\n"} 1', 7, "quotes"),
    "a backslash at the end of all": ('a{b="c\\', 7, "quotes"),
    "NUL in a value": ('a{b="c\0"} 1', 6, "NUL"),
    "Latin-1 in a value": (b'a{b="\xe9"} 1', 5, "UTF-8"),
    "half a character": (b'a{b="12345678\xc3"} 1', 13, "UTF-8"),
    "a surrogate": (b'a{b="\xed\xa0\x80"} 1', 5, "UTF-8"),
    "Latin-1 in help": (b"# HELP a \xe9\n", 9, "UTF-8"),
    "NUL in a comment": (b"#12345678901234\x00\n", 15, "NUL"),
    "Latin-1 in a quoted name": (b'{"\xe9"} 1', 2, "UTF-8"),
    "no value": ("a \n", 2, "value"),
    "no value behind labels": ('a{b="c"}', 8, "value"),
    "a hexadecimal value": ("a 0x1F", 3, "value"),
    "a hexadecimal float": ("a 0x1p3", 3, "value"),
    "an underscore": ("a 1_0", 3, "value"),
    "a comma for a point": ("a 1,5", 3, "value"),
    "a unit": ("a 15s", 4, "value"),
    "a quoted value": ('a "1"', 2, "value"),
    "a point alone": ("a .", 2, "value"),
    "a sign alone": ("a - 1", 2, "value"),
    "two signs": ("a --1", 2, "value"),
    "an exponent alone": ("a e5", 2, "value"),
    "an exponent without digits": ("a 1e", 2, "value"),
    "a fraction in an exponent": ("a 1e2.0", 5, "value"),
    "NaN with a sign": ("a -NaN", 2, "value"),
    "half of infinity": ("a infin", 5, "value"),
    "a value beyond doubles": ("a 1e400", 2, "value"),
    "a huge exponent": ("a 1e99999999999999999999", 2, "value"),
    "a number of 401 digits": ("a " + "1" * 401, 2, "value"),
    "a time that is a word": ("a 1 abc", 4, "end of the line"),
    "a plus sign before a time": ("a 1 +5", 4, "end of the line"),
    "a fraction of a time": ("a 1 1.5", 5, "end of the line"),
    "an exponent of a time": ("a 1 1e3", 5, "end of the line"),
    "a minus sign for a time": ("a 1 -", 4, "time"),
    "a time beyond 64 bits": ("a 1 9223372036854775808", 4, "time"),
    "a time of 20 digits": ("a 1 18446744073709551616", 4, "time"),
    "a third number": ("a 1 2 3", 6, "end of the line"),
    "an exemplar": ('a 1 2 # {b="c"} 1', 6, "end of the line"),
    "a carriage return inside": ("a 1\r2", 3, "end of the line"),
    "a carriage return at the end": ("a 1\r", 3, "end of the line"),
    "an unknown type": ("# TYPE a nonsense\n", 9, "type"),
    "half a type": ("# TYPE a count\n", 9, "type"),
    "no type": ("# TYPE a\n", 8, "type"),
    "a type at its name": ("# TYPE agauge\n", 13, "type"),
    "no type and a blank": ("# TYPE a ", 9, "type"),
    "a type of nothing": ("# TYPE 1 gauge", 7, "type"),
    "a type and more": ("# TYPE a gauge b", 15, "end of the line"),
    "a type of half a name": ('# TYPE "a gauge', 15, "quotes"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "offset", "what"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_line_is_refused_where_it_breaks(body: str | bytes, offset: int, what: str) -> None:
    raw = body.encode() if isinstance(body, str) else body
    error = refuse(raw)
    assert error.offset == offset
    assert what in str(error)
    # Far from both ends, and with a line end behind it where that changes nothing.
    before = b'x{y="z"} 1 2\n# HELP x\n\n'
    later = refuse(before + raw + (b"" if raw.endswith((b"\n", b"\r", b"\\")) else b"\nb 1\n"))
    assert later.offset == len(before) + offset
    assert f"line {4 + raw.count(10, 0, offset)}: " in str(later)


COMMENTS = {
    "nothing": "", "newlines": "\n\n", "a number sign": "#", "a comment": "#comment\n", "help": "# HELP a b\\nc \\d\n",
    "help without text": "# HELP a\n", "help for nothing": "# HELP\n", "the end of OpenMetrics": "# EOF\n",
    "a unit": "# UNIT a seconds\n", "a comment that is not ASCII": "# é\n", "TYPE as a word": "# TYPES of things\n",
    "TYPE alone": "# TYPE", "TYPE without a blank": "#TYPE a gauge", "TYPE of old": "# TYPE a untyped\n",
    "TYPE with blanks": "#  TYPE \t a \t histogram \n", "TYPE quoted": '# TYPE "a b" counter',
    "TYPE of OpenMetrics": "# TYPE a info\n# TYPE b stateset\n# TYPE c gaugehistogram\n# TYPE d unknown\n",
    "TYPE without a blank behind quotes": '# TYPE "a"summary',
}  # fmt: skip


@pytest.mark.parametrize("body", COMMENTS.values(), ids=COMMENTS.keys())
def test_comment_is_passed_over(body: str) -> None:
    assert parse(body) == []
    body = body if body.endswith("\n") else f"{body}\n"
    assert parse(f"a 1\n{body}a 2") == [("a", (), 1.0, None), ("a", (), 2.0, None)]


def test_lines_may_end_in_cr_lf() -> None:
    body = '# TYPE a gauge\r\n\r\na{b="c"} 1\r\na 1 2 \r\n#\r\n'
    assert parse(body) == [("a", (("b", "c"),), 1.0, None), ("a", (), 1.0, 2)]


def test_a_line_that_begins_as_the_one_before_may_have_a_longer_name() -> None:
    body = 'a 1\na_b 2\na_b{c="d"} 3\na{c="d"} 4\na:b 5\n{"a.b"} 6\na 7\nab'
    assert [sample[0] for sample in parse(f"{body} 8")] == ["a", "a_b", "a_b", "a", "a:b", "a.b", "a", "ab"]
    assert refuse(f"{body}\n").offset == len(body)


OPENMETRICS = {
    "seconds": ("a 1 1520879607.789", ("a", (), 1.0, 1520879607789)),
    "whole seconds": ("a 1 5", ("a", (), 1.0, 5000)),
    "seconds before 1970": ("a 1 -1.5", ("a", (), 1.0, -1500)),
    "seconds with an exponent": ("a 1 1.5e9", ("a", (), 1.0, 1500000000000)),
    "the nearest millisecond": ("a 1 0.0016", ("a", (), 1.0, 2)),
    "an exemplar": ('a{b="c"} 1 # {d="e"} 0.5', ("a", (("b", "c"),), 1.0, None)),
    "an exemplar with a time": ('a 1 2 # {d="e",f="\\""} 0.5 1.5', ("a", (), 1.0, 2000)),
    "an exemplar without labels": ("a 1 # {} 1", ("a", (), 1.0, None)),
}


@pytest.mark.parametrize(("line", "sample"), OPENMETRICS.values(), ids=OPENMETRICS.keys())
def test_openmetrics_line_is_read(line: str, sample: tuple[Any, ...]) -> None:
    assert parse(f"# UNIT a seconds\n{line}\n# EOF\n", openmetrics=True) == [sample]
    assert parse(f"{line}\r\n# EOF\r\n", openmetrics=True) == [sample]
    assert parse(f"{line}\n# EOF", openmetrics=True) == [sample]


BROKEN_OPENMETRICS = {
    "no end": ("a 1\n", 4, "EOF"),
    "nothing at all": ("", 0, "EOF"),
    "a comment at the end": ("a 1\n# eof\n", 10, "EOF"),
    "an end with a blank": ("# EOF \n", 7, "EOF"),
    "a line behind the end": ("# EOF\na 1\n", 6, "EOF"),
    "an empty line behind the end": ("# EOF\n\n", 6, "EOF"),
    "two ends": ("# EOF\n# EOF\n", 6, "EOF"),
    "a time that is no number": ("a 1 1.5.5\n# EOF\n", 7, "time"),
    "a time beyond 64 bits": ("a 1 9223372036854775807\n# EOF\n", 4, "time"),
    "an exemplar without braces": ("a 1 # 5\n# EOF\n", 6, "end of the line"),
    "an exemplar without a value": ("a 1 # {}\n# EOF\n", 8, "value"),
    "an exemplar with a name": ('a 1 # {"b"} 5\n# EOF\n', 10, "labels"),
    "an exemplar at infinity": ("a 1 # {} 5 Inf\n# EOF\n", 11, "time"),
    "two exemplars": ("a 1 # {} 5 # {} 5\n# EOF\n", 11, "time"),
    "an exemplar at the value": ("a 1# {} 5\n# EOF\n", 3, "value"),
    "an exemplar at the time": ("a 1 2# {} 5\n# EOF\n", 5, "time"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "offset", "what"), BROKEN_OPENMETRICS.values(), ids=BROKEN_OPENMETRICS.keys())
def test_broken_openmetrics_is_refused_where_it_breaks(body: str, offset: int, what: str) -> None:
    error = refuse(body, openmetrics=True)
    assert error.offset == offset
    assert what in str(error)


BODY = (
    b'# HELP a b\\n\xc3\xa9 c\n# TYPE a counter\n\na{b="c\\"\xc3\xa9",d="e",} 17000.25 1795337523500\n'
    b'{"f.g", "h" = "i"} +1.5e-05 \na NaN\na{b="c"}-Infinity 7'
)


@pytest.mark.parametrize("openmetrics", [False, True])
def test_body_cut_anywhere_is_read_or_refused_as_its_twin_says(openmetrics: bool) -> None:
    body = BODY + (b"\n# EOF\n" if openmetrics else b"")
    outcomes = set()
    for size in range(len(body) + 1):
        # An exact copy, so that a sanitizer sees a read beyond it.
        cut = bytearray(body[:size])
        try:
            want = naive_exposition.parse_exposition(bytes(cut), openmetrics)
        except ParseError:
            with pytest.raises(ParseError) as caught:
                parse_exposition(memoryview(cut), openmetrics)
            assert caught.value.offset <= size
            outcomes.add("refused")
        else:
            assert repr(parse_exposition(memoryview(cut), openmetrics)) == repr(want)
            outcomes.add("read")
    assert outcomes == {"read", "refused"}


def test_any_contiguous_buffer_is_a_body() -> None:
    want = repr(parse(BODY))
    window = memoryview(b"\xff" + BODY + b"\xff")[1:-1]
    for form in (bytearray(BODY), memoryview(BODY), window):
        assert repr(parse_exposition(form)) == want
    with pytest.raises(BufferError):
        parse_exposition(memoryview(b"a  1")[::2])


@pytest.mark.parametrize("body", [None, "a 1", 7])
def test_what_has_no_bytes_is_a_type_error(body: object) -> None:
    with pytest.raises(TypeError):
        parse_exposition(body)  # type: ignore[arg-type]


def test_body_has_a_limit() -> None:
    # Zeroed pages that nobody touches cost no memory.
    with pytest.raises(ParseError, match="at most 1073741824"):
        parse_exposition(bytearray(2**30 + 1))
