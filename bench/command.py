"""`heapfast bench`: every bench behind one command.

In      argv
Out     an exit status: 0 done, 1 a server could not be measured or work has grown, 2 wrong usage
Callers cli (`heapfast bench`), __main__.py (`python -m bench`), tox -e bench
Never   measures anything itself
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
from rich.table import Table

from bench.figures import console
from bench.progress import telling
from bench.provenance import provenance
from bench.records import write
from bench.scenarios import SCENARIOS
from heapfast.errors import ConfigError

DONE: Final = 0
FAILED: Final = 1
WRONG_USAGE: Final = 2


def main(words: Sequence[str], prog: str = "python -m bench") -> int:
    """Runs one command line."""
    if not words or words[0] in ("-h", "--help"):
        sys.stdout.write(_usage(prog))
        return DONE if words else WRONG_USAGE
    command = COMMANDS.get(words[0])
    if command is None:
        sys.stderr.write(f"{prog}: {words[0]}: unknown; want one of {', '.join(COMMANDS)}\n")
        return WRONG_USAGE
    try:
        return command[1](list(words[1:]), f"{prog} {words[0]}")
    except ConfigError as error:
        for fault in error.faults:
            sys.stderr.write(f"{prog} {words[0]}: {fault}\n")
        return WRONG_USAGE


def _usage(prog: str) -> str:
    lines = [
        f"usage: {prog} COMMAND [...]",
        "",
        "Load-tests heapfast and other metrics servers on a simulated cluster.",
        "",
    ]
    lines += [f"  {name:<10} {about}" for name, (about, _) in COMMANDS.items()]
    return "\n".join([*lines, "", f"{prog} COMMAND --help says more; bench/README.md what each number means.", ""])


def _micro(words: list[str], prog: str) -> int:
    from bench.micro import command

    return command.main(words, prog)


def _macro(words: list[str], prog: str) -> int:
    from bench.macro import daemon

    return daemon.main(words, prog)


def _compare(words: list[str], prog: str) -> int:
    from bench.compare.rounds import CompareResults, compare
    from bench.compare.servers import HELP, parse_server
    from bench.compare.summary import table_of
    from bench.compare.turn import Routine
    from bench.load.profiles import PROFILES

    default = Routine()
    parser = argparse.ArgumentParser(prog=prog, description="Servers in turns against one simulated cluster.")
    parser.add_argument("scenario", choices=SCENARIOS, metavar="SCENARIO", help=f"of {', '.join(SCENARIOS)}")
    parser.add_argument("--server", dest="servers", action="append", default=[], metavar="SERVER", help=HELP)
    parser.add_argument("--rounds", type=int, default=2, help="turns of each server (default %(default)s)")
    parser.add_argument(
        "--profile", choices=PROFILES, default=default.profile, help="of the load (default %(default)s)"
    )
    parser.add_argument(
        "--quiet-resolutions",
        type=int,
        default=default.quiet_resolutions,
        help="without questions (default %(default)s)",
    )
    parser.add_argument(
        "--load-seconds",
        type=float,
        default=default.load_seconds,
        help="of the load; 0: nobody asks (default %(default)s)",
    )
    parser.add_argument("--newcomers", type=int, default=default.newcomers, help="pods replaced (default %(default)s)")
    parser.add_argument("--json", type=Path, help="file for the results")
    asked = parser.parse_args(words)
    servers = [parse_server(text) for text in asked.servers or ["heapfast"]]
    if len({spec.name for spec in servers}) < len(servers):
        raise ConfigError(["--server: two have one name"])
    if asked.rounds < 1 or asked.quiet_resolutions < 1:
        raise ConfigError(["--rounds and --quiet-resolutions must be above 0"])
    if asked.load_seconds < 0 or asked.newcomers < 0:
        raise ConfigError(["--load-seconds and --newcomers must not be below 0"])
    scenario = SCENARIOS[asked.scenario]
    if not scenario.tls:
        raise ConfigError([f"{scenario.name} is without TLS, and metrics.k8s.io is served with it alone"])
    routine = Routine(
        quiet_resolutions=asked.quiet_resolutions,
        load_seconds=asked.load_seconds,
        profile=asked.profile,
        newcomers=asked.newcomers,
    )

    async def run(tell: Callable[[str], None]) -> CompareResults | None:
        results = None
        async for results in compare(servers, scenario, routine, asked.rounds, tell):
            if asked.json:
                write(asked.json, results)  # each time: a server that hangs must not cost what others gave
        return results

    with telling() as tell:
        results = asyncio.run(run(tell))
    if results is not None and results.turns:
        console().print(table_of(results))
    for name, reason in results.failed.items() if results is not None else ():
        sys.stderr.write(f"{prog}: {name} was not measured to the end: {reason}\n")
    return FAILED if results is None or results.failed else DONE


def _curves(words: list[str], prog: str) -> int:
    from bench.curves.measuring import CURVES
    from bench.curves.records import CurveResults

    parser = argparse.ArgumentParser(prog=prog, description="How cost grows. Whole daemons, so this takes a while.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(CURVES)} (default: all)")
    parser.add_argument("--small", action="store_true", help="two small points each: shows that all run, says nothing")
    parser.add_argument("--json", type=Path, help="file that the curves are put into, beside those that are there")
    asked = parser.parse_args(words)
    unknown = [name for name in asked.names if name not in CURVES]
    if unknown:
        raise ConfigError([f"got {', '.join(unknown)}, want {', '.join(CURVES)}"])
    where = provenance()
    results = CurveResults(provenance=where)
    if asked.json and asked.json.exists():
        results.curves = msgspec.json.decode(asked.json.read_bytes(), type=CurveResults).curves
    with telling() as tell:
        for name in asked.names or CURVES:
            results.curves |= asyncio.run(CURVES[name](tell, is_small=asked.small))
            if asked.json:
                write(asked.json, results)
    table = Table("curve", title="how cost grows", title_justify="left")
    for column in ("series", "points", "highest over lowest"):
        table.add_column(column)
    for name, curve in results.curves.items():
        for series, points in curve.series.items():
            told = ", ".join(f"{x:,g}: {y:,g}" for x, y in points)
            table.add_row(name, series, told, f"{curve.spread().get(series, 0.0):g}")
    console().print(table)
    return DONE


def _work(words: list[str], prog: str) -> int:
    from bench.work import counting
    from bench.work.kernels import KERNELS

    parser = argparse.ArgumentParser(prog=prog, description="Instructions of the hot kernels, by valgrind.")
    parser.add_argument("names", nargs="*", metavar="KERNEL", help=f"of {', '.join(KERNELS)} (default: all)")
    parser.add_argument("--record", action="store_true", help="write the counts down as those of this environment")
    asked = parser.parse_args(words)
    unknown = [name for name in asked.names if name not in KERNELS]
    if unknown:
        raise ConfigError([f"got {', '.join(unknown)}, want {', '.join(KERNELS)}"])
    try:
        counts = counting.count(asked.names or tuple(KERNELS))
        if asked.record:
            counting.record(counts)
        verdicts = counting.judge(counts)
    except counting.CannotCount as reason:
        raise ConfigError([str(reason)]) from reason
    table = Table("kernel", title=counting.environment(), title_justify="left")
    for column in ("instructions", "written down", "ratio"):
        table.add_column(column, justify="right")
    for verdict in verdicts:
        grown = " GROWN" if verdict.has_grown else ""
        table.add_row(verdict.kernel, f"{verdict.counted:,}", f"{verdict.baseline:,}", f"{verdict.ratio:.3f}{grown}")
    console().print(table)
    return FAILED if any(verdict.has_grown for verdict in verdicts) else DONE


def _report(words: list[str], prog: str) -> int:
    from bench.records import write_readme
    from bench.report import pages

    argparse.ArgumentParser(prog=prog, description="Tables and charts of bench/results.").parse_args(words)
    write_readme()
    for path in pages.write_all():
        console().print(f"written: {path}", soft_wrap=True)
    return DONE


def _scenarios(words: list[str], prog: str) -> int:
    argparse.ArgumentParser(prog=prog, description="The clusters that can be simulated, by name.").parse_args(words)
    table = Table("scenario", title="clusters, of bench/scenarios.py", title_justify="left")
    for column in ("nodes", "pods", "containers", "namespaces", "resolution", "churn a minute", "TLS", "faults"):
        table.add_column(column, justify="right")
    for scenario in SCENARIOS.values():
        table.add_row(
            scenario.name,
            f"{scenario.nodes:,}",
            f"{scenario.pods:,}",
            f"{scenario.all_containers:,}",
            f"{scenario.namespaces}",
            f"{scenario.resolution_seconds} s",
            f"{scenario.churn_per_minute:g}",
            "yes" if scenario.tls else "no",
            " ".join(scenario.faults),
        )
    console().print(table)
    return DONE


COMMANDS: Final[dict[str, tuple[str, Callable[[list[str], str], int]]]] = {
    "micro": ("one stage at a time, in one process", _micro),
    "macro": ("the whole daemon under load, with its own counters", _macro),
    "compare": ("heapfast, metrics-server, Heapster or any other server in turns", _compare),
    "curves": ("how cost grows with nodes, pods, history", _curves),
    "work": ("instructions of the hot kernels, against those written down", _work),
    "report": ("tables and charts of the results that are kept", _report),
    "scenarios": ("the clusters that can be simulated", _scenarios),
}
