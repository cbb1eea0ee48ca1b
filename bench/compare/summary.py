"""What all turns of one server say together.

In      CompareResults
Out     Summary a server; a table for the terminal; the same in Markdown
Callers bench/command.py, bench/report
Never   hides an error behind a quantile: whatever was not answered stands beside it
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

import msgspec
from rich.table import Table

from bench.compare.rounds import CompareResults
from bench.compare.turn import FRESHNESS, Turn
from bench.load.histogram import Latencies

MIB = 2**20


class StreamSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One stream over all rounds."""

    name: str
    due: int
    errors: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    answer_bytes: int


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """One server; None where its process is not known, or nobody could ask.

    Attributes:
        quiet_us_a_scrape: CPU, everything that the process did while nobody asked, by scrapes.
        load_us_a_request: CPU under load, beyond what the quiet costs, by good answers. Of a mix: only figures of one
            load may be compared.
        spread: of quiet_us_a_scrape, the lowest and the highest turn.
    """

    server: str
    turns: int
    quiet_us_a_scrape: float | None
    spread: tuple[float, float] | None
    quiet_cores: float | None
    load_us_a_request: float | None
    quiet_rss_mib: float | None
    load_rss_mib: float | None
    peak_rss_mib: float | None
    first_answer_seconds: float | None
    age_p50: float | None
    age_p99: float | None
    overdue_p50: float | None
    newcomer_p50: float | None
    newcomer_max: float | None
    newcomers: int
    newcomers_missing: int
    streams: list[StreamSummary]


def summarise(results: CompareResults) -> list[Summary]:
    """In the order in which servers were named."""
    by_server = {name: [turn for turn in results.turns if turn.server == name] for name in results.servers}
    return [_summary(name, turns) for name, turns in by_server.items() if turns]


def _summary(name: str, turns: Sequence[Turn]) -> Summary:
    a_scrape = [
        turn.quiet_cpu_seconds / turn.scrapes * 1e6
        for turn in turns
        if turn.quiet_cpu_seconds is not None and turn.scrapes
    ]
    cores = [turn.quiet_cpu_seconds / turn.quiet_seconds for turn in turns if turn.quiet_cpu_seconds is not None]
    newcomers = [seconds for turn in turns for seconds in turn.newcomers]
    ages = [turn.ages for turn in turns if turn.ages is not None]
    return Summary(
        server=name,
        turns=len(turns),
        quiet_us_a_scrape=_median(a_scrape),
        spread=(round(min(a_scrape), 1), round(max(a_scrape), 1)) if a_scrape else None,
        quiet_cores=_median(cores, 4),
        load_us_a_request=_median([found for turn in turns if (found := _us_a_request(turn)) is not None]),
        quiet_rss_mib=_median([turn.quiet_rss_max_bytes / MIB for turn in turns if turn.quiet_rss_max_bytes]),
        load_rss_mib=_median([turn.load_rss_max_bytes / MIB for turn in turns if turn.load_rss_max_bytes]),
        peak_rss_mib=_median([turn.peak_rss_bytes / MIB for turn in turns if turn.peak_rss_bytes]),
        first_answer_seconds=_median([turn.first_answer_seconds for turn in turns if turn.first_answer_seconds]),
        age_p50=_median([age.p50 for age in ages], 2),
        age_p99=_median([age.p99 for age in ages], 2),
        overdue_p50=_median([age.overdue_p50 for age in ages], 2),
        newcomer_p50=_median(newcomers, 2),
        newcomer_max=max(newcomers, default=None),
        newcomers=len(newcomers),
        newcomers_missing=sum(turn.newcomers_missing for turn in turns),
        streams=_streams(turns),
    )


def _us_a_request(turn: Turn) -> float | None:
    good = sum(stream.good for stream in turn.streams)
    if turn.load_cpu_seconds is None or turn.quiet_cpu_seconds is None or not good:
        return None
    return (turn.load_cpu_seconds - turn.quiet_cpu_seconds / turn.quiet_seconds * turn.load_seconds) / good * 1e6


