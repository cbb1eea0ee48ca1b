"""Self-metrics: Heapster's names with true values, and ours."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from heapfast.clock import ManualClock
from heapfast.scrape import monitoring
from heapfast.scrape.loop import Windows
from heapfast.scrape.monitoring import ScrapeCollector, WindowCollector
from tests.unit.scrape.test_manager import WINDOW, Play, play
from tests.unit.scrape.virtual import T0_NS


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, labels)


def test_heapsters_metrics_have_true_values() -> None:
    async def test(p: Play) -> None:
        registry = CollectorRegistry()
        ScrapeCollector(p.manager, registry)
        p.cluster.answers["10.0.0.0"] = (0.25, b"rows")
        await p.scrape()
        await p.scrape()
        source = {"source": "words:10.0.0.0:10255"}
        started_s = p.target("n0").last_start_ns / 1e9
        assert T0_NS / 1e9 < started_s < T0_NS / 1e9 + 1
        assert value(registry, "heapster_scraper_last_time_seconds", **source) == pytest.approx(started_s, abs=1e-6)
        assert value(registry, "heapster_scraper_duration_microseconds_count", **source) == 2
        assert value(registry, "heapster_scraper_duration_microseconds_sum", **source) == pytest.approx(500_000)
        request = "words_request_duration_microseconds"
        assert value(registry, f"{request}_sum", node="h0") == pytest.approx(500_000)
        assert value(registry, f"{request}_sum", node="h1") == pytest.approx(20_000)

    play(test, 2)


def test_nodes_of_one_hostname_share_a_series() -> None:
    async def test(p: Play) -> None:
        registry = CollectorRegistry()
        ScrapeCollector(p.manager, registry)
        for name, ip in (("n0", "10.0.0.0"), ("n1", "10.0.0.1")):
            p.manager.put(name, hostname="same", ip=ip)
        await p.scrape()
        text = generate_latest(registry).decode()
        assert text.count('words_request_duration_microseconds_count{node="same"} 2.0') == 1

    play(test, 2)


def test_a_target_that_was_never_scraped_has_no_series() -> None:
    async def test(p: Play) -> None:
        registry = CollectorRegistry()
        ScrapeCollector(p.manager, registry)
        assert "source=" not in generate_latest(registry).decode()
        assert value(registry, "heapfast_scrape_targets") == 2

    play(test, 2)


def test_our_metrics_count_every_outcome() -> None:
    async def test(p: Play) -> None:
        registry = CollectorRegistry()
        ScrapeCollector(p.manager, registry)
        p.cluster.answers |= {"10.0.0.0": (0.0, "status"), "10.0.0.1": (3.0, b"rows")}
        await p.scrape()
        assert value(registry, "heapfast_scrape_in_flight") == 1
        await p.scrape()
        assert value(registry, "heapfast_scrape_scrapes_total", outcome="ok") == 4
        assert value(registry, "heapfast_scrape_scrapes_total", outcome="status") == 2
        assert value(registry, "heapfast_scrape_skipped_total") == 1
        await p.manager.scrape_one("n3", WINDOW, p.take)
        assert value(registry, "heapfast_scrape_extra_total") == 1
        assert value(registry, "heapfast_scrape_body_bytes_total") == 5 * 4
        assert value(registry, "heapfast_scrape_unlisted_targets") == 0

    play(test, 4, deadline_seconds=2.0, spread_seconds=0.0)


def test_too_many_targets_are_not_listed_but_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitoring, "MAX_LISTED_TARGETS", 2)

    async def test(p: Play) -> None:
        registry = CollectorRegistry()
        ScrapeCollector(p.manager, registry)
        await p.scrape()
        assert value(registry, "heapfast_scrape_unlisted_targets") == 3
        assert value(registry, "heapfast_scrape_scrapes_total", outcome="ok") == 3
        assert "source=" not in generate_latest(registry).decode()

    play(test, 3)


def test_scrapes_are_counted_by_how_long_they_took() -> None:
    async def test(p: Play) -> None:
        registry = CollectorRegistry()
        ScrapeCollector(p.manager, registry)
        p.cluster.answers["10.0.0.0"] = (0.3, b"rows")
        await p.scrape()
        name = "heapfast_scrape_duration_seconds"
        assert [value(registry, f"{name}_bucket", le=le) for le in ("0.005", "0.25", "0.5", "20.0", "+Inf")] == [
            0, 0, 1, 1, 1,
        ]  # fmt: skip
        assert value(registry, f"{name}_count") == 1
        assert value(registry, f"{name}_sum") == pytest.approx(0.3)

    play(test, 1)


def test_windows_are_counted() -> None:
    registry = CollectorRegistry()
    windows = Windows(10**9, 0, ManualClock())
    WindowCollector(windows, registry)
    windows.skipped_total, windows.ahead_total = 3, 2
    assert value(registry, "heapfast_windows_skipped_total") == 3
    assert value(registry, "heapfast_windows_ahead_total") == 2


def test_series_of_targets_are_made_piece_by_piece() -> None:
    async def test(p: Play) -> None:
        registry = CollectorRegistry()
        ScrapeCollector(p.manager, registry)
        for target in p.manager.targets:
            target.scrapes = 1
        first, last = p.manager.targets[0], p.manager.targets[-1]
        seen = []
        for family in registry.collect():
            if family.name == "heapster_scraper_last_time_seconds":
                for sample in family.samples:
                    last.last_start_ns = 7 * 10**9  # after the family was begun, before its last sample
                    seen.append(sample.value)
        assert (len(seen), seen[0], seen[-1]) == (3, first.last_start_ns / 1e9, 7.0)

    play(test, 3)
