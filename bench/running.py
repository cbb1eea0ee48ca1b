"""One micro bench, so many times, each time in a process of its own.

In      its name
Out     Measured
Callers bench/micro/command.py, tests
Never   runs two at a time, or gives figures of a bench whose answers were wrong
"""

from __future__ import annotations

import importlib
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Final

from bench.figures import Budgets, Figures, Scale, missed
from bench.records import Measured

#: In the order of the road.
BENCHES: Final = (
    "kube",
    "scrape",
    "exposition",
    "wire",
    "store",
    "ingest",
    "restart",
    "index",
    "rest",
    "selectors",
    "lists",
    "names",
    "bodies",
    "k8s_lists",
    "sinks",
    "query",
    "auth",
    "history",
    "stores",
)


def run_once(name: str, size: int) -> Figures:
    figures: Figures = importlib.import_module(f"bench.micro.{name}").run(size)
    return figures


def measure(name: str, *, is_quick: bool, runs: int) -> Measured:
    """Runs one bench so many times."""
    module = importlib.import_module(f"bench.micro.{name}")
    scale: Scale = module.SCALE
    budgets: Budgets = module.BUDGETS
    size = scale.quick if is_quick else scale.full
    loads: list[float] = []
    found: list[Figures] = []
    for _ in range(runs):
        loads.append(round(os.getloadavg()[0], 2))
        # Fresh memory and a fresh collector each time: one bench must not pay for another.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            found.append(pool.submit(run_once, name, size).result())
    over = [figure for run in found for figure in missed(run, budgets)]
    return Measured(
        size=size,
        unit=scale.unit,
        load_averages=loads,
        budgets={figure: str(budget) for figure, budget in budgets.items()},
        missed={} if is_quick else {figure: over.count(figure) for figure in budgets},
        figures={figure: [round(run[figure], 4) for run in found] for figure in found[0]},
    )