def _streams(turns: Sequence[Turn]) -> list[StreamSummary]:
    found = []
    for name in dict.fromkeys(stream.name for turn in turns for stream in turn.streams):
        streams = [stream for turn in turns for stream in turn.streams if stream.name == name]
        latencies = Latencies()
        for stream in streams:
            latencies.add(Latencies(stream.histogram))
        good = sum(stream.good for stream in streams)
        found.append(
            StreamSummary(
                name=name,
                due=sum(stream.due for stream in streams),
                errors=sum(sum(stream.errors.values()) for stream in streams),
                p50_ms=latencies.quantile_ms(0.5),
                p99_ms=latencies.quantile_ms(0.99),
                max_ms=latencies.quantile_ms(1.0),
                answer_bytes=round(sum(stream.body_bytes for stream in streams) / max(good, 1)),
            )
        )
    return found


def _median(values: Sequence[float], digits: int = 1) -> float | None:
    return round(statistics.median(values), digits) if values else None


def rows(summaries: Sequence[Summary]) -> Iterator[tuple[str, list[str]]]:
    """What is compared, and each server's figure, as text."""

    def row(what: str, texts: Iterator[str]) -> tuple[str, list[str]]:
        return what, list(texts)

    yield row("CPU while nobody asks, µs a scrape", (_spread(it) for it in summaries))
    yield row("the same, cores", (_text(it.quiet_cores) for it in summaries))
    yield row("CPU a request beyond that, µs", (_text(it.load_us_a_request) for it in summaries))
    yield row("the most memory while nobody asks, MiB", (_text(it.quiet_rss_mib) for it in summaries))
    yield row("the same under load, in all", (_pair(it.load_rss_mib, it.peak_rss_mib) for it in summaries))
    yield row("age of a number read, s: p50, p99", (_pair(it.age_p50, it.age_p99) for it in summaries))
    yield row("the kubelet had a newer one for, s: p50", (_text(it.overdue_p50) for it in summaries))
    yield row(
        "a new pod's first number, s: median, worst", (_pair(it.newcomer_p50, it.newcomer_max) for it in summaries)
    )
    yield row("start to first answer, s", (_text(it.first_answer_seconds) for it in summaries))
    for name in dict.fromkeys(stream.name for it in summaries for stream in it.streams if stream.name != FRESHNESS):
        yield row(f"{name}, ms: p50, p99", (_latency(it, name) for it in summaries))


def table_of(results: CompareResults) -> Table:
    """For a terminal."""
    summaries = summarise(results)
    scenario = results.scenario
    shape = f"{scenario.nodes:,} nodes, {scenario.pods:,} pods, every {scenario.resolution_seconds} s"
    table = Table("what", title=f"{scenario.name}: {shape}", title_justify="left")
    for it in summaries:
        table.add_column(f"{it.server}\n{it.turns} turns", justify="right")
    for what, texts in rows(summaries):
        table.add_row(what, *texts)
    return table


def markdown_of(results: CompareResults) -> Iterator[str]:
    """The same as lines of Markdown."""
    summaries = summarise(results)
    yield f"| | {' | '.join(it.server for it in summaries)} |"
    yield f"|---|{'---:|' * len(summaries)}"
    for what, texts in rows(summaries):
        yield f"| {what} | {' | '.join(texts)} |"


def _text(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _pair(first: float | None, second: float | None) -> str:
    return "-" if first is None and second is None else f"{_text(first)}, {_text(second)}"


def _spread(it: Summary) -> str:
    if it.spread is None or it.turns == 1:
        return _text(it.quiet_us_a_scrape)
    return f"{_text(it.quiet_us_a_scrape)} ({_text(it.spread[0])} to {_text(it.spread[1])})"


def _latency(it: Summary, name: str) -> str:
    for stream in it.streams:
        if stream.name == name:
            errors = f", {stream.errors} of {stream.due} failed" if stream.errors else ""
            return f"{_pair(stream.p50_ms, stream.p99_ms)}{errors}"
    return "-"
