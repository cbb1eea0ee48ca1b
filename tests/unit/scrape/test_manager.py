"""Rounds over many targets, in virtual time and with connections that a test plays."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from itertools import pairwise
from typing import Any, cast

import pytest

from heapfast.errors import ParseError, ScrapeError
from heapfast.scrape._http import KubeletClient, OnDone
from heapfast.scrape._round import MAX_NAMED, MAX_OPENING
from heapfast.scrape._target import START_STEP_MS, Target
from heapfast.scrape.kit import Deliver, ScrapeReport
from heapfast.scrape.loop import Window
from heapfast.scrape.manager import ScrapeManager
from heapfast.wire._rows import Rows
from tests.unit.scrape.virtual import T0_NS, LoopClock, run

WINDOW = Window(T0_NS - 60 * 10**9, T0_NS)

#: Seconds until the answer, and what it is: a body, or the reason of a failure.
Answer = tuple[float, bytes | str]

NEVER = 10_000.0


class Line:
    """A connection that answers as it was told."""

    content_type = "text/html"

    def __init__(self, cluster: Cluster, address: str) -> None:
        self._cluster = cluster
        self.ip = address
        self._on_done: OnDone | None = None
        self.is_open = False
        self.is_closed = False

    def request(self, head: bytes, body: bytes, on_done: OnDone) -> None:
        assert self._on_done is None
        assert not self.is_closed
        self._on_done = on_done
        loop = asyncio.get_running_loop()
        self._cluster.asked.append((self.ip, loop.time(), head, body))
        seconds, answer = self._cluster.answers.get(self.ip, (0.01, b"rows"))
        loop.call_later(seconds, self._finish, on_done, answer)

    def close(self) -> None:
        self.is_closed = True
        if self._on_done is not None:
            self._finish(self._on_done, "removed")

    def _finish(self, on_done: OnDone, answer: bytes | str) -> None:
        if self._on_done is not on_done:
            return
        self._on_done = None
        self.is_open = isinstance(answer, bytes)
        if isinstance(answer, bytes):
            on_done(answer, None)
        else:
            on_done(None, ScrapeError(self.ip, answer, "as told"))


class Cluster:
    """All lines; stands in for the client."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, float, bytes, bytes]] = []
        self.lines: list[Line] = []
        self.is_closed = False

    def connect(self, ip: str, port: int, label: str) -> Line:
        self.lines.append(Line(self, ip))
        return self.lines[-1]

    def close(self) -> None:
        self.is_closed = True


class WordRows(list[bytes]):
    """The rows of Words; "bad" is a value that was left out."""

    bad_values = 0
    bad_offset = -1


class Words:
    """A source whose rows are the bodies themselves."""

    name = "words"
    label_prefix = "words"
    request_metric = "words_request_duration_microseconds"
    together = 8

    def new_rows(self) -> Rows:
        return cast(Rows, WordRows())

    def request(self, target: Target, window: Window) -> tuple[bytes, bytes]:
        return target.name.encode(), str(window.end_ns).encode()

    def parse(self, body: bytes, rows: Rows, requested_ns: int) -> None:
        if body == b"<html>":
            raise ParseError("words", "want rows", 0)
        if body == b"bug":
            raise TypeError("bug")
        words = cast(WordRows, rows)
        words[:] = [] if body == b"bad" else [body]
        words.bad_values, words.bad_offset = (3, 17) if body == b"bad" else (0, -1)


