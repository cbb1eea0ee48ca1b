"""The curves, and how their points are measured.

In      names of curves, whether they are to be small
Out     Curve by name
Callers bench/command.py
Source  design section 10: the cost of a node is constant within 15 %, a selector costs what its result costs
Never   measures two points at a time

Whole daemons are measured by turns of bench/compare in which nobody asks. In-process curves take the micro benches of
the same name at several sizes, each in a process of its own; `work` counts instructions as bench/work does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, Final, TypeVar

from bench.compare.servers import parse_server
from bench.compare.turn import Routine, Turn, take_turn
from bench.curves.records import ROUND, Curve
from bench.curves.retention import measure_retention
from bench.load.model import Model, WrongAnswer
from bench.running import run_once
from bench.scenarios import Scenario
from bench.work.counting import CannotCount, count
from heapfast.sim.process import SimulatedProcess

MIB: Final = 2**20
SMALL_NODES: Final = (10, 20)
NODES: Final = (100, 1_000, 3_000, 5_000, 10_000)
#: For pods a node: enough of them that what the daemon costs without any does not count.
FIXED_NODES: Final = 300
PODS_A_NODE: Final = (10, 30, 60, 110)
#: Nodes of 30 pods, for lists.
LIST_NODES: Final = (50, 500, 1_500, 5_000)
SELECTOR_PODS: Final = (1_500, 15_000, 150_000, 300_000)
RETENTION_NODES: Final = 100
RETENTION_BATCHES: Final = (2, 10, 20, 30, 40, 50, 60)
#: Our two modes, by the name of a server.
MODES: Final = {"heapfast": "/metrics/resource", "heapfast-heapster": "/stats/summary"}
WORK_NODES: Final = (100, 1_000, 5_000)
#: Valgrind takes fifty times as long.
WORK_TIMEOUT_SECONDS: Final = 1_800.0

Tell = Callable[[str], None]
T = TypeVar("T")


async def by_nodes(tell: Tell, *, is_small: bool) -> dict[str, Curve]:
    """CPU a scrape and memory by the number of nodes, in both modes."""
    load = os.getloadavg()[0]
    cpu: dict[str, list[tuple[float, float]]] = {about: [] for about in MODES.values()}
    memory: dict[str, list[tuple[float, float]]] = {about: [] for about in MODES.values()}
    for nodes in SMALL_NODES if is_small else NODES:
        scenario = _scenario(nodes, 30)
        for about, turn in await _turns(scenario, tell):
            cpu[about].append((nodes, _us_a_scrape(turn)))
            memory[about].append((scenario.all_containers, round((turn.quiet_rss_max_bytes or 0) / MIB, 1)))
            tell(f"{nodes:,} nodes, {about}: {cpu[about][-1][1]} µs a scrape, {memory[about][-1][1]} MiB")
    return {
        "nodes": Curve(
            title="CPU a scrape, by the number of nodes",
            claim="no step is more than linear, so that a node costs the same in a cluster of any size",
            x="nodes, of 30 pods with 2 containers",
            y="µs of CPU a scrape, everything included",
            series=cpu,
            load_average=round(load, 2),
        ),
        "memory": Curve(
            title="memory, by the number of containers",
            claim="memory grows with what there is, from what the process needs for itself",
            x="containers",
            y="MiB resident",
            series=memory,
            load_average=round(load, 2),
        ),
    }


async def by_pods(tell: Tell, *, is_small: bool) -> dict[str, Curve]:
    """CPU a scrape by the number of pods on a node."""
    load = os.getloadavg()[0]
    cpu: dict[str, list[tuple[float, float]]] = {about: [] for about in MODES.values()}
    for pods in PODS_A_NODE[:2] if is_small else PODS_A_NODE:
        for about, turn in await _turns(_scenario(SMALL_NODES[0] if is_small else FIXED_NODES, pods), tell):
            cpu[about].append((pods, _us_a_scrape(turn)))
    return {
        "pods": Curve(
            title=f"CPU a scrape, by pods a node ({FIXED_NODES} nodes)",
            claim="a request has its price, and each pod adds its own",
            x="pods a node, of 2 containers",
            y="µs of CPU a scrape, everything included",
            is_log=False,
            series=cpu,
            load_average=round(load, 2),
        )
    }


async def work(tell: Tell, *, is_small: bool) -> dict[str, Curve]:
    """Instructions a node, by the number of nodes: the same on an idle machine as on a busy one."""
    load = os.getloadavg()[0]
    points: list[tuple[float, float]] = []
    for nodes in SMALL_NODES if is_small else WORK_NODES:
        tell(f"work: {nodes:,} nodes")
        name = f"round@{nodes}"
        try:
            counted = count([name], WORK_TIMEOUT_SECONDS)[name]
        except CannotCount as error:
            tell(f"work: NOT MEASURED: {error}")
            return {}
        points.append((nodes, round(counted / nodes / 1e3, 1)))
    return {
        "work": Curve(
            title="instructions for a node and a round, by the number of nodes",
            claim="no step is more than linear, so that a node is the same work in a cluster of any size",
            x="nodes, of 30 pods with 2 containers",
            y="thousand instructions",
            series={ROUND: points},
            load_average=round(load, 2),
        )
    }


async def retention(tell: Tell, *, is_small: bool) -> dict[str, Curve]:
    """Memory of the store by the number of batches that it keeps."""
    load = os.getloadavg()[0]
    batches = RETENTION_BATCHES[:2] if is_small else RETENTION_BATCHES
    tell("retention")
    points = _in_process(measure_retention, SMALL_NODES[0] if is_small else RETENTION_NODES, batches)
    return {
        "retention": Curve(
            title="memory of the store, by the history that it keeps",
            claim="at most 4 bytes a retained sample: a quarter of an hour costs little beside the newest batch",
            x="batches kept, 15 s apart",
            y="bytes a container",
            is_log=False,
            series=points,
            load_average=round(load, 2),
        )
    }


async def lists(tell: Tell, *, is_small: bool) -> dict[str, Curve]:
    """CPU of a list of all pods, by their number."""
    load = os.getloadavg()[0]
    series: dict[str, list[tuple[float, float]]] = {"JSON": [], "protobuf": []}
    for nodes in SMALL_NODES if is_small else LIST_NODES:
        tell(f"lists: {nodes * 30:,} pods")
        figures = _in_process(run_once, "k8s_lists", nodes)
        for form, points in series.items():
            points.append((nodes * 30, round(figures[f"{form}, ms of CPU"], 3)))
    return {
        "lists": Curve(
            title="a list of all pods of metrics.k8s.io, by their number",
            claim="a list costs what is in it",
            x="pods",
            y="ms of CPU",
            series=series,
            load_average=round(load, 2),
        )
    }


async def selectors(tell: Tell, *, is_small: bool) -> dict[str, Curve]:
    """CPU of a selector of 50 pods, by the size of the cluster; and of looking at every pod."""
    load = os.getloadavg()[0]
    series: dict[str, list[tuple[float, float]]] = {"postings": [], "looking at every pod": []}
    for pods in SELECTOR_PODS[:2] if is_small else SELECTOR_PODS:
        tell(f"selectors: {pods:,} pods")
        figures = _in_process(run_once, "index", pods)
        postings = figures["app-7, us"]
        series["postings"].append((pods, round(postings, 3)))
        series["looking at every pod"].append((pods, round(postings * figures["app-7, times as long by a scan"], 1)))
    return {
        "selectors": Curve(
            title="a selector of 50 pods, by the size of the cluster",
            claim="a selector costs what its result costs, not what the cluster costs",
            x="pods in the cluster",
            y="µs",
            series=series,
            load_average=round(load, 2),
        )
    }


Measure = Callable[..., Coroutine[Any, Any, dict[str, Curve]]]

#: By what is asked for; one may give several.
CURVES: Final[dict[str, Measure]] = {
    "nodes": by_nodes,
    "pods": by_pods,
    "work": work,
    "retention": retention,
    "lists": lists,
    "selectors": selectors,
}


def _scenario(nodes: int, pods_per_node: int) -> Scenario:
    return Scenario(
        name=f"{nodes} x {pods_per_node}",
        nodes=nodes,
        pods_per_node=pods_per_node,
        containers=2,
        namespaces=max(3, nodes // 25),
    )


async def _turns(scenario: Scenario, tell: Tell) -> list[tuple[str, Turn]]:
    """One quiet turn of each of our modes; one that could not be measured is told of and left out."""
    options = scenario.options()
    model = Model(options)
    found = []
    async with SimulatedProcess(options) as simulator:
        for name, about in MODES.items():

            def say(what: str, name: str = name) -> None:
                tell(f"{scenario.nodes:,} nodes of {scenario.pods_per_node} pods, {name}: {what}")

            routine = Routine(quiet_resolutions=2, load_seconds=0.0, newcomers=0)
            try:
                turn = await take_turn(parse_server(name), 0, scenario, simulator, model, routine, say)
            except (WrongAnswer, RuntimeError) as error:
                say(f"NOT MEASURED: {error}")
            else:
                found.append((about, turn))
    return found


def _us_a_scrape(turn: Turn) -> float:
    assert turn.quiet_cpu_seconds is not None
    return round(turn.quiet_cpu_seconds / turn.scrapes * 1e6, 1)


def _in_process(call: Callable[..., T], *words: object) -> T:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(call, *words).result()
