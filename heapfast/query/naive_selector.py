"""The plain twins of _selector.pyx: a list of tokens, and a parser that goes along it; terms, and what is in them.

In      a label selector, a field selector
Out     what _selector.pyx gives, or its QueryError
Callers tests and bench/
Source  spec/heapster-rest.md 9.3, spec/metrics-k8s-io.md 4.2
Never   runs in the daemon
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from heapfast.errors import QueryError
from heapfast.query.label_rules import check_key, check_value
from heapfast.store.requirement import Operator, Requirement, Selector, parse_int64


def parse_selector(text: str) -> Selector:
    """Parse a selector; white space between tokens is free.

    Raises:
        QueryError: with the reason, without the selector in front.
    """
    return _Parser(text).selector()


class _Token(NamedTuple):
    kind: str  # "word", "end", or the symbol itself
    text: str


# A NUL ends a word and the selector, as it does where these rules come from.
_TOKEN = re.compile(r"[ \t\r\n]*(?:(!=|==|[=!(),><])|([^=!(),>< \t\r\n\0]+)|(\0|\Z))")
_COMPARISONS = {
    "=": Operator.IN,
    "==": Operator.IN,
    "!=": Operator.NOT_IN,
    ">": Operator.GREATER_THAN,
    "<": Operator.LESS_THAN,
}


def _tokens(text: str) -> list[_Token]:
    tokens = []
    position = 0
    while True:
        match = _TOKEN.match(text, position)
        assert match is not None, f"BUG: no token at {position} of {text!r}"
        symbol, word, _ = match.groups()
        if symbol:
            tokens.append(_Token(symbol, symbol))
        elif word:
            tokens.append(_Token("word", word))
        else:
            tokens.append(_Token("end", ""))
            return tokens
        position = match.end()


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0

    def _peek(self) -> _Token:
        return self._tokens[self._at]

    def _next(self) -> _Token:
        token = self._tokens[self._at]
        # The end stays the end, however often it is asked for.
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def selector(self) -> Selector:
        requirements: list[Requirement] = []
        while True:
            token = self._peek()
            if token.kind == "end":
                return tuple(requirements)
            if token.kind not in ("word", "!"):
                if requirements:
                    raise QueryError(f"found '{token.text}', expected: identifier after ','")
                raise QueryError(f"found '{token.text}', expected: !, identifier, or 'end of string'")
            try:
                requirements.append(self._requirement())
            except QueryError as error:
                raise QueryError(f"unable to parse requirement: {error}") from error
            token = self._next()
            if token.kind == "end":
                return tuple(requirements)
            if token.kind != ",":
                raise QueryError(f"found '{token.text}', expected: ',' or 'end of string'")
            if self._peek().kind == "end":
                raise QueryError("found '', expected: identifier after ','")

    def _requirement(self) -> Requirement:
        is_negated = self._peek().kind == "!"
        if is_negated:
            self._next()
        token = self._next()
        if token.kind != "word":
            raise QueryError(f"found '{token.text}', expected: identifier")
        key = token.text
        check_key(key)
        # After `!key` nothing else is looked for: whoever called finds what does not belong there.
        if is_negated:
            return Requirement(key, Operator.DOES_NOT_EXIST)
        if self._peek().kind in ("end", ","):
            return Requirement(key, Operator.EXISTS)
        operator = self._operator()
        if operator.kind == "word":
            values = self._values()
        else:
            values = {self._exact_value()}
        return _checked(key, operator.text, values)

    def _operator(self) -> _Token:
        token = self._next()
        if token.kind in _COMPARISONS or (token.kind == "word" and token.text in ("in", "notin")):
            return token
        raise QueryError(f"found '{token.text}', expected: '=', '!=', '==', 'in', notin'")

    def _exact_value(self) -> str:
        if self._peek().kind in ("end", ","):
            return ""
        token = self._next()
        if token.kind != "word":
            raise QueryError(f"found '{token.text}', expected: identifier")
        return token.text

    def _values(self) -> set[str]:
        token = self._next()
        if token.kind != "(":
            raise QueryError(f"found '{token.text}' expected: '('")
        if self._peek().kind not in ("word", ",", ")"):
            raise QueryError(f"found '{self._peek().text}', expected: ',', ')' or identifier")
        values: set[str] = set()
        expects_value = True
        while True:
            token = self._next()
            if token.kind == ")":
                # Nothing before the bracket, or after the last comma, is the empty value.
                return values | {""} if expects_value else values
            if token.kind == ",":
                if expects_value:
                    values.add("")
                expects_value = True
            elif token.kind == "word" and expects_value:
                values.add(token.text)
                expects_value = False
            elif expects_value:
                raise QueryError(f"found '{token.text}', expected: ',', or identifier")
            else:
                raise QueryError(f"found '{token.text}', expected: ',' or ')'")


def _checked(key: str, operator: str, values: set[str]) -> Requirement:
    kind = Operator(operator) if operator in ("in", "notin") else _COMPARISONS[operator]
    if kind in (Operator.GREATER_THAN, Operator.LESS_THAN) and parse_int64(min(values)) is None:
        raise QueryError("for 'Gt', 'Lt' operators, the value must be an integer")
    ordered = tuple(sorted(values))
    for value in ordered:
        check_value(value)
    return Requirement(key, kind, ordered)


#: Longest first where one begins as another does.
_OPERATORS: Final = (("!=", Operator.NOT_IN), ("==", Operator.IN), ("=", Operator.IN))
_ESCAPABLE: Final = "\\,="


def parse_field_selector(text: str) -> Selector:
    """Parse a selector; blanks count, terms that are empty do not.

    Returns:
        Requirements with Operator.IN or NOT_IN and one value each.

    Raises:
        QueryError: a term without an operator, or an escape or `=` that does not belong in a value.
    """
    requirements = []
    for term in _terms(text):
        key, operator, value = _split(term)
        value = _unescape(value)
        # A lone "=" says nothing, and is taken for nothing.
        if key or value:
            requirements.append(Requirement(key, operator, (value,)))
    return tuple(requirements)


def _terms(text: str) -> list[str]:
    """Split at commas that no backslash stands before; escapes stay."""
    terms = []
    start = at = 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == ",":
            terms.append(text[start:at])
            start = at + 1
        at += 1
    terms.append(text[start:])
    return [term for term in terms if term]


def _split(term: str) -> tuple[str, Operator, str]:
    for at in range(len(term)):
        for symbol, operator in _OPERATORS:
            if term.startswith(symbol, at):
                return term[:at], operator, term[at + len(symbol) :]
    raise QueryError(f"invalid selector: '{term}'; can't understand '{term}'")


def _unescape(value: str) -> str:
    if not any(char in value for char in _ESCAPABLE):
        return value
    chars = []
    at = 0
    while at < len(value):
        char = value[at]
        if char == "\\":
            at += 1
            escaped = value[at : at + 1]
            if not escaped or escaped not in _ESCAPABLE:
                raise QueryError(f"invalid field selector: invalid escape sequence: \\{escaped}")
            chars.append(escaped)
        elif char == "=":
            raise QueryError(f"invalid field selector: unescaped character in value: {ord(char)}")
        else:
            chars.append(char)
        at += 1
    return "".join(chars)
