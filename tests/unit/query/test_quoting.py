"""Quoting of what clients send, against the rule for one character at a time."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from heapfast.query.quoting import quote

SHORT = dict(zip('\a\b\f\n\r\t\v"\\', 'abfnrtv"\\', strict=True))


def quoted(char: str) -> str:
    code = ord(char)
    if char in SHORT:
        return f"\\{SHORT[char]}"
    if char.isprintable():
        return char
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


@given(st.text(st.characters() | st.sampled_from('\a\b\f\n\r\t\v"\\\x00\x1f\x7f\x80\udc80\udcff\ud800é_'), max_size=20))
@example("plain")
@example('a"\u2028')
def test_each_character_is_quoted_by_itself(text: str) -> None:
    assert quote(text) == f'"{"".join(map(quoted, text))}"'


@pytest.mark.parametrize("plane", range(0, 0x110000, 0x8000))
def test_every_character_is_quoted_as_go_does(plane: int) -> None:
    chars = "".join(map(chr, range(plane, plane + 0x8000)))
    assert quote(chars) == f'"{"".join(map(quoted, chars))}"'
