"""Payloads of sinks: samples a second, CPU and bytes a tick, and how long the loop is held meanwhile; two of them sent.

In      how many nodes, of 30 pods with 2 containers
Out     figures of each format
Callers `python -m bench.micro.sinks [NODES]`, bench/__main__.py
Source  heapfast/sinks/_walk.pxd; a sink never holds the loop (at most 5 ms)
Never   counts time before a small cluster's payloads had as many samples as the batch, and every format as many as all
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from typing import Any

import uvloop
from aiohttp import web

from bench.figures import Figures, Scale, at_least, at_most, main
from bench.micro.fleet import Size
from bench.micro.store import Ticker
from bench.micro.turns import watched
from heapfast._batch import Batch
from heapfast.sinks._documents import ElasticsearchWriter, KafkaWriter, OpentsdbWriter
from heapfast.sinks._graphite import GraphiteWriter
from heapfast.sinks._log import LogWriter
from heapfast.sinks._riemann import RiemannWriter
from heapfast.sinks._statsd import EtsyWriter, InfluxStatsdWriter
from heapfast.sinks.graphite import GraphiteSpec
from heapfast.sinks.http import HttpSpec
from heapfast.sinks.manager import size_of
from heapfast.sinks.otlp import PREFIX, OtlpChunks, OtlpSpec, OtlpWriter, describe, scope_message
from heapfast.sinks.sink import Address, Chunks, Sink

SCALE = Scale(full=5_000, quick=20, unit="nodes")
ROUNDS = 3


def _otlp(batch: Batch, *, compresses: bool) -> OtlpChunks:
    return OtlpChunks(OtlpWriter(batch, lambda name: describe(name, PREFIX), scope_message()), compresses=compresses)


FORMATS: dict[str, Callable[[Batch], Chunks]] = {
    "graphite": lambda batch: GraphiteWriter(batch, b"kubernetes"),
    "statsd (etsy)": lambda batch: EtsyWriter(batch, b""),
    "statsd (influx)": lambda batch: InfluxStatsdWriter(batch, b""),
    "opentsdb": lambda batch: OpentsdbWriter(batch, "k8s-cluster"),
    "elasticsearch": lambda batch: ElasticsearchWriter(batch, "default", ()),
    "kafka": lambda batch: KafkaWriter(batch),
    "riemann": lambda batch: RiemannWriter(batch, host=b"here", tags=("heapster",)),
    "log": lambda batch: LogWriter(batch),
    "otlp": lambda batch: _otlp(batch, compresses=False),
    "otlp, gzip": lambda batch: _otlp(batch, compresses=True),
}

#: Sinks that are measured with all they do, to a server in a process of its own.
SENT: dict[str, Callable[[int, ThreadPoolExecutor], Sink]] = {
    "graphite by TCP": lambda port, executor: GraphiteSpec(protocol="tcp", address=Address("127.0.0.1", port)).build(
        executor
    ),
    "otlp by HTTP": lambda port, executor: OtlpSpec(server=HttpSpec(url=f"http://127.0.0.1:{port}")).build(executor),
}

BUDGETS = {
    **{f"{name}: samples a second of CPU": at_least(3e6) for name in FORMATS if name != "otlp, gzip"},
    **{f"{name}: loop held, ms": at_most(5.0) for name in (*FORMATS, *SENT)},
}


def run(n_nodes: int) -> Figures:
    _check(_batch(Size(2))[0])
    batch, n_bytes = _batch(Size(n_nodes))
    return uvloop.run(_measure(batch)) | {"a batch that waits, MB": n_bytes / 1e6}


def _batch(size: Size) -> tuple[Batch, int]:
    """A batch, and the memory of its columns."""
    ticker = Ticker(size)
    ticker.tick()  # slots are made
    ticker.tick()  # the first rates
    newest = ticker.store.newest
    assert newest is not None
    return newest, ticker.store.stats()["newest_bytes"]


def _check(batch: Batch) -> None:
    """Counts the samples of a small batch by hand."""
    entities = batch.sets().values()
    n = sum(len(entity["metrics"]) + len(entity["labeled"]) for entity in entities)
    for name, make in FORMATS.items():
        found = sum(chunk.samples for chunk in iter(make(batch).read, None))
        assert found == n, f"BUG: {name} has {found} samples, the batch has {n}"


async def _measure(batch: Batch) -> Figures:
    figures: Figures = {}
    loop = asyncio.get_running_loop()
    counts = set()
    with ThreadPoolExecutor(1) as executor:
        for name, make in FORMATS.items():

            def read(chunks: Any) -> tuple[Any, float]:
                cpu = time.thread_time()
                chunk = chunks.read()
                return chunk, time.thread_time() - cpu

            async with watched() as turns:
                for _ in range(ROUNDS):
                    await turns.begin_round()
                    n_samples, n_bytes, cpu_seconds, n_chunks = 0, 0, 0.0, 0
                    # Off the loop, as all of it: the log sorts its entities first.
                    chunks = await loop.run_in_executor(executor, make, batch)
                    while True:
                        chunk, cpu = await loop.run_in_executor(executor, read, chunks)
                        cpu_seconds += cpu
                        if chunk is None:
                            break
                        n_samples += chunk.samples
                        n_bytes += size_of(chunk.payload)
                        n_chunks += 1
            counts.add(n_samples)
            figures |= {
                f"{name}: samples a second of CPU": n_samples / cpu_seconds,
                f"{name}: CPU a tick, ms": cpu_seconds * 1e3,
                f"{name}: MB a tick": n_bytes / 1e6,
                f"{name}: chunks a tick": n_chunks,
                f"{name}: longest turn of the loop, ms of CPU": turns.cpu_ms,
                f"{name}: loop held, ms": turns.held_ms,
            }
        for name, build in SENT.items():
            sent, found = await _send(name, build, batch, executor)
            counts.add(sent)
            figures |= found
    assert len(counts) == 1, f"BUG: formats differ in their number of samples: {counts}"
    figures["samples a tick"] = counts.pop()
    return figures


async def _send(
    name: str, build: Callable[[int, ThreadPoolExecutor], Sink], batch: Batch, executor: ThreadPoolExecutor
) -> tuple[int, Figures]:
    """Sends the batch once, as the manager does."""
    loop = asyncio.get_running_loop()
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=_serve, args=(theirs, "HTTP" in name), daemon=True)
    server.start()
    try:
        sink = build(await loop.run_in_executor(executor, ours.recv), executor)
        async with watched() as turns:
            n_samples, start, cpu = 0, time.perf_counter(), time.thread_time()
            chunks = await loop.run_in_executor(executor, sink.chunks, batch)
            while (chunk := await loop.run_in_executor(executor, chunks.read)) is not None:
                await sink.send(chunk.payload)
                n_samples += chunk.samples
            seconds, cpu = time.perf_counter() - start, time.thread_time() - cpu
        await sink.close()
    finally:
        server.terminate()
        server.join()
    return n_samples, {
        f"{name}: samples a second": n_samples / seconds,
        f"{name}: CPU of the loop, ms a tick": cpu * 1e3,
        f"{name}: longest turn of the loop, ms of CPU": turns.cpu_ms,
        f"{name}: loop held, ms": turns.held_ms,
    }


def _serve(told: Any, is_http: bool) -> None:
    """Takes everything, in a process of its own; says on which port."""

    async def drain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1 << 20):
            pass
        writer.close()

    async def answer(request: web.BaseRequest) -> web.Response:
        while await request.content.readany():
            pass
        return web.Response()

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        if is_http:
            listening: Any = await loop.create_server(web.Server(answer), "127.0.0.1", 0)
        else:
            listening = await asyncio.start_server(drain, "127.0.0.1", 0)
        told.send(listening.sockets[0].getsockname()[1])
        await listening.serve_forever()

    uvloop.run(serve())


if __name__ == "__main__":
    sys.exit(main(__doc__, run, SCALE, BUDGETS))