class Play:
    """One test: a manager over a cluster, and what was delivered."""

    def __init__(self, clock: LoopClock, nodes: int, **options: Any) -> None:
        self.cluster = Cluster()
        self.clock = clock
        self.late: list[str] = []
        self.delivered: list[str] = []
        options.setdefault("deliver_late", lambda target, rows: self.late.append(target.name))
        options.setdefault("jitter", lambda: 1.0)
        self.manager = ScrapeManager(Words(), cast(KubeletClient, self.cluster), port=10255, clock=clock, **options)
        for i in range(nodes):
            self.manager.put(f"n{i}", hostname=f"h{i}", ip=f"10.0.0.{i}")

    def answer_all(self, seconds: float, answer: bytes | str) -> None:
        for line in self.cluster.lines:
            self.cluster.answers[line.ip] = (seconds, answer)

    def take(self, target: Target, rows: Rows) -> None:
        assert list(cast("list[bytes]", rows)) == [b"rows"]
        self.delivered.append(target.name)

    async def scrape(self, deliver: Deliver | None = None) -> ScrapeReport:
        self.delivered.clear()
        self.cluster.asked.clear()
        return await self.manager.scrape(WINDOW, deliver or self.take)

    def target(self, name: str) -> Target:
        return next(target for target in self.manager.targets if target.name == name)


def play(test: Callable[[Play], Coroutine[Any, Any, None]], nodes: int, **options: Any) -> None:
    async def wrapped(clock: LoopClock) -> None:
        await test(Play(clock, nodes, **options))

    run(wrapped)


def test_no_targets_is_an_empty_round_at_once() -> None:
    async def test(p: Play) -> None:
        assert await p.scrape() == ScrapeReport(0, 0, 0, 0, 0, 0, 0.0)

    play(test, 0)


def test_every_target_is_asked_once_and_its_rows_are_delivered() -> None:
    async def test(p: Play) -> None:
        for _ in range(2):
            report = await p.scrape()
            assert sorted(p.delivered) == sorted(f"n{i}" for i in range(20))
            assert (report.targets, report.delivered, report.failed, report.unanswered) == (20, 20, 0, 0)
        assert {(head, body) for _, _, head, body in p.cluster.asked} == {
            (b"n%d" % i, str(T0_NS).encode()) for i in range(20)
        }

    play(test, 20)


@pytest.mark.parametrize(("nodes", "spread"), [(10, 0.08), (500, 4.0), (2000, 4.0)])
def test_starts_are_spread(nodes: int, spread: float) -> None:  # M-08
    async def test(p: Play) -> None:
        assert p.manager.spread_seconds == spread
        began = p.clock.monotonic()
        await p.scrape()
        starts = [at - began for _, at, _, _ in p.cluster.asked]
        assert len(starts) == nodes
        assert max(starts) < spread
        if nodes > 100:
            quarters = [sum(spread * q / 4 <= at < spread * (q + 1) / 4 for at in starts) for q in range(4)]
            assert min(quarters) > nodes / 4 * 0.8

    play(test, nodes)


def test_neighbours_start_together() -> None:
    async def test(p: Play) -> None:
        began = p.clock.monotonic()
        await p.scrape()
        steps = Counter(round((at - began) * 1e3 / START_STEP_MS, 1) for _, at, _, _ in p.cluster.asked)
        assert all(step == int(step) for step in steps)
        assert len(steps) == 100
        assert max(steps.values()) < 3 * 1000 / len(steps)

    play(test, 1000, spread_seconds=2.0)


def test_a_target_starts_at_the_same_phase_in_every_round() -> None:
    async def test(p: Play) -> None:
        starts: list[dict[str, Any]] = []
        for _ in range(2):
            began = p.clock.monotonic()
            await p.scrape()
            starts.append({ip: pytest.approx(at - began, abs=0.002) for ip, at, _, _ in p.cluster.asked})
        assert starts[0] == {ip: approx.expected for ip, approx in starts[1].items()}

    play(test, 50, spread_seconds=2.0)


def test_a_burst_after_a_stall_leaves_the_loop_its_turns() -> None:
    async def test(p: Play) -> None:
        turns: list[int] = []
        for line in p.cluster.lines:
            line.is_open = True

        def turn() -> None:
            turns.append(len(p.cluster.asked))
            if turns[-1] < 200:
                asyncio.get_running_loop().call_soon(turn)

        asyncio.get_running_loop().call_soon(turn)
        await p.scrape()
        assert {64, 128} <= set(turns)

    play(test, 200, spread_seconds=0.0)


