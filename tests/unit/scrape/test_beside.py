"""A second source of every target: when it is asked, over which connection, and what its failures cost."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from heapfast.errors import ScrapeError
from heapfast.scrape._http import KubeletClient, OnDone
from heapfast.scrape._target import Target
from heapfast.scrape.beside import Beside
from heapfast.scrape.kit import ScrapeReport
from heapfast.scrape.loop import Window
from heapfast.scrape.manager import ScrapeManager
from heapfast.scrape.monitoring import ScrapeCollector
from heapfast.scrape.sources.kubelet_resource import KubeletResource
from heapfast.scrape.sources.kubelet_summary import KubeletSummary
from heapfast.wire._rows import Rows
from tests.unit.scrape.virtual import T0_NS, LoopClock, run

QUARTER_NS = 15 * 10**9
EVERY = 4

MAIN_BODY = b"node_cpu_usage_seconds_total 1 1512986400000\nnode_memory_working_set_bytes 7 1512986400000\n"
SIDE_BODY = b'{"node": {"nodeName": "n", "network": {"rxBytes": 1}}, "pods": []}'

#: Seconds until the answer, and what it is: a body, or the reason of a failure.
Answer = tuple[float, bytes | str]


class Line:
    """The only connection of a node: it answers each source as it was told, and one request at a time."""

    content_type = "text/html"
    is_open = True

    def __init__(self, play: Play, ip: str) -> None:
        self._play = play
        self.ip = ip
        self._on_done: OnDone | None = None

    def request(self, head: bytes, body: bytes, on_done: OnDone, *, at_most_seconds: float = 1000.0) -> None:
        assert self._on_done is None, "two requests at a time"
        self._on_done = on_done
        source = "side" if b"/stats/summary/" in head else "main"
        self._play.asked.append((self.ip, source))
        seconds, answer = self._play.answers.get((self.ip, source), (0.01, b""))
        if seconds > at_most_seconds:
            seconds, answer = at_most_seconds, "timeout"
        asyncio.get_running_loop().call_later(seconds, self._finish, answer or (SIDE_BODY, MAIN_BODY)[source == "main"])

    def close(self) -> None:
        if self._on_done is not None:
            self._finish("removed")

    def _finish(self, answer: bytes | str) -> None:
        on_done, self._on_done = self._on_done, None
        if on_done is None:
            return
        if isinstance(answer, bytes):
            on_done(answer, None)
        else:
            on_done(None, ScrapeError(self.ip, answer, "as told"))


class Play:
    """A manager of two sources, and what it asked and delivered in its last round."""

    def __init__(self, clock: LoopClock, nodes: int) -> None:
        self.clock = clock
        self.answers: dict[tuple[str, str], Answer] = {}
        self.asked: list[tuple[str, str]] = []
        self.delivered: list[tuple[str, str]] = []
        self.observed: list[str] = []
        self.stamp_ns = T0_NS
        self.manager = ScrapeManager(
            KubeletResource(),
            cast(KubeletClient, self),
            port=10250,
            clock=clock,
            deadline_seconds=13.5,
            jitter=lambda: 1.0,
            beside=Beside(KubeletSummary(), Rows(), EVERY),
        )
        for i in range(nodes):
            self.manager.put(f"n{i}", hostname=f"h{i}", ip=f"10.0.0.{i}")

    def connect(self, ip: str, port: int, label: str) -> Line:
        return Line(self, ip)

    def close(self) -> None:
        pass

    # What the manager tells of the main source's scrapes.

    def observe_request(self, node: str, start_ns: int, seconds: float, *, is_success: bool) -> None:
        self.observed.append(node)

    def observe_round(self, seconds: float) -> None:
        pass

    def forget(self, node: str) -> None:
        pass

    def take(self, target: Target, rows: Rows) -> None:
        assert [row["kind"] for row in rows.to_dicts()] == ["node"]
        assert ("cpu/usage" in rows.to_dicts()[0]["metrics"]) != target.is_side
        self.delivered.append((target.name, "side" if target.is_side else "main"))

    async def scrape(self) -> ScrapeReport:
        """One round, a window later than the last."""
        self.asked.clear()
        self.delivered.clear()
        self.stamp_ns += QUARTER_NS
        began = self.clock.monotonic()
        report = await self.manager.scrape(Window(self.stamp_ns - QUARTER_NS, self.stamp_ns), self.take)
        await asyncio.sleep(15 - (self.clock.monotonic() - began))
        return report

    def count(self, source: str) -> int:
        return sum(of == source for _, of in self.asked)

    def twin(self, name: str) -> Target:
        twin = next(target for target in self.manager.targets if target.name == name).twin
        assert twin is not None
        return twin


def play(test: Callable[[Play], Coroutine[Any, Any, None]], nodes: int) -> None:
    async def wrapped(clock: LoopClock) -> None:
        await test(Play(clock, nodes))

    run(wrapped)


def test_all_are_asked_for_both_at_first_and_the_second_after_the_first() -> None:
    async def test(p: Play) -> None:
        report = await p.scrape()
        assert sorted(p.delivered) == sorted((f"n{i}", of) for i in range(8) for of in ("main", "side"))
        for i in range(8):
            assert [of for ip, of in p.asked if ip == f"10.0.0.{i}"] == ["main", "side"]
        assert (report.targets, report.delivered, report.unanswered) == (8, 8, 0)

    play(test, 8)


def test_each_is_asked_for_the_second_once_in_so_many_windows_and_load_is_flat() -> None:
    async def test(p: Play) -> None:
        for _ in range(EVERY):
            await p.scrape()
        by_round = []
        by_node: Counter[str] = Counter()
        for _ in range(2 * EVERY):
            await p.scrape()
            assert p.count("main") == 200
            by_round.append(p.count("side"))
            by_node.update(ip for ip, of in p.asked if of == "side")
        assert set(by_node.values()) == {2}
        assert by_round[:EVERY] == by_round[EVERY:]
        assert min(by_round) > 25

    play(test, 200)


def test_one_that_fails_is_asked_again_in_the_next_window_and_then_keeps_its_place() -> None:
    async def test(p: Play) -> None:
        rounds = []
        for number in range(12):
            p.answers["10.0.0.0", "side"] = (0.01, "status" if number in (4, 5, 6, 7, 8) else b"")
            await p.scrape()
            rounds.append((p.count("side"), len(p.delivered)))
        assert rounds[0] == (1, 2)
        first_failure = next(number for number in range(4, 12) if rounds[number][0])
        assert all(asked for asked, _ in rounds[first_failure:10])
        assert [delivered for _, delivered in rounds[first_failure:10]] == [1] * (9 - first_failure) + [2]
        assert p.twin("n0").outcome == "ok"

    play(test, 1)


def test_a_hanging_answer_of_the_second_ends_before_the_next_window_begins() -> None:
    async def test(p: Play) -> None:
        p.answers["10.0.0.0", "side"] = (1000.0, b"")
        for _ in range(3):
            await p.scrape()
            assert ("n0", "main") in p.delivered
            assert ("n1", "main") in p.delivered
        assert p.twin("n0").outcome == "timeout"
        assert p.manager.counters.skipped == 0

    play(test, 2)


def test_nobody_waits_for_a_second_source_that_hung_last_time() -> None:
    async def test(p: Play) -> None:
        p.answers["10.0.0.0", "side"] = (1000.0, b"")
        assert (await p.scrape()).took_seconds > 13
        assert (await p.scrape()).took_seconds < 0.1

    play(test, 2)


def test_a_failure_of_the_first_leaves_the_second_its_turn() -> None:
    async def test(p: Play) -> None:
        p.answers["10.0.0.0", "main"] = (0.01, "status")
        report = await p.scrape()
        assert p.delivered == [("n0", "side")]
        assert (report.delivered, report.failed) == (0, 1)
        p.answers["10.0.0.0", "main"] = (5.0, "timeout")
        for _ in range(2 * EVERY):
            await p.scrape()
        # The first is backed off meanwhile; the second is asked all the same, in its own rhythm.
        assert p.manager.counters.backed_off > 0
        assert p.manager.counters.side_outcomes == {"ok": 3}

    play(test, 1)


def test_a_late_first_answer_takes_the_second_with_it_to_the_next_window() -> None:
    async def test(p: Play) -> None:
        p.answers["10.0.0.0", "main"] = (14.0, b"")
        await p.scrape()
        assert p.count("side") == 0
        p.answers.clear()
        await p.scrape()
        assert p.count("side") == 1

    play(test, 1)


def test_a_scrape_out_of_turn_is_the_first_sources() -> None:
    async def test(p: Play) -> None:
        await p.manager.scrape_one("n0", Window(T0_NS - QUARTER_NS, T0_NS), p.take)
        assert p.delivered == [("n0", "main")]

    play(test, 1)


def test_a_removed_node_is_asked_for_neither() -> None:
    async def test(p: Play) -> None:
        p.answers["10.0.0.0", "side"] = (5.0, b"")
        asyncio.get_running_loop().call_later(1.0, p.manager.remove, "n0")
        await p.scrape()
        assert p.delivered == [("n0", "main")]
        await p.scrape()
        assert p.asked == []

    play(test, 1)


def test_both_are_told_of(caplog: pytest.LogCaptureFixture) -> None:
    async def test(p: Play) -> None:
        p.manager.observe(p)
        p.answers["10.0.0.0", "side"] = (0.01, "status")
        await p.scrape()
        (told,) = p.manager.describe_targets()
        assert (told["source"], told["outcome"]) == ("kubernetes.resource", "ok")
        assert (told["beside"]["source"], told["beside"]["outcome"]) == ("kubernetes.summary_api", "status")
        assert "node n0 (kubernetes.summary_api): " in caplog.text
        assert p.observed == ["n0"]

        registry = CollectorRegistry()
        ScrapeCollector(p.manager, registry)
        value = registry.get_sample_value
        assert value("heapfast_scrape_scrapes_total", {"outcome": "ok"}) == 1
        assert value("heapfast_scrape_side_scrapes_total", {"outcome": "status"}) == 1
        for prefix in ("kubelet_resource", "kubelet_summary"):
            source = {"source": f"{prefix}:10.0.0.0:10250"}
            assert value("heapster_scraper_duration_microseconds_count", source) == 1
        assert value("heapster_kubelet_summary_request_duration_microseconds_count", {"node": "h0"}) == 1

    play(test, 1)
