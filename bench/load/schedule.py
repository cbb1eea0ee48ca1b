"""When each request is due: all of it known before the first one is sent.

In      streams, a seed, a duration
Out     Due: moment, stream, question; in order of moments
Callers worker.py
Never   depends on how fast anybody answers: that is what makes it an open loop
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from typing import NamedTuple

from bench.load.plan import Stream


class Due(NamedTuple):
    """One request: seconds after the start, and whose it is."""

    seconds: float
    stream: int
    question: int


def schedule(streams: list[Stream], seconds: float, seed: int) -> list[Due]:
    """Every request of a run, soonest first."""
    return list(heapq.merge(*(_moments(stream, index, seconds, seed) for index, stream in enumerate(streams))))


def _moments(stream: Stream, index: int, seconds: float, seed: int) -> Iterator[Due]:
    chance = random.Random(f"{seed}/{stream.name}")
    if stream.arrival == "periodic":
        return _periodic(stream, index, seconds, chance)
    return _poisson(stream, index, seconds, chance)


def _periodic(stream: Stream, index: int, seconds: float, chance: random.Random) -> Iterator[Due]:
    every = stream.every_seconds
    phases = sorted((chance.random() * every, question) for question in range(len(stream.questions)))
    start = 0.0
    while start < seconds:
        for phase, question in phases:
            if start + phase < seconds:
                yield Due(start + phase, index, question)
        start += every


def _poisson(stream: Stream, index: int, seconds: float, chance: random.Random) -> Iterator[Due]:
    moment = chance.expovariate(stream.per_second)
    while moment < seconds:
        yield Due(moment, index, chance.randrange(len(stream.questions)))
        moment += chance.expovariate(stream.per_second)
