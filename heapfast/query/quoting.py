"""Quoting of client input in error texts, as Go's formatting verbs do it.

In      a string; bytes that were no UTF-8 are in it as surrogates ("surrogateescape")
Out     the same in double quotes, escaped
Callers the parsers of this folder; api, for its own messages
Source  spec/heapster-rest.md 3.1 and 3.2, recorded answers; Go's documentation of %q and of time.ParseError
"""

from __future__ import annotations

import re

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
#: What stands in ASCII and is not shown as it is. A name may be 64 KB of it, and is quoted on the loop.
_ASCII = {code: f"\\x{code:02x}" for code in (*range(0x20), 0x7F)} | {ord(char): text for char, text in _SHORT.items()}
_ODD = re.compile(r"[^\x00-\x7f\w]")


def quote(text: str) -> str:
    """Quote as %q does: printable runes stay, the rest is escaped."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    text = text.translate(_ASCII)
    return f'"{text if text.isprintable() else _ODD.sub(_escape, text)}"'


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    if char.isprintable():
        return char
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
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