def test_few_connections_are_opened_at_a_time_and_all_of_them_in_the_end() -> None:
    """5,000 TLS handshakes at once all ran into their time-outs after a start."""

    async def test(p: Play) -> None:
        at_once: list[int] = []
        p.answer_all(1.0, b"rows")
        asyncio.get_running_loop().call_later(0.5, lambda: at_once.append(len(p.cluster.asked)))
        report = await p.scrape()
        assert at_once == [MAX_OPENING]
        assert (report.delivered, report.skipped) == (300, 0)
        assert report.took_seconds == pytest.approx(3.0, abs=0.1)
        again = await p.scrape()
        assert again.took_seconds == pytest.approx(1.0, abs=0.1)

    play(test, 300, spread_seconds=0.0)


def test_a_target_that_never_got_its_turn_to_open_is_skipped() -> None:
    async def test(p: Play) -> None:
        p.answer_all(8.0, b"rows")
        report = await p.scrape()
        assert (report.delivered, report.skipped, report.unanswered) == (2 * MAX_OPENING, 0, 44)
        await asyncio.sleep(20)
        p.answer_all(11.0, b"rows")
        for line in p.cluster.lines:
            line.is_open = False
        report = await p.scrape()
        assert (report.delivered, report.skipped, report.unanswered) == (
            MAX_OPENING,
            300 - 2 * MAX_OPENING,
            MAX_OPENING,
        )

    play(test, 300, spread_seconds=0.0)


def test_a_bad_day_is_told_in_few_lines(caplog: pytest.LogCaptureFixture) -> None:
    async def test(p: Play) -> None:
        p.answer_all(0.01, "refused")
        await p.scrape()

    with caplog.at_level("INFO"):
        play(test, 50)
    assert len(caplog.records) == MAX_NAMED + 1
    assert "30 more nodes" in caplog.text


def test_a_failure_costs_its_own_target_and_no_time() -> None:  # M-07, mended by Q18
    async def test(p: Play) -> None:
        p.cluster.answers["10.0.0.1"] = (0.0, "status")
        report = await p.scrape()
        assert sorted(p.delivered) == ["n0", "n2"]
        assert (report.delivered, report.failed) == (2, 1)
        assert report.took_seconds < 0.1
        assert (p.target("n1").outcome, p.target("n1").failures) == ("status", 1)

    play(test, 3)


def test_a_hanging_target_delays_one_round_up_to_its_deadline_and_no_other() -> None:
    async def test(p: Play) -> None:
        p.cluster.answers["10.0.0.1"] = (25.0, "timeout")
        first = await p.scrape()
        assert (first.took_seconds, first.unanswered) == (20.0, 1)
        second = await p.scrape()  # it is still busy
        assert (second.skipped, second.delivered) == (1, 2)
        assert second.took_seconds < 0.1
        await asyncio.sleep(60)
        third = await p.scrape()  # it is asked again, and nobody waits
        assert (third.unanswered, third.delivered) == (1, 2)
        assert third.took_seconds < 0.1
        assert p.manager.counters.skipped == 1

    play(test, 3)


def test_a_target_that_comes_back_is_awaited_again() -> None:
    async def test(p: Play) -> None:
        p.cluster.answers["10.0.0.0"] = (0.0, "refused")
        await p.scrape()
        p.cluster.answers["10.0.0.0"] = (0.5, b"rows")
        report = await p.scrape()
        assert report.unanswered == 1
        await asyncio.sleep(1)
        assert p.late == ["n0"]
        report = await p.scrape()
        assert (report.delivered, report.unanswered) == (2, 0)
        assert report.took_seconds >= 0.5

    play(test, 2)


