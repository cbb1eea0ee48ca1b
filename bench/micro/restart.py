"""A warm restart: what keeping a batch costs, what it takes on disk, and how long a start takes to have it all back.

In      how many nodes, of 30 pods with 2 containers; a quarter of an hour of batches at 15 s
Out     figures
Callers `python -m bench.micro.restart [NODES]`, bench/__main__.py
Source  design sections 8 and 10: at most 2 s to the first answer
Never   counts time before the refilled store was compared with the one that was written
"""

from __future__ import annotations

import resource
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

from bench.figures import Figures, Scale, at_most, main
from bench.micro.fleet import SECOND_NS, Fleet, Size
from heapfast._core import Store
from heapfast.catalog.keys import Kind
from heapfast.inspect_dir import inspect
from heapfast.store.segment_writer import SegmentFolder
from heapfast.store.segments import About, restore
from heapfast.wire._rows import Rows
from heapfast.wire._summary import parse_summary

SCALE: Final = Scale(full=5_000, quick=25, unit="nodes")
BATCHES: Final = 60
#: Bodies are made for a 25th of the nodes, and each is told by 25 under other names: to make them all takes too long.
COPIES: Final = 25
LONG_NS: Final = 900 * SECOND_NS
SHORT_NS: Final = 140 * SECOND_NS
RESOLUTION_NS: Final = 15 * SECOND_NS
ABOUT: Final = About(cluster="https://bench", resolution_ns=RESOLUTION_NS, source="summary", heapfast="bench")

BUDGETS = {"first answer after the start, seconds": at_most(2.0)}


def new_store() -> Store:
    return Store(long_retention_ns=LONG_NS, short_retention_ns=SHORT_NS, resolution_ns=RESOLUTION_NS)


def put_objects(store: Store, size: Size) -> None:
    """Every node and pod, by the names that the copies of bodies have."""
    for copy in range(COPIES):
        for node in range(size.nodes):
            store.put_node(f"{copy}-node-{node}", hostname="h", host_id="i", labels="")
        for pod in range(size.all_pods):
            store.put_pod(f"ns-{pod % 100}", f"{copy}-pod-{pod}", uid=f"00000000-0000-4000-8000-{pod:012}", labels="")


def write(folder: Path, nodes: int) -> tuple[Figures, dict[str, Any]]:
    """A quarter of an hour of a cluster's life; what a refilled store must say."""
    size = Size(max(1, nodes // COPIES))
    fleet, store, rows = Fleet(size), new_store(), Rows()
    put_objects(store, size)
    kept = SegmentFolder(folder, store, ABOUT, retention_ns=LONG_NS, stamps={})
    times: dict[str, list[float]] = defaultdict(list)
    n_bytes: list[int] = []
    for _ in range(BATCHES):
        fleet.step()
        for node in range(size.nodes):
            body = fleet.body(node)
            for copy in range(COPIES):
                named = body.replace(b'"name":"pod-', b'"name":"%d-pod-' % copy)
                named = named.replace(b'"nodeName":"node-', b'"nodeName":"%d-node-' % copy)
                parse_summary(named, rows)
                store.ingest(rows, store.find(Kind.NODE, f"{copy}-node-{node}"), fleet.timestamp_ns)
        closing = store.swap(fleet.timestamp_ns)
        closing.run()
        batch = store.commit(closing, fleet.timestamp_ns)
        started, cpu = time.perf_counter(), time.thread_time()
        n_bytes.append(kept.append(batch))
        cpu, wall = time.thread_time() - cpu, time.perf_counter() - started
        times["first" if len(n_bytes) % 20 == 1 else "other"].append(cpu)
        times["wall"].append(wall)
    kept.close()
    pod = store.find(Kind.POD, "ns-0", "0-pod-0")
    want = {
        "series": store.series(Kind.POD, pod, store.metric_id("cpu/usage_rate"), 0, 1 << 62),
        "usage": store.latest.pod_sample(pod, fleet.timestamp_ns)[1:3],
        "counts": store.latest.counts(fleet.timestamp_ns),
        "cluster": batch.value(Kind.CLUSTER, 0, store.metric_id("memory/usage")),
        "now_ns": fleet.timestamp_ns,
    }
    figures = {
        "a batch: ms of CPU": statistics.median(times["other"]) * 1e3,
        "a batch that begins a segment: ms of CPU": statistics.median(times["first"]) * 1e3,
        "a batch: ms on the wall": statistics.median(times["wall"]) * 1e3,
        "a batch: MB": statistics.median(n_bytes) / 1e6,
        "a quarter of an hour: MB": sum(n_bytes) / 1e6,
    }
    return figures, want


def read(folder: Path, nodes: int, want: dict[str, Any]) -> Figures:
    """A start on that folder, up to where an autoscaler and the model API are answered."""
    size = Size(max(1, nodes // COPIES))
    now_ns = want["now_ns"] + SECOND_NS
    store = new_store()
    started, cpu = time.perf_counter(), time.process_time()
    restored = restore(folder, store, now_ns, cluster=ABOUT.cluster, long_ns=LONG_NS, short_ns=SHORT_NS)
    refilled, all_cpu = time.perf_counter() - started, time.process_time() - cpu
    put_objects(store, size)
    started, cpu = time.perf_counter(), time.process_time()
    restored.restoring.seal()
    sealed = time.perf_counter() - started
    assert restored.restoring.publish()
    published = time.perf_counter() - started - sealed
    all_cpu += time.process_time() - cpu
    pod = store.find(Kind.POD, "ns-0", "0-pod-0")
    assert restored.restoring.batches == BATCHES, f"{restored.restoring.batches} batches are back, want {BATCHES}"
    assert store.newest is not None
    got = {
        "series": store.series(Kind.POD, pod, store.metric_id("cpu/usage_rate"), 0, 1 << 62),
        "usage": store.latest.pod_sample(pod, now_ns)[1:3],
        "counts": store.latest.counts(now_ns),
        "cluster": store.newest.value(Kind.CLUSTER, 0, store.metric_id("memory/usage")),
        "now_ns": want["now_ns"],
    }
    assert got == want, f"the refilled store says {got}, want {want}"
    return {
        "first answer after the start, seconds": refilled + sealed + published,
        "first answer after the start, seconds of CPU": all_cpu,
        "refilling, seconds": refilled,
        "sealing the newest batch, off the loop, ms": sealed * 1e3,
        "publishing it, on the loop, ms": published * 1e3,
        "samples of the batches that were read": float(restored.restoring.samples),
        "peak of RSS, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    }


def run(nodes: int) -> Figures:
    """Writes and reads, each in a process of its own, as it is in earnest; the files are in the page cache."""
    with (
        tempfile.TemporaryDirectory() as directory,
        ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool,
    ):
        folder = Path(directory) / "segments"
        folder.mkdir()
        written, want = pool.submit(write, folder, nodes).result()
        figures = pool.submit(read, folder, nodes, want).result()
        on_disk = sum(path.stat().st_size for path in folder.iterdir())
        report = inspect(Path(directory))
        assert not report.is_damaged
        assert report.bytes == on_disk
        return written | {"on disk: bytes a sample": report.bytes_a_sample} | figures


if __name__ == "__main__":
    sys.exit(main(__doc__, run, SCALE, BUDGETS))
