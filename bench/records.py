"""What benches write down, and the table of bench/README.md that is made of it.

In      bench/results/micro.json, macro.json and macro-history.json, whichever are there
Out     the lines between README.md's markers
Callers bench/command.py (`heapfast bench report`), bench/report; bench/micro and bench/macro write the files
Source  budgets: design section 10; of a fetch, section 3; of auth, bench/micro/auth.py
Never   puts a figure there that is in no file
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from bench.compare.rounds import CompareResults
from bench.compare.summary import summarise
from bench.curves.records import ROUND, CurveResults
from bench.provenance import Provenance

#: Of `heapfast bench macro k8s-limit --mode metrics-server --ticks 60 --json bench/results/macro-history.json`.
HISTORY: Final = "macro-history"

RESULTS: Final = Path(__file__).with_name("results")
README: Final = Path(__file__).with_name("README.md")
BEGIN: Final = "<!-- figures: written by heapfast bench report -->"
END: Final = "<!-- end of figures -->"


class Measured(msgspec.Struct, frozen=True):
    """One micro bench.

    Attributes:
        size: in `unit`.
        load_averages: before each run.
        budgets: as text, by figure.
        missed: how many of a figure's values are not what its budget asks for; empty at a smaller size.
        figures: one value a run.
    """

    size: int
    unit: str
    load_averages: list[float]
    budgets: dict[str, str]
    missed: dict[str, int]
    figures: dict[str, list[float]]


class MicroResults(msgspec.Struct, frozen=True):
    """The file of `heapfast bench micro`."""

    provenance: Provenance
    is_quick: bool
    benches: dict[str, Measured]


class MacroResults(msgspec.Struct, frozen=True):
    """The file of `heapfast bench macro`: a dict for each scenario.

    One that was put there from an earlier run says so by `commit`.
    """

    provenance: Provenance
    scenarios: list[dict[str, Any]]


class Micro(NamedTuple):
    """A figure of a micro bench."""

    bench: str
    figure: str


class Macro(NamedTuple):
    """A figure of a scenario; `figure` is a path such as "requests/autoscaler/p99_ms"."""

    scenario: str
    mode: str
    figure: str
    file: str = "macro"


class Compared(NamedTuple):
    """A figure of a server in a comparison, such as "age_p50"."""

    scenario: str
    server: str
    figure: str


class Growth(NamedTuple):
    """How far the highest point of a curve is from its lowest, as a ratio, from a point on."""

    curve: str
    series: str
    start: int


Place = Micro | Macro | Compared | Growth

#: What is measured, its budget, and where the figures are.
ROWS: Final[tuple[tuple[str, str, tuple[Place, ...]], ...]] = (
    ("parse `/metrics/resource`, GB/s", "≥ 1.5", (Micro("exposition", "compiled, GB/s"),)),
    ("parse `/stats/summary`, GB/s", "≥ 1", (Micro("wire", "indented: parse_summary, GB/s"),)),
    (
        "fetch 32 KB, µs CPU: plain, over TLS",
        "≤ 14, ≤ 45",
        tuple(Micro("scrape", f"32 KB {kind}, lean, us of CPU") for kind in ("plain", "TLS")),
    ),
    ("close 150,000 pods, ms CPU off the loop", "≤ 100", (Micro("store", "close: run, ms of CPU"),)),
    ("the same on the loop, worst, ms", "≤ 5", (Micro("store", "close: on the loop, worst, ms"),)),
    ("a retained sample of the long class, bytes", "≤ 4", (Micro("store", "long class: bytes a sample"),)),
    (
        "a batch of 150,000 pods to disk: ms CPU, MB, bytes a sample",
        "",
        tuple(Micro("restart", name) for name in ("a batch: ms of CPU", "a batch: MB", "on disk: bytes a sample")),
    ),
    (
        "first answer after a restart, 150,000 pods, 15 min: s on the wall, s of CPU",
        "≤ 2",
        tuple(Micro("restart", f"first answer after the start, seconds{of}") for of in ("", " of CPU")),
    ),
    *(
        (
            f"list 150,000 pods as {form}, ms: on the wall, of CPU",
            "≤ 300",
            (Micro("k8s_lists", f"{form}, ms"), Micro("k8s_lists", f"{form}, ms of CPU")),
        )
        for form in ("JSON", "protobuf")
    ),
    (
        "the loop's longest turn meanwhile, ms CPU: JSON, protobuf",
        "≤ 5",
        tuple(Micro("k8s_lists", f"{form}, longest turn of the loop, ms of CPU") for form in ("JSON", "protobuf")),
    ),
    (
        "list 150,000 pods by Heapster's API, ms on the wall",
        "≤ 300",
        (Micro("lists", "/apis/metrics/v1alpha1/pods, ms"),),
    ),
    ("one model series, requests/s a core", "≥ 15,000", (Micro("rest", "over a socket, requests/s of CPU"),)),
    ("selector of 50 pods among 150,000, µs", "≤ 200", (Micro("index", "app-7, us"),)),
    (
        "an authorised request's decision, µs CPU",
        "≤ 10",
        (Micro("auth", "autoscaler through the front proxy, us of CPU"),),
    ),
    (
        "history: samples/s of CPU to disk, merged into an hour",
        "",
        (Micro("history", "batch: samples a second of CPU"), Micro("history", "hour: samples a second of CPU, merged")),
    ),
    ("history: a batch of 5,000 nodes to disk, s CPU", "", (Micro("history", "batch: to disk, s of CPU"),)),
    ("history: a sample on disk, bytes", "", (Micro("history", "hour: bytes a sample"),)),
    (
        "history: one pod over 24 h, p95 of a namespace by hour over 7 days, ms on the wall",
        "",
        (
            Micro("history", "question: one pod over 24 h, ms"),
            Micro("history", "question: p95 of a namespace by hour over 7 days, ms"),
        ),
    ),
    (
        "one node's scrape in all, over TLS, µs CPU: 100, 1,000, 5,000 nodes, summary",
        "≤ 100",
        tuple(Macro(name, "heapster", "cpu_us_a_scrape") for name in ("hundred", "thousand", "k8s-limit")),
    ),
    (
        "the same by `/metrics/resource`",
        "≤ 100",
        tuple(Macro(name, "metrics-server", "cpu_us_a_scrape") for name in ("hundred", "thousand", "k8s-limit")),
    ),
    (
        "the autoscaler's request while scraping 5,000 nodes, ms: p50, p99",
        "≤ 1, ≤ 3",
        tuple(Macro("k8s-limit", "metrics-server", f"requests/autoscaler/{q}_ms") for q in ("p50", "p99")),
    ),
    (
        "the same between scrapes",
        "",
        tuple(
            Macro("k8s-limit", "metrics-server", f"requests_between_scrapes/autoscaler/{q}_ms") for q in ("p50", "p99")
        ),
    ),
    (
        "one model series while scraping 5,000 nodes, ms: p50, p99; between scrapes",
        "",
        tuple(
            Macro("k8s-limit", "heapster", f"{when}/series/{q}_ms")
            for when in ("requests", "requests_between_scrapes")
            for q in ("p50", "p99")
        ),
    ),
    (
        "memory at 5,000 nodes, newest values, MiB: between scrapes, the most in a round, the most at the start",
        "≤ 381 (400 MB)",
        tuple(Macro("k8s-limit", "metrics-server", f"{when}_mib") for when in ("rss", "rss_max", "peak_rss")),
    ),
    (
        "the same with 15 minutes of CPU and memory history: between scrapes, the most in a round",
        "≤ 763 (800 MB)",
        tuple(Macro("k8s-limit", "metrics-server", figure, HISTORY) for figure in ("rss_mib", "rss_max_mib")),
    ),
    (
        "for how long the kubelet had a newer number than the one read, s, median: 100, 1,000, 5,000 nodes",
        "≤ 2",
        tuple(Compared(name, "heapfast", "overdue_p50") for name in ("hundred", "thousand", "k8s-limit")),
    ),
    (
        "a new pod's first metric after its start, s, median and worst: 1,000 nodes",
        "≤ 12",
        tuple(Compared("thousand", "heapfast", figure) for figure in ("newcomer_p50", "newcomer_max")),
    ),
    (
        "start of the process to its first answer, s: 100, 1,000, 5,000 nodes",
        "≤ 2 after a restart",
        tuple(Compared(name, "heapfast", "first_answer_seconds") for name in ("hundred", "thousand", "k8s-limit")),
    ),
    (
        "cost of a scrape, highest over lowest: `/metrics/resource` from 100 nodes on, from 1,000; summary the same",
        "≤ 1.15",
        tuple(
            Growth("nodes", series, start)
            for series in ("/metrics/resource", "/stats/summary")
            for start in (100, 1_000)
        ),
    ),
    (
        "instructions for a node and round, 100 to 5,000 nodes, highest over lowest",
        "≤ 1.15",
        (Growth("work", ROUND, 100),),
    ),
)


def micro_results() -> MicroResults | None:
    path = RESULTS / "micro.json"
    return msgspec.json.decode(path.read_bytes(), type=MicroResults) if path.exists() else None


def macro_results(file: str = "macro") -> MacroResults | None:
    path = RESULTS / f"{file}.json"
    return msgspec.json.decode(path.read_bytes(), type=MacroResults) if path.exists() else None


def write(path: Path, results: msgspec.Struct) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results)) + b"\n")


def spread(values: list[float]) -> str:
    """The lowest and the highest of several runs; one alone when they read the same."""

    def text(value: float) -> str:
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"

    low, high = text(min(values)), text(max(values))
    return low if low == high else f"{low} to {high}"


def find(place: Place, micro: MicroResults | None, macro: MacroResults | None) -> str:
    """A figure as text, "-" when nobody has measured it.

    Raises:
        KeyError: the bench was run, and has no figure of this name.
    """
    if isinstance(place, Compared):
        return _compared(place)
    if isinstance(place, Growth):
        return _growth(place)
    if isinstance(place, Micro):
        measured = micro.benches.get(place.bench) if micro else None
        return spread(measured.figures[place.figure]) if measured else "-"
    if place.file != "macro":
        macro = macro_results(place.file)
    for row in macro.scenarios if macro else ():
        if (row["scenario"], row["mode"]) == (place.scenario, place.mode):
            value: Any = row
            for part in place.figure.split("/"):
                value = value[part]
            return spread([value])
    return "-"


def _compared(place: Compared) -> str:
    path = RESULTS / f"compare-{place.scenario}.json"
    if not path.exists():
        return "-"
    results = msgspec.json.decode(path.read_bytes(), type=CompareResults)
    for summary in summarise(results):
        if summary.server == place.server:
            value = getattr(summary, place.figure)
            return "-" if value is None else spread([value])
    return "-"


def _growth(place: Growth) -> str:
    path = RESULTS / "curves.json"
    curves = msgspec.json.decode(path.read_bytes(), type=CurveResults).curves if path.exists() else {}
    if place.curve not in curves:
        return "-"
    points = [y for x, y in curves[place.curve].series[place.series] if x >= place.start]
    return spread([max(points) / min(points)]) if points else "-"


def lines(micro: MicroResults | None, macro: MacroResults | None) -> Iterator[str]:
    """The table, in Markdown, and where it is from."""
    yield "| what | budget | measured |"
    yield "|---|---|---|"
    for what, budget, places in ROWS:
        yield f"| {what} | {budget} | {', '.join(find(place, micro, macro) for place in places)} |"
    if micro:
        loads = [load for bench in micro.benches.values() for load in bench.load_averages]
        runs = max(len(bench.load_averages) for bench in micro.benches.values())
        yield ""
        how_often = "one run" if runs == 1 else f"{runs} runs"
        yield f"Stages: {about(micro.provenance)}; {how_often}, load average {spread(loads)}."
    if macro:
        loads = [row["load_average"] for row in macro.scenarios]
        yield ""
        yield f"Whole daemon: {about(macro.provenance)}; one run, load average {spread(loads)}."
        earlier: dict[str, list[str]] = {}
        for row in macro.scenarios:
            if "commit" in row:
                earlier.setdefault(row["commit"][:10], []).append(f"{row['scenario']} as {row['mode']}")
        for commit, rows in earlier.items():
            yield f"From an earlier run, of commit {commit}: {', '.join(rows)}."
    history = macro_results(HISTORY)
    if history:
        yield ""
        yield f"With history: {about(history.provenance)}; one run of a quarter of an hour."


def about(where: Provenance) -> str:
    """Where figures are from, in one line."""
    changed = " and changes" if where.is_modified else ""
    return (
        f"{where.taken[:10]}, commit {where.commit[:10]}{changed}, {where.cpu}, {where.cores} cores, "
        f"{where.python}, {where.compiler}, {where.build_row} build"
    )


def write_readme() -> None:
    """Puts the table between README.md's markers."""
    text = README.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"cannot write the figures: {README} has not both markers, {BEGIN} and {END}")
    table = "\n".join(lines(micro_results(), macro_results()))
    README.write_text(f"{before}{begin}\n{table}\n\n{end}{after}")