def test_a_late_answer_is_counted_and_offered_and_not_delivered() -> None:
    async def test(p: Play) -> None:
        p.cluster.answers["10.0.0.0"] = (7.0, b"rows")
        report = await p.scrape()
        assert (report.took_seconds, report.unanswered) == (5.0, 1)
        await asyncio.sleep(10)
        assert (p.delivered, p.late) == (["n1"], ["n0"])
        assert p.manager.counters.late == 1
        assert p.target("n0").outcome == "ok"

    play(test, 2, deadline_seconds=5.0)


def test_a_late_answer_that_nobody_wants_is_not_even_parsed() -> None:
    async def test(p: Play) -> None:
        p.cluster.answers["10.0.0.0"] = (7.0, b"bug")
        await p.scrape()
        await asyncio.sleep(10)
        assert (p.manager.counters.late, p.target("n0").outcome) == (1, "ok")

    play(test, 1, deadline_seconds=5.0, deliver_late=None)


def test_back_off_doubles_up_to_five_minutes() -> None:
    async def test(p: Play) -> None:
        p.cluster.answers["10.0.0.0"] = (0.0, "refused")
        starts: list[float] = []
        while len(starts) < 10:
            # Nobody waits for a node that is away, so the round is over before the failure.
            report = await p.scrape()
            if report.backed_off == 0:
                starts.append(p.clock.monotonic())
            await asyncio.sleep(1)
        pauses = [after - before for before, after in pairwise(starts)]
        assert pauses == pytest.approx([1, 5, 10, 20, 40, 80, 160, 300, 300], abs=1.01)
        assert p.manager.counters.backed_off > 800

    play(test, 1)


def test_back_off_is_jittered_from_half_to_whole() -> None:
    async def test(p: Play) -> None:
        for i in range(200):
            p.cluster.answers[f"10.0.0.{i}"] = (0.0, "refused")
        for _ in range(2):
            await p.scrape()
            await asyncio.sleep(0.01)
        now = p.clock.monotonic()
        pauses = [target.retry_at - now for target in p.manager.targets]
        assert 2.4 < min(pauses) < 3.0
        assert 4.5 < max(pauses) <= 5.0

    play(test, 200, jitter=random.Random(1).random, spread_seconds=0.0)


@pytest.mark.parametrize("reason", ["status", "parse", "protocol", "tls"])
def test_a_node_that_answers_nonsense_is_not_left_alone(reason: str) -> None:
    async def test(p: Play) -> None:
        p.cluster.answers["10.0.0.0"] = (0.0, reason)
        for _ in range(5):
            assert (await p.scrape()).failed == 1

    play(test, 1)


def test_a_change_of_the_node_ends_its_back_off() -> None:
    async def test(p: Play) -> None:
        p.cluster.answers["10.0.0.0"] = (0.0, "refused")
        for _ in range(2):
            await p.scrape()
            await asyncio.sleep(0.01)
        assert (await p.scrape()).backed_off == 1
        p.manager.put("n0", hostname="renamed", ip="10.0.0.0")
        report = await p.scrape()
        assert (report.backed_off, report.unanswered) == (0, 1)
        assert p.target("n0").hostname == "renamed"
        assert len(p.cluster.lines) == 1

    play(test, 1)


@pytest.mark.parametrize("body", [b"<html>", b"bug"])
def test_a_body_that_cannot_be_parsed_costs_its_target_only(body: bytes) -> None:
    async def test(p: Play) -> None:
        p.cluster.answers["10.0.0.1"] = (0.0, body)
        report = await p.scrape()
        assert sorted(p.delivered) == ["n0", "n2"]
        assert report.failed == 1

    play(test, 3)


def test_a_parse_error_names_the_content_type() -> None:
    async def test(p: Play) -> None:
        p.cluster.answers["10.0.0.0"] = (0.0, b"<html>")
        await p.scrape()
        assert p.target("n0").outcome == "parse"
        assert p.target("n0").error == (
            "cannot scrape 10.0.0.0:10255: cannot parse words: want rows at byte 0 (content type: text/html)"
        )

    play(test, 1)


