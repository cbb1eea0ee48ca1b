"""Kubernetes quantities: the tables of the specs, and a naive twin in Fractions."""

from __future__ import annotations

import math
import re
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from heapfast.codec._quantity import (
    format_cpu_millicores,
    format_cpu_nanocores,
    format_memory_bytes,
    parse_milli_value,
    parse_value,
)
from heapfast.errors import ParseError

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1

# spec/heapster-pipeline.md 5.2.4, in its order.
READING = [
    pytest.param("250m", 250, 1, id="Q-01 value rounds up"),
    pytest.param("0.1", 100, 1, id="Q-02"),
    pytest.param("1.5", 1500, 2, id="Q-03"),
    pytest.param("100u", 1, 1, id="Q-04 never down to zero"),
    pytest.param("1500u", 2, 1, id="Q-05"),
    pytest.param("0.0005", 1, 1, id="Q-06"),
    pytest.param("-1500u", -2, -1, id="Q-07 away from zero"),
    pytest.param("64Mi", 67108864000, 67108864, id="Q-08"),
    pytest.param("1.5Gi", 1610612736000, 1610612736, id="Q-09"),
    pytest.param("0.1Gi", 107374182400, 107374183, id="Q-10"),
    pytest.param("1.1Gi", 1181116006400, 1181116007, id="Q-11"),
    pytest.param("128M", 128000000000, 128000000, id="Q-12 decimal"),
    pytest.param("129e6", 129000000000, 129000000, id="Q-13"),
    pytest.param("1E", 0, 10**18, id="Q-14 decimal overflow is 0"),
    pytest.param("8Ei", -1000, INT64_MAX, id="Q-15 capped, then wrapped"),
    pytest.param("0", 0, 0, id="zero"),
    pytest.param("00.0m", 0, 0, id="zero with everything"),
    pytest.param("+5", 5000, 5, id="plus"),
    pytest.param("5.", 5000, 5, id="nothing after the point"),
    pytest.param(".5", 500, 1, id="nothing before the point"),
    pytest.param("1e-3", 1, 1, id="negative exponent"),
    pytest.param("1E+3", 10**6, 1000, id="exponent with capital and sign"),
    pytest.param("1n", 1, 1, id="smallest suffix"),
    pytest.param("3k", 3 * 10**6, 3000, id="k is decimal"),
    pytest.param("999999999999999999", 0, 10**18 - 1, id="18 digits, milli overflows"),
    pytest.param("9223372036854775807", -1000, INT64_MAX, id="19 digits wrap"),
    pytest.param("-8Ei", 1000, -INT64_MAX, id="negative, capped, then wrapped"),
    pytest.param("1e400", 0, 0, id="exponent beyond all sense"),
    pytest.param("1e-99999999999999999999", 1, 1, id="exponent below all sense"),
    pytest.param("0.00000000000000000000000001", 1, 1, id="26 digits after the point"),
    pytest.param("1234567890123456789.5n", 1234567890124, 1234567891, id="20 digits, exact"),
]

BAD = ["", "-", ".", "m", "abc", "1x", "1 ", " 1", "1KI", "1ki", "1K", "1mm", "1e", "1e+", "1e1x", "1.5.5", "--1"]
BAD += ["1,5", "1Kib", "0x10", "nan", "\N{ARABIC-INDIC DIGIT ONE}", "1\0", "5 Gi", "1ui"]


@pytest.mark.parametrize(("text", "milli_value", "value"), READING)
def test_quantity_reads_as_the_reference_does(text: str, milli_value: int, value: int) -> None:
    assert (parse_milli_value(text), parse_value(text)) == (milli_value, value)


