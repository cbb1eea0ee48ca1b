"""Mutated expositions: scanner, rows and their plain twins agree, and nothing is read out of bounds.

In      the corpus beside this file; FUZZ_ROUNDS, mutations a target
Out     a failure with the body that shows it, which then becomes a unit test
Callers pytest; for hours, and on a sanitize build: FUZZ_ROUNDS=1000000 pytest tests/fuzz
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from heapfast.errors import ParseError
from heapfast.wire import naive_exposition
from heapfast.wire._exposition import parse_exposition
from heapfast.wire._resource import parse_resource
from heapfast.wire._rows import Rows
from tests.fuzz.mutations import mutate

ROUNDS = int(os.environ.get("FUZZ_ROUNDS", "2000"))
CORPUS = Path(__file__).parent / "corpus"

#: Pieces that mean something to the parser.
TOKENS = (
    b"{", b"}", b",", b"=", b'"', b"\\", b'\\"', b"\\n", b" ", b"\t", b"\n", b"\r\n", b"\0", b"\xff", b"\xc3", b"#",
    b"# TYPE a gauge\n", b"# TYPE ", b"# EOF\n", b" # {} 1", b"0", b"-", b".", b"e9", b"e-7", b"NaN", b"Inf", b"1" * 20,
    b"9223372036854775808", b"container_cpu_usage_seconds_total", b"node_memory_working_set_bytes",
    b'{container="c",namespace="n",pod="p"}', b'container="d",',
)  # fmt: skip


def rows_of(body: bytearray) -> Any:
    rows = Rows()
    try:
        parse_resource(body, rows)
    finally:
        rows.check()
    return rows.to_dicts(), rows.bad_values


#: Parser, and twin.
TARGETS: dict[str, tuple[Callable[[bytearray], Any], Callable[[bytes], Any]]] = {
    "exposition": (parse_exposition, naive_exposition.parse_exposition),
    "openmetrics": (
        lambda body: parse_exposition(body, openmetrics=True),
        lambda body: naive_exposition.parse_exposition(body, openmetrics=True),
    ),
    "resource": (rows_of, lambda body: tuple(naive_exposition.parse_resource(body))),
}


def check(target: str, body: bytes) -> bool:
    """Whether the body is well-formed; fails when parser and twin disagree about anything."""
    parse, twin = TARGETS[target]
    try:
        want = twin(body)
    except ParseError as error:
        line = line_of(error)
        with pytest.raises(ParseError) as caught:
            parse(bytearray(body))
        assert 0 <= caught.value.offset <= len(body)
        assert line_of(caught.value) == line
        return False
    # A copy of just this size: a sanitizer sees the first byte beyond it.
    assert repr(parse(bytearray(body))) == repr(want) if target != "resource" else parse(bytearray(body)) == want
    return True


def line_of(error: ParseError) -> str:
    return str(error).partition(": line ")[2].partition(":")[0]


@pytest.mark.parametrize("target", TARGETS)
def test_corpus_is_well_formed(target: str) -> None:
    paths = sorted(CORPUS.glob(f"{target}-*.txt"))
    assert len(paths) >= 1
    for path in paths:
        assert check(target, path.read_bytes()), path.name


@pytest.mark.parametrize("target", TARGETS)
def test_parser_and_twin_agree_on_mutations(target: str) -> None:
    rng = random.Random(f"heapfast {target}")
    bodies = [path.read_bytes() for path in sorted(CORPUS.glob(f"{target}-*.txt"))]
    outcomes = [0, 0]
    for i in range(ROUNDS):
        body = mutate(rng, rng.choice(bodies), TOKENS)
        try:
            outcomes[check(target, body)] += 1
        except AssertionError as error:
            raise AssertionError(f"round {i}: {body!r}") from error
    # Both outcomes are common, or this tests less than it says.
    assert min(outcomes) > ROUNDS // 20, outcomes
