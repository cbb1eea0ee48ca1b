"""The store: what a row costs, what a tick holds, what a sample takes, what a question takes.

In      how many nodes, of 30 pods with 2 containers; the ring is filled by a 25th of them
Out     figures
Callers `python -m bench.micro.store [NODES]`, bench/micro/command.py
Source  design section 10: close at most 100 ms off the loop, swap and commit at most 5 ms on it, at most 4 bytes a
        retained sample of the long class
Never   counts time before the answers were compared with what was put in
"""

from __future__ import annotations

import gc
import os
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from bench.figures import Figures, Scale, at_most, main
from bench.micro.fleet import PAGE_BYTES, Fleet, Size
from heapfast._core import Store
from heapfast.catalog.keys import Kind
from heapfast.catalog.metrics import BY_NAME, CATALOG
from heapfast.wire._rows import Rows
from heapfast.wire._summary import parse_summary

SCALE = Scale(full=5_000, quick=100, unit="nodes")
TICKS = 5
#: The ring's cost is by sample: a small cluster fills it as well as a large one.
RING_PART = 25
LONG_BATCHES = 60
RING_END_NS = 1 << 62

BUDGETS = {
    "close: run, ms of CPU": at_most(100.0),
    "close: on the loop (swap + commit), ms": at_most(5.0),
    "close: on the loop, worst, ms": at_most(5.0),
    "long class: bytes a sample": at_most(4.0),
}


def _timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def rss_bytes() -> int:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class Ticker:
    """A fleet scraped into a store, tick after tick, with each part timed."""

    def __init__(self, size: Size) -> None:
        self.fleet = Fleet(size)
        self.store = Store()
        self.fleet.put_objects(self.store)
        self.nodes = [self.store.find(Kind.NODE, f"node-{node}") for node in range(size.nodes)]
        self.rows = Rows()
        self.times: dict[str, list[float]] = defaultdict(list)
        self.n_rows = 0

    def scrape(self) -> None:
        """Every node once: bodies are made and parsed outside the time that counts."""
        now_ns = self.fleet.timestamp_ns
        spent = 0.0
        self.n_rows = 0
        for node, slot in enumerate(self.nodes):
            parse_summary(self.fleet.body(node), self.rows)
            start = time.perf_counter()
            self.n_rows += self.store.ingest(self.rows, slot, now_ns)
            spent += time.perf_counter() - start
        self.times["ingest"].append(spent)

    def tick(self) -> None:
        """One resolution: scrape, then close as the pipeline does."""
        self.fleet.step()
        self.scrape()
        store, times = self.store, self.times
        start = time.perf_counter()
        spare = store.make_spare()
        times["make_spare"].append(time.perf_counter() - start)
        times["prepare"].append(_timed(spare.prepare))
        start = time.perf_counter()
        closing = store.swap(self.fleet.timestamp_ns, spare)
        swapped, cpu = time.perf_counter(), time.thread_time()
        closing.run()
        ran, cpu = time.perf_counter(), time.thread_time() - cpu
        store.commit(closing, self.fleet.timestamp_ns)
        committed = time.perf_counter()
        del closing
        times["swap"].append(swapped - start)
        times["run"].append(ran - swapped)
        times["run_cpu"].append(cpu)
        times["commit"].append(committed - ran)

    def check(self) -> None:
        """Compares what the newest batch says with what the fleet has."""
        newest, fleet = self.store.newest, self.fleet
        assert newest is not None
        usage, requests = BY_NAME["memory/usage"].id, BY_NAME["cpu/request"].id
        want_cluster = 0
        for i in range(fleet.size.all_containers):
            want_cluster += fleet.pages[i] * PAGE_BYTES + (1 << 22)
        assert newest.value(Kind.CLUSTER, 0, usage) == want_cluster, "the cluster's memory is not the sum of all"
        want_requests = 100 * fleet.size.all_containers
        assert newest.value(Kind.CLUSTER, 0, requests) == want_requests, "the cluster's requests are not the sum of all"
        last = fleet.size.all_pods - 1
        slot = self.store.find(Kind.POD_CONTAINER, f"ns-{last % 100}", f"pod-{last}", "c0")
        i = last * fleet.size.containers
        value = newest.value(Kind.POD_CONTAINER, slot, BY_NAME["cpu/usage"].id)
        assert value == fleet.cpu_ns[i], f"cpu/usage of the last pod: got {value}, want {fleet.cpu_ns[i]}"


