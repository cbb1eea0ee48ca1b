"""What clients do wrong, sent byte by byte: each gets a status that says so, and the daemon goes on.

Only what a client sends is of interest here; how each status is worded is held by tests/unit/api and
tests/conformance.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from heapfast.sim.main import SimulatedCluster
from heapfast.sim.options import SimulateOptions
from tests.integration.expectations import check_batch, expected_metrics
from tests.integration.running import PATIENCE_SECONDS, RunningDaemon, run_both

pytestmark = pytest.mark.asyncio(loop_scope="module")

MODEL = "/api/v1/model"
V1ALPHA1 = "/apis/metrics/v1alpha1"
RATE = f"{MODEL}/metrics/cpu/usage_rate"
PODS = f"{MODEL}/namespaces/default/pods"
EMPTY_SERIES = b'"metrics": []'

#: A request target, its status, and a part of the body.
TARGETS = {
    "time-word": (f"{RATE}?start=yesterday", 400, b'cannot parse "yesterday"'),
    "time-month": (f"{RATE}?end=2026-13-01T00:00:00Z", 400, b"month out of range"),
    "time-year": (f"{RATE}?start=999999999-01-01T00:00:00Z", 400, b"timestamp argument cannot be parsed"),
    "time-zero": (f"{RATE}?start=0000-00-00T00:00:00Z", 400, b"month out of range"),
    "time-turned-round": (f"{RATE}?start=2026-11-22T09:00:00Z&end=2020-01-01T00:00:00Z", 200, EMPTY_SERIES),
    "time-far-away": (f"{RATE}?start=9999-12-31T23:59:59Z", 200, EMPTY_SERIES),
    "label-word": (f"{RATE}?labels=a", 400, b'invalid label pair "a"'),
    "label-bytes": (f"{MODEL}/metrics/filesystem/usage?labels=%ff:%fe", 200, EMPTY_SERIES),
    "selector": (f"{V1ALPHA1}/pods?labelSelector=a=b=c,,(", 400, b"Error while parsing selector"),
    "selector-long": (f"{V1ALPHA1}/pods?labelSelector={'a' * 5000}", 400, b"Error while parsing selector"),
    "query-broken": (f"{RATE}?%zz&;&=&&start=%", 200, b'"metrics": ['),
    "metric": (f"{MODEL}/metrics/none", 200, EMPTY_SERIES),
    "node": (f"{MODEL}/nodes/nobody/metrics/cpu/usage_rate", 200, EMPTY_SERIES),
    "node-usage": (f"{V1ALPHA1}/nodes/nobody", 404, b"No metrics for node nobody"),
    "namespace": (f"{V1ALPHA1}/namespaces/nowhere/pods", 200, b'"items": null'),
    "name-nul": (f"{PODS}/a%00b/metrics", 200, b"[]"),
    "name-bytes": (f"{PODS}/%ff%fe/metrics", 200, b"[]"),
    "name-emoji": (f"{PODS}/%F0%9F%92%A9/metrics/memory/usage", 200, EMPTY_SERIES),
    "name-list": (f"{MODEL}/namespaces/default/pod-list/{'x,' * 5000}/metrics/memory/usage", 200, b'{"items":['),
    "escape": (f"{PODS}/%zz", 400, b"400 Bad Request"),
    "climbing": (f"{MODEL}/../../../etc/passwd", 301, b'href="/etc/passwd"'),
    "route": ("/nowhere", 404, b"404 page not found"),
    "route-below": (f"{MODEL}/nowhere/at/all", 404, b"404: Page Not Found"),
    "long": ("/" + "a" * 60_000, 404, b"404 page not found"),
    "deep": ("/" + "a/" * 30_000, 404, b"404 page not found"),
    "too-long": ("/" + "a" * 70_000, 414, b"request line too long: at most 65536 bytes are read"),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both() -> AsyncIterator[tuple[SimulatedCluster, RunningDaemon]]:
    """One pair for all tests here, for none of them may leave anything behind."""
    async with run_both(SimulateOptions(nodes=2, pods_per_node=2, seed=7)) as (sim, running):
        await running.tick()
        yield sim, running


@pytest_asyncio.fixture(loop_scope="module")
async def daemon(
    both: tuple[SimulatedCluster, RunningDaemon], caplog: pytest.LogCaptureFixture
) -> AsyncIterator[RunningDaemon]:
    """The daemon; after the test its next batch must be exact, and nothing logged that somebody should look at."""
    sim, running = both
    yield running
    check_batch(await running.tick(), expected_metrics(sim, running.clock.now_ms))
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


async def send(daemon: RunningDaemon, data: bytes) -> tuple[int, bytes]:
    """Sends bytes on a connection of their own; gives status and body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(daemon.url.rpartition(":")[2]))
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            writer.write(data)
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    finally:
        writer.close()
        await writer.wait_closed()
    return int(head.split()[1]), body


@pytest.mark.parametrize("case", TARGETS)
async def test_a_target_that_makes_no_sense_has_an_answer(daemon: RunningDaemon, case: str) -> None:
    target, status, part = TARGETS[case]
    got, body = await send(daemon, f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    assert got == status
    assert part in body


async def test_other_methods_are_not_allowed(daemon: RunningDaemon) -> None:
    for path in (f"{MODEL}/nodes", "/api/v1/metric-export", f"{V1ALPHA1}/pods"):
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE"):
            head = f"{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            status, body = await send(daemon, head.encode())
            assert (status, body) == (405, b"" if method == "HEAD" else b"405: Method Not Allowed"), method


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"BREW / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400),
        (b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", 431),
        (b"GET /livez HTTP/1.1\r\nHost: \xff\xfe\r\nConnection: close\r\n\r\n", 200),
        (f"GET {MODEL}/nodes HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\nConnection: close\r\n\r\n".encode(), 406),
    ],
    ids=["tls", "method", "version", "line", "bytes", "colon", "length", "long", "host", "accept"],
)  # fmt: skip
async def test_a_request_that_is_none_is_refused(daemon: RunningDaemon, data: bytes, status: int) -> None:
    assert (await send(daemon, data))[0] == status


async def test_a_body_is_not_waited_for(daemon: RunningDaemon) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(daemon.url.rpartition(":")[2]))
    writer.write(f"POST {MODEL}/nodes HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\nx".encode())
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert (await reader.readuntil(b"405: Method Not Allowed")).startswith(b"HTTP/1.1 405 ")
    writer.close()
    await writer.wait_closed()


async def test_clients_that_go_in_the_middle_are_no_news(daemon: RunningDaemon) -> None:
    port = int(daemon.url.rpartition(":")[2])
    for data in (b"", b"GET /api/v1/mod", b"GET /api/v1/metric-export HTTP/1.1\r\nHost: a\r\n\r\n"):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data)
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    assert (await daemon.text("/livez"))[0] == 200
