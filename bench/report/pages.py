"""docs/performance.md between its markers, and the charts that it shows.

In      bench/results/compare-*.json and curves.json, whichever are there
Out     docs/charts/*.svg; the lines between the page's markers
Callers bench/command.py (`heapfast bench report`)
Never   writes prose: what figures mean stands outside the markers, by hand
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from bench.compare.rounds import CompareResults
from bench.compare.summary import Summary, markdown_of, summarise
from bench.curves.records import CurveResults
from bench.records import RESULTS, about
from bench.report.svg import Bar, Series, bar_chart, line_chart, number

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
PAGE: Final = "performance.md"
CHARTS: Final = "charts"
BEGIN: Final = "<!-- {part}: written by heapfast bench report -->"
END: Final = "<!-- end of {part} -->"

#: What of each server is drawn: file, title, unit, figure.
_DRAWN: Final[tuple[tuple[str, str, str, Callable[[Summary], float | None]], ...]] = (
    ("cpu", "CPU a scrape while nobody asks", "µs", lambda it: it.quiet_us_a_scrape),
    ("request", "CPU a request, beyond that", "µs", lambda it: it.load_us_a_request),
    ("memory", "memory, the highest under load", "MiB", lambda it: it.load_rss_mib),
    ("autoscaler", "an autoscaler's request, p99", "ms", lambda it: _p99(it, "autoscalers")),
    ("age", "age of a number read, median", "s", lambda it: it.age_p50),
    ("newcomer", "a new pod's first number, median", "s", lambda it: it.newcomer_p50),
)


def _p99(it: Summary, name: str) -> float | None:
    return next((stream.p99_ms for stream in it.streams if stream.name == name), None)


def read_compared() -> list[CompareResults]:
    """Every comparison that is kept, the smallest cluster first."""
    found = [
        msgspec.json.decode(path.read_bytes(), type=CompareResults) for path in sorted(RESULTS.glob("compare-*.json"))
    ]
    return sorted(found, key=lambda results: results.scenario.nodes)


def read_curves() -> CurveResults | None:
    path = RESULTS / "curves.json"
    return msgspec.json.decode(path.read_bytes(), type=CurveResults) if path.exists() else None


def compare_charts(compared: Sequence[CompareResults]) -> Iterator[tuple[str, str]]:
    """File name and SVG of each figure that is drawn; those that nobody has measured are left out."""
    for name, title, unit, figure in _DRAWN:
        bars = [
            Bar(f"{results.scenario.nodes:,} nodes, {it.server}", it.server, value)
            for results in compared
            for it in summarise(results)
            if (value := figure(it)) is not None
        ]
        if bars:
            yield f"compare-{name}.svg", bar_chart(title, unit, bars, note="less is better")


def curve_charts(results: CurveResults) -> Iterator[tuple[str, str]]:
    """File name and SVG of each curve."""
    for name, curve in results.curves.items():
        series = [Series(line, points) for line, points in curve.series.items() if points]
        yield f"curve-{name}.svg", line_chart(curve.title, curve.x, curve.y, series, is_log=curve.is_log)


def compare_lines(compared: Sequence[CompareResults]) -> Iterator[str]:
    """A table a scenario, what was run, and the charts."""
    for name, _ in compare_charts(compared):
        yield f"![{name.removesuffix('.svg').replace('-', ', ')}]({CHARTS}/{name})"
    for results in compared:
        scenario, loads = results.scenario, [turn.load_average for turn in results.turns]
        yield ""
        yield (
            f"**{scenario.nodes:,} nodes, {scenario.pods:,} pods, {scenario.all_containers:,} containers**, every "
            f"{scenario.resolution_seconds} s, clients: `{results.routine.profile}`"
        )
        yield ""
        yield from markdown_of(results)
        yield ""
        yield (
            f"{about(results.provenance)}; load average before a turn {min(loads):g} to {max(loads):g}; the load "
            f"generator against nothing: p50 {results.floor.p50_ms:g}, p99 {results.floor.p99_ms:g} ms."
        )
        for server, reason in results.failed.items():
            yield ""
            yield f"{server} was not measured to the end: {reason}"
    yield from _command_lines(compared)


def _command_lines(compared: Sequence[CompareResults]) -> Iterator[str]:
    seen: dict[str, str] = {}
    for results in compared:
        for server, identity in results.servers.items():
            version = identity.version.removeprefix("version: ")
            digest = f", sha256 {identity.sha256[:16]}…" if identity.sha256 else ""
            seen[server] = f"{server} {version}{digest}:\n\n    {identity.command}"
    for text in seen.values():
        yield ""
        yield text


def curve_lines(results: CurveResults) -> Iterator[str]:
    """Each curve with its claim, and how far its highest point is from its lowest."""
    for name, curve in results.curves.items():
        yield ""
        yield f"![{name}]({CHARTS}/curve-{name}.svg)"
        yield ""
        yield f"Claim: {curve.claim}. Load average {curve.load_average:g}."
        yield ""
        xs = sorted({x for points in curve.series.values() for x, _ in points})
        yield f"| {curve.x} | {' | '.join(number(x) for x in xs)} | highest over lowest |"
        yield f"|---|{'---:|' * (len(xs) + 1)}"
        for line, points in curve.series.items():
            by_x = dict(points)
            values = " | ".join(number(by_x[x]) if x in by_x else "-" for x in xs)
            yield f"| {line}, {curve.y} | {values} | {curve.spread().get(line, 0):g} |"
    yield ""
    yield f"{about(results.provenance)}."


def put_between(text: str, part: str, lines: Iterator[str]) -> str:
    """Raises ValueError when the page has not both markers."""
    begin, end = BEGIN.format(part=part), END.format(part=part)
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"cannot write {part}: the page has not both {begin} and {end}")
    body = "\n".join(lines).strip("\n")
    return f"{before}{begin}\n{body}\n{end}{after}"


def write_all(docs: Path = DOCS) -> list[Path]:
    """Writes charts and page; says which files."""
    compared, curves = read_compared(), read_curves()
    page = docs / PAGE
    text = put_between(page.read_text(), "comparison", compare_lines(compared))
    charts = dict(compare_charts(compared))
    if curves is not None:
        text = put_between(text, "curves", curve_lines(curves))
        charts |= dict(curve_charts(curves))
    (docs / CHARTS).mkdir(exist_ok=True)
    page.write_text(text)
    for name, chart in charts.items():
        (docs / CHARTS / name).write_text(chart)
    return [page, *(docs / CHARTS / name for name in charts)]
