"""Mutated bodies: a parser and its twin agree on what is JSON and what it says, and nothing is read out of bounds.

In      the corpus beside this file; FUZZ_ROUNDS, mutations a parser
Out     a failure with the body that shows it, which then becomes a unit test
Callers pytest; for hours, and on a sanitize build: FUZZ_ROUNDS=1000000 pytest tests/fuzz
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from heapfast.errors import ParseError
from heapfast.wire import naive_cadvisor, naive_summary
from heapfast.wire._cadvisor import parse_cadvisor
from heapfast.wire._rows import Rows
from heapfast.wire._summary import parse_summary
from heapfast.wire.naive import Parsed
from tests.fuzz.mutations import mutate

ROUNDS = int(os.environ.get("FUZZ_ROUNDS", "2000"))
CORPUS = Path(__file__).parent / "corpus"

TARGETS: dict[str, tuple[Callable[[bytearray, Rows], None], Callable[[bytes], Parsed]]] = {
    "summary": (parse_summary, naive_summary.parse_summary),
    "cadvisor": (parse_cadvisor, naive_cadvisor.parse_cadvisor),
}

#: Pieces that mean something to a parser.
TOKENS = (
    b"{", b"}", b"[", b"]", b":", b",", b'"', b"\\", b"\\u", b"\\ud83d\\ude00", b"null", b"true", b"0", b"-", b".",
    b"e9", b"9223372036854775808", b"1" * 20, b" ", b"\n", b"\0", b"\x1f", b"\xff", b"\xc3", b'"name":',
    b'"/"', b'"POD"', b'"2017-12-11T10:00:00.5Z"',
)  # fmt: skip


def check(target: str, body: bytes) -> bool:
    """Whether the body is JSON; fails when parser and twin disagree about anything."""
    parse, twin = TARGETS[target]
    rows = Rows()
    try:
        want = twin(body)
    except ValueError:
        with pytest.raises(ParseError) as caught:
            parse(bytearray(body), rows)
        assert 0 <= caught.value.offset <= len(body)
        assert len(rows) == 0
        return False
    # A copy of just this size: a sanitizer sees the first byte beyond it.
    parse(bytearray(body), rows)
    rows.check()
    assert rows.to_dicts() == want.rows
    assert rows.bad_values == want.bad_values
    return True


@pytest.mark.parametrize("target", TARGETS)
def test_corpus_parses(target: str) -> None:
    paths = sorted(CORPUS.glob(f"{target}-*.json"))
    assert len(paths) >= 2
    for path in paths:
        assert check(target, path.read_bytes()), path.name


@pytest.mark.parametrize("target", TARGETS)
def test_parser_and_twin_agree_on_mutations(target: str) -> None:
    rng = random.Random(f"heapfast {target}")
    bodies = [path.read_bytes() for path in sorted(CORPUS.glob(f"{target}-*.json"))]
    outcomes = [0, 0]
    for i in range(ROUNDS):
        body = mutate(rng, rng.choice(bodies), TOKENS)
        try:
            outcomes[check(target, body)] += 1
        except AssertionError as error:
            raise AssertionError(f"round {i}: {body!r}") from error
    # Both outcomes are common, or this tests less than it says.
    assert min(outcomes) > ROUNDS // 20, outcomes
