"""YAML as the Kubernetes API server writes it.

In      a JSON value: dicts, lists, strings, integers, bools, None
Out     bytes in block style, keys sorted, text folded after 80 columns
Callers metrics_k8s_io.py, status.py; api/discovery.py
Source  spec/metrics-k8s-io.md 5.2; what is quoted: YAML 1.1, which its readers still go by
Never   on a hot path: about 30 us a pod, people ask for it
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

#: A line is folded at the first space beyond.
WIDTH: Final = 80

#: Text that a reader would take for null, a bool, a number, a time or a merge key.
_NOT_TEXT: Final = re.compile(
    r"""
      ~ | null | Null | NULL | << | =
    | [yYnN] | yes | Yes | YES | no | No | NO | on | On | ON | off | Off | OFF
    | true | True | TRUE | false | False | FALSE
    | [-+]? 0b [01_]+ | [-+]? 0x [0-9a-fA-F_]+ | [-+]? 0o [0-7_]+
    | [-+]? [0-9] [0-9_]*
    | [-+]? (?: \. [0-9]+ | [0-9]+ (?: \. [0-9]* )? ) (?: [eE] [-+]? [0-9]+ )?
    | [-+]? \. (?: inf | Inf | INF ) | \. (?: nan | NaN | NAN )
    | [-+]? [0-9] [0-9_]* (?: : [0-5]? [0-9] )+ (?: \. [0-9_]* )?
    | [0-9]{4} - [0-9]{1,2} - [0-9]{1,2}
      (?: (?: [Tt] | [ ]+ ) [0-9]{1,2} : [0-9]{1,2} : [0-9]{1,2} (?: \. [0-9]* )?
          (?: [ ]* (?: Z | [-+] [0-9]{1,2} (?: : [0-9]{2} )? ) )? )?
    """,
    re.VERBOSE,
)

#: What a plain text cannot begin with, end with or hold, for it would mean something.
_NOT_PLAIN: Final = re.compile(r"""^[][{},#&*!|>'"%@`]|^[-?](?: |$)|^---|^\.\.\.|:(?: |$)| #|^ | $""")

#: Neither plain nor single-quoted text can hold these.
_NOT_PRINTABLE: Final = re.compile(
    "[^\n\\x20-\\x7e\\xa0-\\u2027\\u202a-\\ud7ff\\ue000-\\ufefe\\uff00-\\ufffd\\U00010000-\\U0010ffff]"
)

_ESCAPES: Final = {
    '"': '\\"',
    "\\": "\\\\",
    "\t": "\\t",
    "\r": "\\r",
    "\n": "\\n",
    "\0": "\\0",
    "\a": "\\a",
    "\b": "\\b",
}


def to_yaml(value: Mapping[str, Any]) -> bytes:
    """Write an object as one document."""
    return "".join(line + "\n" for line in _mapping(value, 0)).encode()


def yaml_around(value: Mapping[str, Any], member: str) -> tuple[bytes, bytes]:
    """Write what stands before and after the items of `member`, a list that yaml_items writes."""
    before = {key: value[key] for key in value if key < member}
    after = {key: value[key] for key in value if key > member}
    return to_yaml(before) + member.encode() + b":\n", to_yaml(after)


def yaml_items(items: Sequence[Any]) -> bytes:
    """Write items of a list that is a member of the outermost object."""
    return "".join(line + "\n" for line in _sequence(items, 0)).encode()


def _mapping(value: Mapping[str, Any], depth: int) -> Iterator[str]:
    margin = " " * depth
    for key in sorted(value):
        member = value[key]
        name = margin + _key(key) + ":"
        if isinstance(member, dict) and member:
            yield name
            yield from _mapping(member, depth + 2)
        elif isinstance(member, list) and member:
            # A list stands as far left as the key it belongs to.
            yield name
            yield from _sequence(member, depth)
        else:
            yield f"{name} {_scalar(member, depth + 2, len(name) + 1)}"


def _sequence(value: Sequence[Any], depth: int) -> Iterator[str]:
    margin = " " * depth
    for item in value:
        if isinstance(item, (dict, list)) and item:
            lines = _mapping(item, depth + 2) if isinstance(item, dict) else _sequence(item, depth + 2)
            yield f"{margin}- {next(lines)[depth + 2 :]}"
            yield from lines
        else:
            yield f"{margin}- {_scalar(item, depth + 2, depth + 2)}"


def _key(text: str) -> str:
    return _double_quoted(text) if "\n" in text else _one_line(text)


def _scalar(value: Any, depth: int, column: int) -> str:
    """One value without members; lines after the first begin at `depth`, the first one at `column`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return _text(value, depth, column)
    return "[]" if isinstance(value, list) else "{}"


def _text(text: str, depth: int, column: int) -> str:
    if "\n" in text and not _NOT_PRINTABLE.search(text):
        return _literal(text, depth)
    line = _one_line(text)
    # Inside double quotes a break would mean something else; what is long is never quoted so.
    return line if line.startswith('"') else _folded(line, depth, column)


def _one_line(text: str) -> str:
    if text == "" or _NOT_PRINTABLE.search(text) or _NOT_TEXT.fullmatch(text):
        return _double_quoted(text)
    if _NOT_PLAIN.search(text):
        doubled = text.replace("'", "''")
        return f"'{doubled}'"
    return text


def _double_quoted(text: str) -> str:
    return '"' + "".join(_ESCAPES.get(c) or _escaped(c) for c in text) + '"'


def _escaped(c: str) -> str:
    if not _NOT_PRINTABLE.match(c):
        return c
    code = ord(c)
    if code <= 0xFF:
        return f"\\x{code:02X}"
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"


def _literal(text: str, depth: int) -> str:
    margin = " " * depth
    kept = "-" if not text.endswith("\n") else "+" if text.endswith("\n\n") or text == "\n" else ""
    # Where the text itself begins with a space, the margin has to be told.
    told = "2" if text[0] in " \n" else ""
    lines = text.removesuffix("\n").split("\n")
    return f"|{told}{kept}" + "".join(f"\n{margin}{line}" if line else "\n" for line in lines)


def _folded(text: str, depth: int, column: int) -> str:
    """Break lines at single spaces, which a reader turns back into spaces."""
    if column + len(text) <= WIDTH:
        return text
    out: list[str] = []
    line = ""
    for i, word in enumerate(text.split(" ")):
        fits = column + len(line) <= WIDTH
        # Of several spaces in a row none can be where a line ends.
        if i and (fits or not word or line.endswith(" ")):
            line += " "
        elif i:
            out.append(line)
            line, column = "", depth
        line += word
    out.append(line)
    return ("\n" + " " * depth).join(out)
