"""Quoting of client input in error texts, as Go's formatting verbs do it.

In      a string; bytes that were no UTF-8 are in it as surrogates ("surrogateescape")
Out     the same in double quotes, escaped
Callers the parsers of this folder; api, for its own messages
Source  spec/heapster-rest.md 3.1 and 3.2, recorded answers; Go's documentation of %q and of time.ParseError
"""

from __future__ import annotations

_SHORT = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    '"': '\\"',
    "\\": "\\\\",
}


def quote(text: str) -> str:
    """Quote as %q does: printable runes stay, the rest is escaped."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return f'"{"".join(map(_escape, text))}"'


def _escape(char: str) -> str:
    if char in _SHORT:
        return _SHORT[char]
    if char.isprintable():
        return char
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def quote_time(text: str) -> str:
    """Quote as errors about times do: everything but printable ASCII becomes bytes in hex."""
    parts = []
    for char in text:
        if char in '"\\':
            parts.append(f"\\{char}")
        elif " " <= char < "\x80":
            parts.append(char)
        else:
            parts.append("".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape")))
    return f'"{"".join(parts)}"'