def test_an_exception_in_deliver_costs_its_target_only(caplog: pytest.LogCaptureFixture) -> None:
    async def test(p: Play) -> None:
        def take(target: Target, rows: Rows) -> None:
            if target.name == "n1":
                raise ZeroDivisionError
            p.take(target, rows)

        report = await p.scrape(take)
        assert sorted(p.delivered) == ["n0", "n2"]
        assert (report.failed, p.target("n1").outcome) == (1, "deliver")

    play(test, 3)
    assert "BUG: the answer of n1" in caplog.text


def test_values_that_were_left_out_are_counted_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    async def test(p: Play) -> None:
        p.cluster.answers["10.0.0.1"] = (0.0, b"bad")
        for _ in range(2):
            report = await p.scrape(lambda target, rows: None)
        assert (report.delivered, p.target("n1").outcome, p.target("n1").describe()["bad_values"]) == (2, "ok", 3)
        assert p.manager.counters.bad_values == 6
        del p.cluster.answers["10.0.0.1"]
        await p.scrape()
        assert p.target("n1").describe()["bad_values"] == 0

    play(test, 2)
    assert [record.getMessage() for record in caplog.records] == [
        "node n1: left out 3 values that are not what they should be, the first at byte 17 (10.0.0.1:10255)"
    ]


def test_a_new_address_is_a_new_target() -> None:
    async def test(p: Play) -> None:
        await p.scrape()
        p.manager.put("n0", hostname="h0", ip="fd00::7")
        assert p.cluster.lines[0].is_closed
        await p.scrape()
        assert sorted(ip for ip, _, _, _ in p.cluster.asked) == ["10.0.0.1", "fd00::7"]
        assert p.target("n0").address == "[fd00::7]:10255"
        assert p.target("n0").scrapes == 1

    play(test, 2)


def test_a_target_that_is_removed_in_flight_ends_the_wait_for_it() -> None:
    async def test(p: Play) -> None:
        p.cluster.answers["10.0.0.0"] = (NEVER, b"rows")
        asyncio.get_running_loop().call_later(3.0, p.manager.remove, "n0")
        report = await p.scrape()
        assert report.took_seconds == pytest.approx(3.0)
        assert [target.name for target in p.manager.targets] == ["n1"]
        assert p.manager.counters.in_flight == 0
        # It is no failure of anybody's.
        assert p.manager.counters.outcomes == {"ok": 1}

    play(test, 2)


def test_a_target_that_is_removed_before_its_turn_is_not_asked() -> None:
    async def test(p: Play) -> None:
        p.manager.put("late", hostname="", ip="10.9.9.9")
        last = p.manager.targets[-1]
        asyncio.get_running_loop().call_soon(p.manager.remove, last.name)
        report = await p.scrape()
        assert last.name.encode() not in [head for _, _, head, _ in p.cluster.asked]
        assert report.delivered == 5

    play(test, 5, spread_seconds=1.0)


def test_removing_what_is_not_there_is_nothing() -> None:
    async def test(p: Play) -> None:
        p.manager.remove("nobody")
        assert len(p.manager.targets) == 1

    play(test, 1)


def test_a_round_can_be_told_to_end_earlier() -> None:
    async def test(p: Play) -> None:
        p.cluster.answers["10.0.0.0"] = (NEVER, b"rows")
        report = await p.manager.scrape(WINDOW, p.take, at_most_seconds=2.0)
        assert (report.delivered, report.unanswered) == (1, 1)
        assert report.took_seconds == pytest.approx(2.0)

    play(test, 2)


