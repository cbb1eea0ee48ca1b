"""The load generator: what is due is decided beforehand, and latency counts from then."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from bench.load.client import Pool
from bench.load.histogram import Latencies
from bench.load.plan import Endpoint, Outcome, Plan, Question, Stream
from bench.load.schedule import schedule
from bench.load.worker import Worker, message_of

CONTROLLERS = Stream(
    name="controllers", questions=[Question(f"/{n}") for n in range(4)], arrival="periodic", every_seconds=2.0
)
PEOPLE = Stream(name="people", questions=[Question("/a"), Question("/b")], arrival="poisson", per_second=50.0)

Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def test_a_controller_asks_each_of_its_questions_once_a_period() -> None:
    dues = schedule([CONTROLLERS], seconds=6.0, seed=1)
    assert len(dues) == 12
    for question in range(4):
        moments = [due.seconds for due in dues if due.question == question]
        assert [later - sooner for sooner, later in itertools.pairwise(moments)] == [
            pytest.approx(2.0),
            pytest.approx(2.0),
        ]
    assert len({due.seconds for due in dues if due.seconds < 2.0}) == 4  # each at a phase of its own


def test_people_ask_as_often_as_they_are_said_to_and_at_no_fixed_pace() -> None:
    dues = schedule([PEOPLE], seconds=40.0, seed=1)
    assert len(dues) == pytest.approx(2_000, rel=0.1)
    assert {due.question for due in dues} == {0, 1}
    gaps = sorted(later.seconds - sooner.seconds for sooner, later in itertools.pairwise(dues))
    # Of an exponential distribution: the median is ln 2 times the mean.
    assert gaps[len(gaps) // 2] == pytest.approx(0.693 / 50.0, rel=0.15)


def test_a_schedule_is_decided_by_its_seed_and_in_order_of_moments() -> None:
    dues = schedule([CONTROLLERS, PEOPLE], seconds=3.0, seed=7)
    assert dues == schedule([CONTROLLERS, PEOPLE], seconds=3.0, seed=7)
    assert dues != schedule([CONTROLLERS, PEOPLE], seconds=3.0, seed=8)
    assert [due.seconds for due in dues] == sorted(due.seconds for due in dues)


def test_the_rate_of_a_stream_is_that_of_all_its_questions() -> None:
    assert CONTROLLERS.rate == 2.0
    assert PEOPLE.rate == 50.0


def test_quantiles_are_right_to_three_digits() -> None:
    latencies = Latencies()
    for milliseconds in range(1, 1001):
        latencies.record(milliseconds / 1e3)
    assert latencies.quantile_ms(0.5) == pytest.approx(500, rel=0.002)
    assert latencies.quantile_ms(0.99) == pytest.approx(990, rel=0.002)
    assert latencies.quantile_ms(1.0) == pytest.approx(1000, rel=0.002)


def test_what_is_longer_than_a_minute_counts_as_a_minute() -> None:
    latencies = Latencies()
    latencies.record(3_600.0)
    assert latencies.quantile_ms(1.0) == pytest.approx(60_000, rel=0.002)


def test_histograms_of_two_runs_are_added_as_text() -> None:
    fast, slow = Latencies(), Latencies()
    fast.record(0.001)
    slow.record(1.0)
    both = Latencies()
    both.add(Latencies(fast.encode()))
    both.add(Latencies(slow.encode()))
    assert len(both) == 2
    assert both.quantile_ms(0.5) == pytest.approx(1, rel=0.002)
    assert both.quantile_ms(1.0) == pytest.approx(1000, rel=0.002)


def test_no_latency_has_no_quantile() -> None:
    assert Latencies().quantile_ms(0.99) == 0.0


def test_a_request_carries_the_headers_of_its_caller_and_its_own() -> None:
    endpoint = Endpoint(host="127.0.0.1", port=8082, headers=("x-remote-user: alice",))
    assert message_of(endpoint, Question("/pods?labelSelector=a%3Db", ("accept: application/json",))) == (
        b"GET /pods?labelSelector=a%3Db HTTP/1.1\r\nhost: 127.0.0.1:8082\r\n"
        b"x-remote-user: alice\r\naccept: application/json\r\n\r\n"
    )


@asynccontextmanager
async def serving(answering: Answering) -> AsyncIterator[Endpoint]:
    server = await asyncio.start_server(answering, "127.0.0.1", 0)
    try:
        yield Endpoint(host="127.0.0.1", port=server.sockets[0].getsockname()[1])
    finally:
        server.close()


async def run(
    endpoint: Endpoint, streams: list[Stream], *, connections: int = 2, timeout_seconds: float = 5
) -> Outcome:
    pool = Pool(endpoint, connections)
    await pool.open()
    try:
        plan = Plan(endpoint=endpoint, streams=streams, seconds=0.4, timeout_seconds=timeout_seconds)
        return await Worker(plan, pool).run()
    finally:
        await pool.close()


def answer(status: bytes, body: bytes = b"[]") -> Answering:
    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 %b\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body))

    return quiet(answering)


def quiet(answering: Answering) -> Answering:
    """A peer that goes is no error of the server's."""

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answering(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    return guarded


async def test_every_request_that_was_due_is_counted_and_what_it_brought() -> None:
    async with serving(answer(b"200 OK", b"[1,2]")) as endpoint:
        outcome = await run(endpoint, [PEOPLE])
    (people,) = outcome.streams
    assert people.due == people.good == len(schedule([PEOPLE], 0.4, 1)) > 5
    assert people.errors == {}
    assert people.body_bytes == 5 * people.good
    assert len(Latencies(people.histogram)) == people.good
    assert 0 < people.p50_ms <= people.p99_ms <= people.max_ms
    assert outcome.client_cpu_seconds > 0
    assert people.kept == []


async def test_bodies_are_kept_with_the_moment_at_which_they_were_read() -> None:
    stream = Stream(name="watched", questions=[Question("/a")], arrival="poisson", per_second=50.0, keeps_bodies=True)
    before_ms = time.time() * 1e3
    async with serving(answer(b"200 OK", b"[1,2]")) as endpoint:
        outcome = await run(endpoint, [stream])
    after_ms = time.time() * 1e3
    kept = outcome.streams[0].kept
    assert {answer.body for answer in kept} == {b"[1,2]"}
    assert all(before_ms <= answer.read_ms <= after_ms for answer in kept)


async def test_a_refusal_is_an_error_and_no_latency() -> None:
    async with serving(answer(b"503 Service Unavailable")) as endpoint:
        outcome = await run(endpoint, [PEOPLE])
    (people,) = outcome.streams
    assert people.errors == {"status 503": people.due}
    assert people.good == 0
    assert len(Latencies(people.histogram)) == 0


async def test_a_slow_answer_makes_those_behind_it_late_and_each_counts_from_when_it_was_due() -> None:
    # One connection, whose first answer takes 300 ms: a closed loop would have asked nothing meanwhile.
    first = True

    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal first
        while await reader.readuntil(b"\r\n\r\n"):
            if first:
                first = False
                await asyncio.sleep(0.3)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    async with serving(quiet(answering)) as endpoint:
        outcome = await run(endpoint, [PEOPLE], connections=1)
    (people,) = outcome.streams
    dues = schedule([PEOPLE], 0.4, 1)
    waited = [due for due in dues if due.seconds < dues[0].seconds + 0.3]
    assert people.good == len(dues)
    assert outcome.queued >= len(waited) - 1 > 3
    assert people.max_ms >= 300
    assert people.p50_ms > 50  # most of them waited behind the first


async def test_an_answer_that_never_comes_counts_as_long_as_it_was_waited_for() -> None:
    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    stream = Stream(name="one", questions=[Question("/")], arrival="periodic", every_seconds=1.0)
    async with serving(quiet(answering)) as endpoint:
        pool = Pool(endpoint, 1)
        await pool.open()
        try:
            plan = Plan(endpoint=endpoint, streams=[stream], seconds=1.0, timeout_seconds=0.2)
            outcome = await Worker(plan, pool).run()
        finally:
            await pool.close()
    (one,) = outcome.streams
    assert one.errors == {"time-out": 1}
    assert one.max_ms >= 200


async def test_a_connection_that_ends_is_an_error_and_another_takes_its_place() -> None:
    answers = 0

    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answers
        await reader.readuntil(b"\r\n\r\n")
        answers += 1
        if answers > 1:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            await writer.drain()

    async with serving(quiet(answering)) as endpoint:
        outcome = await run(endpoint, [PEOPLE])
    (people,) = outcome.streams
    assert people.errors == {"connection": 1}
    assert people.good == people.due - 1


async def test_a_body_in_chunks_is_read_to_its_end() -> None:
    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            for chunk in (b"3\r\nabc\r\n", b"2\r\nde\r\n", b"0\r\n\r\n"):
                await writer.drain()
                writer.write(chunk)

    async with serving(quiet(answering)) as endpoint:
        outcome = await run(endpoint, [PEOPLE])
    (people,) = outcome.streams
    assert people.good == people.due
    assert people.body_bytes == 5 * people.good