def measure_ticks(size: Size, ticks: int) -> Figures:
    """Ingest, and closing at full size."""
    gc.collect()
    empty = rss_bytes()
    ticker = Ticker(size)
    ticker.tick()  # slots are made
    ticker.tick()  # the first rates
    ticker.check()
    ticker.times.clear()
    for _ in range(ticks):
        ticker.tick()
    ticker.check()
    median = {name: statistics.median(times) * 1e3 for name, times in ticker.times.items()}
    held = [sum(parts) * 1e3 for parts in zip(ticker.times["swap"], ticker.times["commit"], strict=True)]
    stats = ticker.store.stats()
    return {
        "ingest: ns a row": median["ingest"] * 1e6 / ticker.n_rows,
        "ingest: us a node": median["ingest"] * 1e3 / size.nodes,
        "close: make_spare, ms": median["make_spare"],
        "close: prepare, ms": median["prepare"],
        "close: swap, ms": median["swap"],
        "close: run, ms": median["run"],
        "close: run, ms of CPU": median["run_cpu"],
        "close: commit, ms": median["commit"],
        "close: on the loop (swap + commit), ms": statistics.median(held),
        "close: on the loop, worst, ms": max(held),
        "stats(), ms": _timed(ticker.store.stats) * 1e3,
        "memory: open batch, MB": stats["open_bytes"] / 1e6,
        "memory: newest batch, MB": stats["newest_bytes"] / 1e6,
        "memory: tables, MB": stats["table_bytes"] / 1e6,
        "memory: packed, MB": stats["packed_bytes"] / 1e6,
        "memory: RSS grown, MB": (rss_bytes() - empty) / 1e6,
    }


def measure_ring(size: Size) -> Figures:
    """Bytes a retained sample over a quarter of an hour, by metric and overall; and questions to that ring."""
    gc.collect()
    ticker = Ticker(size)
    wanted: dict[int, int] = {}
    last = size.all_containers - 1
    before = batches_before = 0
    for number in range(LONG_BATCHES + 1):
        ticker.tick()
        wanted[ticker.fleet.timestamp_ns] = ticker.fleet.pages[last] * PAGE_BYTES + (1 << 22)
        if number == 12:
            before, batches_before = rss_bytes(), ticker.store.stats()["batches"]
    store = ticker.store
    grown = rss_bytes() - before
    pod = size.all_pods - 1
    slot = store.find(Kind.POD_CONTAINER, f"ns-{pod % 100}", f"pod-{pod}", f"c{size.containers - 1}")
    found = store.series(Kind.POD_CONTAINER, slot, BY_NAME["memory/usage"].id, 0, RING_END_NS)
    assert found == sorted(wanted.items())[-len(found) :], "the ring gives back other values than were put in"
    assert len(found) == LONG_BATCHES, f"the ring has {len(found)} batches, want {LONG_BATCHES}"
    samples: dict[int, int] = defaultdict(int)
    sizes: dict[int, int] = defaultdict(int)
    for metric, n, nbytes in store.packed_sizes():
        samples[metric] += n
        sizes[metric] += nbytes
    long_ids = [BY_NAME[name].id for name in ("cpu/usage_rate", "memory/usage")]
    figures = {
        f"bytes a sample: {CATALOG[metric].name}": sizes[metric] / samples[metric]
        for metric in sorted(samples)
        if samples[metric]
    }
    long_samples = sum(samples[metric] for metric in long_ids)
    figures["long class: bytes a sample"] = sum(sizes[metric] for metric in long_ids) / long_samples
    added = long_samples * (store.stats()["batches"] - batches_before) / (LONG_BATCHES - 1)
    figures["long class: RSS bytes a sample"] = grown / added
    return figures | measure_questions(store)


def measure_questions(store: Store) -> Figures:
    """One model query, over the short and over the long class."""
    slot = store.find(Kind.POD, "ns-0", "pod-0")
    figures = {}
    for name, metric in (("long", "memory/usage"), ("short", "memory/working_set")):
        metric_id = store.metric_id(metric)
        found = store.series(Kind.POD, slot, metric_id, 0, RING_END_NS)
        assert found, f"nothing to read of {metric}"
        times = 20_000
        start = time.perf_counter()
        for _ in range(times):
            store.series(Kind.POD, slot, metric_id, 0, RING_END_NS)
        figures[f"question: {len(found)} samples of the {name} class, ns"] = (time.perf_counter() - start) / times * 1e9
    return figures


def run(nodes: int) -> Figures:
    """Measures everything."""
    # Each in a process of its own: memory that one gave back would serve the other, and hide what it takes.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        figures = pool.submit(measure_ticks, Size(nodes), TICKS).result()
        return figures | pool.submit(measure_ring, Size(max(1, nodes // RING_PART))).result()


if __name__ == "__main__":
    sys.exit(main(__doc__, run, SCALE, BUDGETS))
