"""Query strings, as urllib reads them where it can be asked."""

import re
from urllib.parse import unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heapfast.codec._percent import parse_query, unescape, values_of

BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


@pytest.mark.parametrize(
    ("text", "want"),
    [
        (b"", ""),
        (b"a+b%20c", "a b c"),
        (b"%2C%2c%2B", ",,+"),
        (b"100%", "100%"),
        (b"%4", "%4"),
        (b"%4g%%41", "%4g%A"),
        (b"%C3%A9\xc3\xa9", "éé"),
        (b"%ff\xff", "\udcff\udcff"),
        (b"\xc3%A9", "é"),  # urllib takes what is escaped for another text than what stands beside it
        (b"%00", "\0"),
    ],
)
def test_escapes_are_bytes(text, want):
    assert unescape(text) == want


@given(st.lists(st.sampled_from([b"%", b"+", b"a", b"4", b"F", b"%41", b"%c3%a9", b"%f0%9f", b"%2", b" "])))
def test_reads_what_urllib_reads(parts):
    text = b"".join(parts)
    assert unescape(text) == unquote_plus(text.decode(), "utf-8", "surrogateescape")


def plain_pairs(raw):
    """Pairs that count, one by one."""
    for pair in raw.split(b"&"):
        key, _, value = pair.partition(b"=")
        if (key or value) and b";" not in pair and not BAD_ESCAPE.search(pair):
            yield unescape(key), unescape(value)


QUERIES = st.lists(
    st.sampled_from([b"&", b"=", b";", b"%", b"+", b"a", b"b", b"%41", b"%c3", b"\xa9", b"%4", b"0", b"a=1&a=2"])
).map(b"".join)


@given(QUERIES)
def test_queries_are_pairs_and_the_first_of_each_name_counts(raw):
    want = list(plain_pairs(raw))
    first = {}
    for key, value in want:
        first.setdefault(key, value)
    assert list(parse_query(raw).items()) == list(first.items())
    for name in (*first, "nobody's"):
        assert values_of(raw, name) == [value for key, value in want if key == name]


@pytest.mark.parametrize("other", [None, "a"])
@pytest.mark.parametrize("read", [unescape, parse_query, lambda raw: values_of(raw, "a")])
def test_only_bytes_are_read(read, other):
    with pytest.raises(TypeError):
        read(other)
