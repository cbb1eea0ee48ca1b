"""Label selectors: Kubernetes' grammar, parsed into requirements that all must hold.

In      "app=web,tier in (front,back),!canary"
Out     Requirement tuples, or QueryError with the text Kubernetes gives
Callers api/metrics_v1alpha1.py, api/custom_metrics.py, list_options.py; config and daemon for choices by label;
        store/index.py evaluates the requirements
Source  spec/heapster-rest.md 9.3, recorded `selector` and `bad-selector` answers
Never   sees an object's labels
"""

from __future__ import annotations

import re
from typing import NamedTuple

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
