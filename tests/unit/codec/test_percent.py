"""Query strings, as urllib reads them where it can be asked."""

from urllib.parse import unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heapfast.codec._percent import unescape


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


@pytest.mark.parametrize("other", [None, "a"])
def test_only_bytes_are_read(other):
    with pytest.raises(TypeError):
        unescape(other)
