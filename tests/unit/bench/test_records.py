"""The table of bench/README.md."""

import pytest

from bench import records
from bench.curves.measuring import CURVES
from bench.provenance import provenance
from bench.records import (
    BEGIN,
    END,
    README,
    ROWS,
    Growth,
    Macro,
    MacroResults,
    Measured,
    Micro,
    MicroResults,
    find,
    lines,
    macro_results,
    micro_results,
    spread,
)
from bench.running import BENCHES
from bench.scenarios import SCENARIOS

MEASURED = Measured(
    size=30, unit="pods", load_averages=[0.1, 2.0], budgets={}, missed={}, figures={"compiled, GB/s": [1.91, 1.604]}
)


@pytest.fixture
def micro() -> MicroResults:
    return MicroResults(provenance(), is_quick=False, benches={"exposition": MEASURED})


@pytest.fixture
def macro() -> MacroResults:
    row = {"scenario": "hundred", "mode": "heapster", "load_average": 0.5, "cpu_us_a_scrape": 120.4}
    return MacroResults(provenance(), [{**row, "requests": {"series": {"p99_ms": 1234.5}}}])


def test_a_figure_is_the_range_of_its_runs(micro: MicroResults) -> None:
    assert find(Micro("exposition", "compiled, GB/s"), micro, None) == "1.6 to 1.91"


def test_a_figure_of_the_whole_daemon_is_found_by_its_path(macro: MacroResults) -> None:
    assert find(Macro("hundred", "heapster", "cpu_us_a_scrape"), None, macro) == "120"
    assert find(Macro("hundred", "heapster", "requests/series/p99_ms"), None, macro) == "1,234"


@pytest.mark.parametrize("place", [Micro("wire", "compiled, GB/s"), Macro("hundred", "metrics-server", "cores")])
def test_what_nobody_has_measured_is_a_dash(place: Micro | Macro, micro: MicroResults, macro: MacroResults) -> None:
    assert find(place, micro, macro) == "-"
    assert find(place, None, None) == "-"


def test_a_figure_that_its_bench_does_not_give_is_a_bug(micro: MicroResults) -> None:
    with pytest.raises(KeyError, match="interpreted"):
        find(Micro("exposition", "interpreted, GB/s"), micro, None)


@pytest.mark.parametrize(
    ("values", "text"),
    [([0.0], "0"), ([1.2345], "1.23"), ([99.94, 99.6], "99.6 to 99.9"), ([15_007.6, 14_000.0], "14,000 to 15,008")],
)
def test_figures_read_well(values: list[float], text: str) -> None:
    assert spread(values) == text


def test_the_table_says_on_what_machine_and_beside_how_much_else(micro: MicroResults, macro: MacroResults) -> None:
    text = "\n".join(lines(micro, macro))
    assert "| parse `/metrics/resource`, GB/s | ≥ 1.5 | 1.6 to 1.91 |" in text
    assert f"commit {micro.provenance.commit[:10]}" in text
    assert "2 runs, load average 0.1 to 2" in text
    assert "one run, load average 0.5" in text


def test_what_is_from_an_earlier_run_is_named(macro: MacroResults) -> None:
    old = MacroResults(macro.provenance, [*macro.scenarios, macro.scenarios[0] | {"commit": "0123456789abcdef"}])
    assert "earlier" not in "\n".join(lines(None, macro))
    assert "From an earlier run, of commit 0123456789: hundred as heapster." in list(lines(None, old))


def test_memory_with_history_is_of_a_run_of_its_own(macro: MacroResults, monkeypatch: pytest.MonkeyPatch) -> None:
    row = macro.scenarios[0] | {"rss_mib": 425.0}
    monkeypatch.setattr(records, "macro_results", {"history": MacroResults(macro.provenance, [row])}.get)
    assert find(Macro(row["scenario"], row["mode"], "rss_mib", "history"), None, macro) == "425"
    assert find(Macro(row["scenario"], row["mode"], "rss_mib", "other"), None, macro) == "-"


def test_every_row_is_of_a_bench_and_a_scenario_that_exist() -> None:
    for _, _, places in ROWS:
        for place in places:
            if isinstance(place, Micro):
                assert place.bench in BENCHES
            elif isinstance(place, Growth):
                assert place.curve in CURVES
            else:
                assert place.scenario in SCENARIOS


def test_the_files_that_are_kept_have_every_figure_of_the_table() -> None:
    found = list(lines(micro_results(), macro_results()))
    assert len(found) >= len(ROWS) + 2


def test_the_readme_has_a_place_for_the_table() -> None:
    before, begin, rest = README.read_text().partition(BEGIN)
    table, end, after = rest.partition(END)
    assert all((before, begin, table, end, after))