def test_a_cancelled_round_starts_nothing_more_and_delivers_nothing() -> None:
    async def test(p: Play) -> None:
        task = asyncio.ensure_future(p.scrape())
        await asyncio.sleep(1.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        asked, delivered = len(p.cluster.asked), len(p.delivered)
        assert 0 < asked < 20
        await asyncio.sleep(10)
        assert (len(p.cluster.asked), len(p.delivered)) == (asked, delivered)
        assert (await p.scrape()).delivered == 20

    play(test, 20, spread_seconds=2.0)


def test_one_target_is_asked_out_of_turn_also_during_a_round() -> None:
    async def test(p: Play) -> None:
        p.cluster.answers["10.0.0.0"] = (3.0, b"rows")
        task = asyncio.ensure_future(p.scrape())
        await asyncio.sleep(1.0)
        extra: list[str] = []
        for name in ("n1", "n0", "nobody"):  # idle, busy, unknown
            await p.manager.scrape_one(name, WINDOW, lambda target, rows: extra.append(target.name))
        report = await task
        assert extra == ["n1"]
        assert sorted(p.delivered) == ["n0", "n1", "n2"]
        assert (report.delivered, report.skipped, p.manager.counters.extra) == (3, 0, 1)
        assert p.manager.counters.outcomes == {"ok": 4}

    play(test, 3)


def test_a_target_that_is_away_is_left_to_the_rounds() -> None:
    async def test(p: Play) -> None:
        p.cluster.answers["10.0.0.0"] = (0.0, "refused")
        await p.scrape()
        await p.manager.scrape_one("n0", WINDOW, p.take)
        assert len(p.cluster.asked) == 1
        assert p.manager.counters.extra == 0

    play(test, 1)


def test_a_target_that_hangs_out_of_turn_is_waited_for_until_the_deadline() -> None:
    async def test(p: Play) -> None:
        p.cluster.answers["10.0.0.0"] = (NEVER, b"rows")
        began = p.clock.monotonic()
        await p.manager.scrape_one("n0", WINDOW, p.take)
        assert p.clock.monotonic() - began == pytest.approx(5.0)

    play(test, 1, deadline_seconds=5.0)


def test_two_rounds_at_a_time_are_a_bug() -> None:
    async def test(p: Play) -> None:
        task = asyncio.ensure_future(p.scrape())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="BUG: a scrape"):
            await p.manager.scrape(WINDOW, p.take)
        await task

    play(test, 1)


def test_a_spread_beyond_the_deadline_is_a_bug() -> None:
    async def test(clock: LoopClock) -> None:
        with pytest.raises(ValueError, match="does not end before"):
            Play(clock, 0, spread_seconds=20.0)

    run(test)


def test_closing_closes_everything() -> None:
    async def test(p: Play) -> None:
        await p.scrape()
        p.manager.close()
        assert all(line.is_closed for line in p.cluster.lines)
        assert p.cluster.is_closed
        assert (await p.scrape()).targets == 0

    play(test, 3)


def test_only_changes_of_the_outcome_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def test(p: Play) -> None:
        for answer in (b"rows", "status", "status", "closed", b"rows", b"rows"):
            p.cluster.answers["10.0.0.0"] = (0.0, answer)
            await p.scrape()

    caplog.set_level("INFO")
    play(test, 1)
    assert [record.message for record in caplog.records] == [
        "node n0: cannot scrape 10.0.0.0: as told",
        "node n0: cannot scrape 10.0.0.0: as told",
        "node n0 answers again (10.0.0.0:10255)",
    ]


def test_a_target_describes_itself() -> None:
    async def test(p: Play) -> None:
        p.cluster.answers["10.0.0.0"] = (0.25, b"rows")
        await p.scrape()
        [described] = p.manager.describe_targets()
        assert described["last_seconds"] == pytest.approx(0.25)
        assert described["last_good_ns"] - described["last_start_ns"] == pytest.approx(0.25e9)
        assert {key: described[key] for key in ("node", "address", "outcome", "error", "body_bytes", "scrapes")} == {
            "node": "n0", "address": "10.0.0.0:10255", "outcome": "ok", "error": "", "body_bytes": 4, "scrapes": 1,
        }  # fmt: skip

    play(test, 1)
