"""All micro benches, one after another, each in a process of its own, into one JSON file.

In      names of benches; how often
Out     a file: provenance, and of every figure its values, one a run
Callers bench/command.py (`heapfast bench micro [NAME...] [--quick] [--runs N] [--json FILE]`)
Never   runs two at a time, or writes the figures of a bench whose answers were wrong
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from bench.figures import console
from bench.provenance import provenance
from bench.records import RESULTS, Measured, MicroResults, spread, write
from bench.running import BENCHES, measure


def table_of(name: str, measured: Measured) -> Table:
    """What a person looks at while the next one runs."""
    loads = spread(measured.load_averages)
    title = f"{name}: {measured.size:,} {measured.unit}; {len(measured.load_averages)} runs, load average {loads}"
    table = Table("figure", title=title, title_justify="left")
    for column in ("measured", "budget", "missed"):
        table.add_column(column, justify="right")
    for figure, values in measured.figures.items():
        over = measured.missed.get(figure, 0)
        table.add_row(figure, spread(values), measured.budgets.get(figure, ""), f"{over} times" if over else "")
    return table


def main(words: Sequence[str], prog: str) -> int:
    parser = argparse.ArgumentParser(prog=prog, description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", default=BENCHES, metavar="NAME", help=f"of {', '.join(BENCHES)}")
    parser.add_argument("--quick", action="store_true", help="small sizes: shows that all run, says nothing of speed")
    parser.add_argument("--runs", type=int, default=1, help="of each (default %(default)s)")
    parser.add_argument("--json", type=Path, help="default: bench/results/micro.json, with --quick quick.json")
    asked = parser.parse_args(words)
    unknown = [name for name in asked.names if name not in BENCHES]
    if unknown:
        parser.error(f"cannot run {', '.join(unknown)}: want {', '.join(BENCHES)}")
    if asked.runs < 1:
        parser.error(f"cannot run {asked.runs} times: want 1 or more")
    path = asked.json or RESULTS / ("quick.json" if asked.quick else "micro.json")
    where = provenance()
    benches: dict[str, Measured] = {}
    for name in asked.names:
        benches[name] = measure(name, is_quick=asked.quick, runs=asked.runs)
        console().print(table_of(name, benches[name]))
        write(path, MicroResults(where, asked.quick, benches))  # each time: the longest come last
    console().print(f"written to {path}")
    return 0
