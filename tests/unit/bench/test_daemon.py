"""What is made of the daemon's own counters."""

import pytest

from bench.macro.daemon import figures_between

BEFORE = {
    'heapfast_ticks_total{outcome="closed"}': 2.0,
    'heapfast_tick_seconds_sum{part="close"}': 0.020,
    'heapfast_scrape_scrapes_total{outcome="ok"}': 200.0,
    "heapfast_scrape_body_bytes_total": 1_000.0,
}
AFTER = {
    'heapfast_ticks_total{outcome="closed"}': 4.0,
    'heapfast_tick_seconds_sum{part="close"}': 0.050,
    'heapfast_scrape_scrapes_total{outcome="ok"}': 400.0,
    "heapfast_scrape_body_bytes_total": 21_000.0,
    "heapfast_scrape_targets": 100.0,
    'heapfast_store_bytes{part="packed"}': 300.0,
    "heapfast_store_packed_samples": 150.0,
}


def test_figures_are_of_the_time_between() -> None:
    figures = figures_between(BEFORE, AFTER)
    assert (figures["ticks"], figures["scrapes"], figures["missed"]) == (2, 200, 0)
    assert figures["tick"]["close_ms"] == 15.0
    assert figures["body_bytes_a_scrape"] == 100
    assert figures["packed_bytes_a_sample"] == 2.0


@pytest.mark.parametrize(
    ("counters", "missed"),
    [
        ({'heapfast_scrape_scrapes_total{outcome="ok"}': 390.0}, 10),
        ({"heapfast_scrape_late_total": 3.0}, 3),
        ({"heapfast_scrape_extra_total": 7.0}, 7),
        ({"heapfast_scrape_extra_total": 7.0, 'heapfast_scrape_scrapes_total{outcome="ok"}': 407.0}, 0),
    ],
    ids=["failed or left out", "late", "out of turn and failed", "out of turn"],
)
def test_what_gave_its_batch_nothing_is_missed(counters: dict[str, float], missed: int) -> None:
    assert figures_between(BEFORE, {**AFTER, **counters})["missed"] == missed
