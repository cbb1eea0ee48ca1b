"""Sinks to other people's stores: samples a second and core, bytes a sample.

In      how many nodes, of 30 pods with 2 containers; two ticks of them
Out     figures; of each format those of the best of three runs over one batch
Callers `python -m bench.micro.stores [NODES]`, bench/__main__.py
Source  issue 5: remote write samples a second and core; line protocol likewise
Never   counts time before what was written was counted by somebody else's rules
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator

import cramjam

from bench.figures import Figures, Scale, at_least, main
from bench.micro.fleet import Size
from bench.micro.store import Ticker
from heapfast._batch import Batch
from heapfast.sinks._influxdb import InfluxDbWriter
from heapfast.sinks._prometheus import RemoteWriter
from heapfast.sinks._walk import BatchWriter
from heapfast.sinks.prometheus import SAMPLES_IN_ONE_REQUEST

SCALE = Scale(full=1_000, quick=20, unit="nodes")
RUNS = 3

#: 5,000 nodes of this kind have 9.5 million samples a tick: a fifth of a core at 15 s.
BUDGETS = {
    "line protocol, samples/s": at_least(3.2e6),
    "remote write, samples/s": at_least(3.2e6),
}


def batch_of(n_nodes: int) -> Batch:
    """The second batch of a busy cluster, so that it has rates."""
    ticker = Ticker(Size(n_nodes))
    for _ in range(2):
        ticker.tick()
    newest = ticker.store.newest
    assert newest is not None
    return newest


def chunks(writer: BatchWriter) -> Iterator[tuple[bytes, int]]:
    while (chunk := writer.read(at_least_samples=SAMPLES_IN_ONE_REQUEST)) is not None:
        yield chunk.payload, chunk.samples


def count_lines(payload: bytes) -> int:
    return payload.count(b"\n")


def count_series(payload: bytes) -> int:
    """Fields of a WriteRequest, each of which has its length in front."""
    body = bytes(cramjam.snappy.decompress_raw(payload))
    at = found = 0
    while at < len(body):
        assert body[at] == 0x0A, f"BUG: tag {body[at]:#x} of a WriteRequest"
        length = shift = 0
        while True:
            at += 1
            length |= (body[at] & 0x7F) << shift
            shift += 7
            if body[at] < 0x80:
                break
        at += 1 + length
        found += 1
    assert at == len(body), f"BUG: a series ends at {at}, its request at {len(body)}"
    return found


def measure(name: str, make: Callable[[], BatchWriter], count: Callable[[bytes], int]) -> Figures:
    written = [(count(payload), samples) for payload, samples in chunks(make())]
    n_samples = sum(samples for _, samples in written)
    assert all(counted == samples for counted, samples in written), f"BUG: {name} counts its samples wrong"
    best = float("inf")
    n_bytes = 0
    for _ in range(RUNS):
        start = time.thread_time()
        n_bytes = sum(len(payload) for payload, _ in chunks(make()))
        best = min(best, time.thread_time() - start)
    return {
        f"{name}, samples/s": n_samples / best,
        f"{name}, bytes a sample": n_bytes / n_samples,
        f"{name}, ms of CPU a batch": best * 1e3,
        f"{name}, samples": n_samples,
    }


def run(n_nodes: int) -> Figures:
    batch = batch_of(n_nodes)
    return {
        **measure("line protocol", lambda: InfluxDbWriter(batch, cluster_name="default"), count_lines),
        **measure("remote write", lambda: RemoteWriter(batch, labels=(("cluster", "c1"),)), count_series),
    }


if __name__ == "__main__":
    sys.exit(main(__doc__, run, SCALE, BUDGETS))