@pytest.mark.parametrize("text", BAD)
@pytest.mark.parametrize("parse", [parse_milli_value, parse_value])
def test_bad_text_is_a_parse_error_with_an_offset(parse, text: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse(text)
    assert 0 <= caught.value.offset <= len(text)
    assert caught.value.what == "quantity"


def test_offset_points_at_the_first_byte_that_does_not_fit() -> None:
    with pytest.raises(ParseError) as caught:
        parse_value("12.5furlongs")
    assert caught.value.offset == 4


def test_overlong_text_is_refused() -> None:
    assert parse_value("0" * 127 + "7") == 7
    with pytest.raises(ParseError, match="at most 128"):
        parse_value("0" * 128 + "7")


SUFFIX = {"": 0, "n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


def naive_read(text: str, scale: int) -> int:
    """The rules of spec 5.2.4 and N9, one after the other, in exact fractions."""
    sign, whole, fraction, suffix = re.fullmatch(r"([+-]?)0*(\d*)\.?(\d*)(.*)", text).groups()
    number = Fraction(int((whole + fraction) or "0"), 10 ** len(fraction))
    if suffix in BINARY:
        number = min(number * 2 ** BINARY[suffix], Fraction(INT64_MAX))
    elif suffix in SUFFIX:
        number *= Fraction(10) ** SUFFIX[suffix]
    else:
        number *= Fraction(10) ** int(suffix[1:])
    result = math.ceil(number * 10**scale)
    if result > INT64_MAX and suffix not in BINARY and max(1, len(whole)) + len(fraction) <= 18:
        return 0
    result = -result if sign == "-" else result
    return (result - INT64_MIN) % 2**64 + INT64_MIN


@st.composite
def quantities(draw: st.DrawFn) -> str:
    whole = draw(st.text("0123456789", min_size=1, max_size=24))
    fraction = draw(st.one_of(st.just(""), st.text("0123456789", max_size=24).map(lambda digits: "." + digits)))
    exponent = st.tuples(st.sampled_from("eE"), st.integers(-40, 40)).map(lambda e: f"{e[0]}{e[1]}")
    suffix = draw(st.one_of(st.sampled_from([*SUFFIX, *BINARY]), exponent))
    return draw(st.sampled_from(["", "-", "+"])) + whole + fraction + suffix


@given(quantities(), st.sampled_from([0, 3]))
@example("999999999999999999Ei", 3)
@example("7.99999999999999999Ei", 3)
@example("0.000000000000000001Ei", 0)
@example("9223372036854775.807k", 0)
@example("9223372036854775.808k", 0)
def test_reading_agrees_with_the_naive_twin(text: str, scale: int) -> None:
    assert (parse_milli_value if scale else parse_value)(text) == naive_read(text, scale)


# spec/heapster-rest.md 9.5.
CPU = {
    0: "0", 1: "1m", 15: "15m", 100: "100m", 250: "250m", 999: "999m", 1000: "1", 1001: "1001m", 1451: "1451m",
    1500: "1500m", 2000: "2", 2500: "2500m", 10000: "10", 12345: "12345m", 1000000: "1k", 1500000: "1500",
    -250: "-250m", -2000: "-2",
}  # fmt: skip
MEMORY = {
    0: "0", 1: "1", 500: "500", 999: "999", 1000: "1k", 1023: "1023", 1024: "1Ki", 1025: "1025", 1536: "1536",
    2000: "2000", 2048: "2Ki", 10240: "10Ki", 1000000: "1000000", 1048576: "1Mi", 1572864: "1536Ki",
    25165824: "24Mi", 26214400: "25Mi", 1073741824: "1Gi", 1610612736: "1536Mi", 8371499008: "8175292Ki",
    8589934592: "8Gi", 123456789: "123456789", -500: "-500", -1000: "-1k", -1024: "-1Ki",
    INT64_MAX: "9223372036854775807", INT64_MIN: "-8Ei",
}  # fmt: skip
NANOCORES = {
    0: "0", 1: "1n", 1500: "1500n", 2000: "2u", 250_000_000: "250m", 123_456_789: "123456789n",
    1_000_000_000: "1", 10**18: "1G", INT64_MIN: "-9223372036854775808n",
}  # fmt: skip


@pytest.mark.parametrize(("millicores", "text"), CPU.items())
def test_cpu_is_written_canonically(millicores: int, text: str) -> None:
    assert format_cpu_millicores(millicores) == text


@pytest.mark.parametrize(("n_bytes", "text"), MEMORY.items())
def test_memory_is_written_canonically(n_bytes: int, text: str) -> None:
    assert format_memory_bytes(n_bytes) == text


@pytest.mark.parametrize(("nanocores", "text"), NANOCORES.items())
def test_nanocores_are_written_canonically(nanocores: int, text: str) -> None:
    assert format_cpu_nanocores(nanocores) == text


def naive_decimal(value: int, exponent: int) -> str:
    """The four steps of spec 9.5 as they are written."""
    if value == 0:
        return "0"
    magnitude = abs(value)
    while magnitude >= 10 and magnitude % 10 == 0:
        magnitude, exponent = magnitude // 10, exponent + 1
    while exponent % 3:
        magnitude, exponent = magnitude * 10, exponent - 1
    suffix = {power: text for text, power in SUFFIX.items()}[exponent]
    return f"{'-' if value < 0 else ''}{magnitude}{suffix}"


ROUND_NUMBERS = st.builds(lambda m, e: m * 10**e, st.integers(-(10**6), 10**6), st.integers(0, 12))
INT64 = st.one_of(st.integers(INT64_MIN, INT64_MAX), ROUND_NUMBERS)


@given(INT64)
def test_cpu_writing_agrees_with_the_naive_twin_and_reads_back(value: int) -> None:
    assert format_cpu_millicores(value) == naive_decimal(value, -3)
    assert format_cpu_nanocores(value) == naive_decimal(value, -9)
    if abs(value) < 10**15:
        assert parse_milli_value(format_cpu_millicores(value)) == value


@given(st.one_of(INT64, st.builds(lambda m, e: m << e, st.integers(-1023, 1023), st.integers(0, 50))))
def test_memory_reads_back(n_bytes: int) -> None:
    text = format_memory_bytes(n_bytes)
    if n_bytes > INT64_MIN:  # the reference caps binary quantities at 2**63 - 1 on both sides
        assert parse_value(text) == n_bytes
    assert "." not in text
