"""What the load generator is told, and what it answers: plain data that crosses a pipe.

In      nothing
Out     Plan, Outcome and their parts
Callers profiles.py makes streams, runner.py sends a Plan, worker.py answers with an Outcome
Never   holds an object that is not data
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

#: "periodic": each question by itself, again and again, at a phase of its own, as controllers do.
#: "poisson": any of the questions, at random moments, as people do.
Arrival = Literal["periodic", "poisson"]

#: A request that has not been answered by then counts as an error that took so long.
TIMEOUT_SECONDS: Final = 10.0
#: Kept open before the first request is due. An aggregation layer has a few, and each serves one request at a time.
CONNECTIONS: Final = 16


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where a server listens, and how one shows oneself.

    Attributes:
        cert_file, key_file: of the caller; "" shows none. With `tls` alone the server is not checked: its certificate
            is mostly its own.
        headers: that every request carries, as "name: value".
    """

    host: str
    port: int
    tls: bool = False
    cert_file: str = ""
    key_file: str = ""
    headers: tuple[str, ...] = ()


class Question(msgspec.Struct, frozen=True):
    """One request. `target` is path and query; `headers` as in Endpoint."""

    target: str
    headers: tuple[str, ...] = ()


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """Clients of one kind.

    Attributes:
        every_seconds: of each question, for periodic arrival.
        per_second: of all questions together, for poisson arrival.
        keeps_bodies: answers come back with the moment at which each was complete.
    """

    name: str
    questions: list[Question]
    arrival: Arrival
    every_seconds: float = 0.0
    per_second: float = 0.0
    keeps_bodies: bool = False

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.per_second if self.arrival == "poisson" else len(self.questions) / self.every_seconds


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the load generator. The same plan and seed give the same requests at the same moments."""

    endpoint: Endpoint
    streams: list[Stream]
    seconds: float
    seed: int = 1
    connections: int = CONNECTIONS
    timeout_seconds: float = TIMEOUT_SECONDS


class Kept(msgspec.Struct, frozen=True):
    """An answer that is to be looked at.

    Attributes:
        question: its place in the stream.
        read_ms: Unix ms at which its last byte had been read.
    """

    question: int
    read_ms: float
    body: bytes


class StreamOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one stream.

    Attributes:
        due: requests that were due.
        good: answered with 200 in time.
        errors: by kind: "status 503", "time-out", "connection".
        histogram: HdrHistogram (V2, base64) of microseconds from the moment each request was due to the last byte of
            its answer. Time-outs are in it, at their time-out; other errors are not, since a refusal may be quick.
        p50_ms, p90_ms, p99_ms, max_ms: of it; 0 when it is empty.
        body_bytes: of good answers together.
        kept: answers of a stream that keeps them.
    """

    name: str
    due: int
    good: int
    errors: dict[str, int]
    histogram: str
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float
    body_bytes: int
    kept: list[Kept] = []


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What one run gave.

    Attributes:
        seconds: from the first moment to the last answer.
        client_cpu_seconds: what the load generator itself used meanwhile.
        late_p99_ms, late_max_ms: how long after a request was due it was handed to a connection that was free, where
            one was: the generator's own delay. It is part of every latency.
        queued: requests that found every connection busy, and waited; that is part of their latency too.
    """

    streams: list[StreamOutcome]
    seconds: float
    client_cpu_seconds: float
    late_p99_ms: float
    late_max_ms: float
    queued: int


#: Of a plan without streams, which nobody needs to run.
NOTHING_ASKED: Final = Outcome(
    streams=[], seconds=0.0, client_cpu_seconds=0.0, late_p99_ms=0.0, late_max_ms=0.0, queued=0
)
