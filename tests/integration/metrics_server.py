"""The daemon in metrics-server's place: its published flags, behind a simulated API server that aggregates it.

In      a simulated cluster's options
Out     both running on the test's loop and on one clock; a stock kubectl to ask them
Callers tests of integration/
Source  deploy/base/deployment.yaml for the flags
Never   waits for a window: the test moves the clock
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import shutil
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final, NamedTuple

import aiohttp
import msgspec
import pytest
import yaml  # type: ignore[import-untyped]

from heapfast.config.build import build_options
from heapfast.daemon import bind, build, source_options
from heapfast.kube.config import resolve
from heapfast.sim.main import SimulatedCluster
from heapfast.sim.options import SimulateOptions
from tests.integration.running import PATIENCE_SECONDS, RunningDaemon, SteppedClock, eventually
from tests.shared import REPOSITORY

KUBECTL: Final = shutil.which("kubectl")
needs_kubectl = pytest.mark.skipif(
    KUBECTL is None, reason="NO KUBECTL: it is not on the PATH; these tests run a stock one"
)

#: What the published flags say.
RESOLUTION_SECONDS: Final = 15
STEP_SECONDS: Final = RESOLUTION_SECONDS


def published_flags() -> list[str]:
    """The flags of the deployment that takes metrics-server's place."""
    deployment = yaml.safe_load((REPOSITORY / "deploy/base/deployment.yaml").read_text())
    flags: list[str] = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    assert f"--metric-resolution={RESOLUTION_SECONDS}s" in flags
    return flags


def flags_for(sim: SimulatedCluster, port: int, cert_dir: Path) -> list[str]:
    """The published flags, and after them what differs outside a cluster: the last one of a name counts."""
    return [
        *published_flags(),
        f"--kubeconfig={sim.kubeconfig}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={cert_dir}",
    ]


@contextlib.contextmanager
def held_port() -> Iterator[int]:
    """A port that stays the test's: simulator and daemon must both know it before either starts."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def aggregated(options: SimulateOptions, port: int) -> SimulateOptions:
    """The same cluster, over TLS, with a daemon at a port."""
    return msgspec.structs.replace(options, tls=True, token="s3cret", daemon_url=f"https://127.0.0.1:{port}")


def client_context(sim: SimulatedCluster, pair: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    """For asking the daemon itself: with a client certificate, or with none.

    What it serves with is self-signed, and the deployment's APIService does not check it either.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if pair is not None:
        context.load_cert_chain(*pair)
    return context


class Aggregated(NamedTuple):
    """A cluster and its daemon.

    Attributes:
        daemon: its session shows the administrator's certificate.
        stop: is set to tell the daemon to stop; it serves until the block ends.
    """

    sim: SimulatedCluster
    daemon: RunningDaemon
    stop: asyncio.Event

    @property
    def now_ms(self) -> int:
        return self.daemon.clock.now_ms


class Prepared(NamedTuple):
    """What a daemon is told besides its usual flags, and who asks it.

    Attributes:
        flags: they come last.
        administrator: certificate and key of who may do everything.
    """

    flags: list[str]
    administrator: tuple[Path, Path]


async def _as_simulated(sim: SimulatedCluster, port: int) -> Prepared:
    assert sim.certificates is not None
    return Prepared([], (sim.certificates.client_cert_file, sim.certificates.client_key_file))


@contextlib.asynccontextmanager
async def run_aggregated(
    options: SimulateOptions,
    *flags: str,
    prepare: Callable[[SimulatedCluster, int], Awaitable[Prepared]] = _as_simulated,
) -> AsyncIterator[Aggregated]:
    """Runs both until the block ends; the daemon has scraped every node once.

    Args:
        prepare: is handed the cluster, and the port that the daemon is going to serve on.
    """
    # Certificates are dated by the machine's clock. Each step begins behind the end of one window.
    resolution_ms = 1000 * RESOLUTION_SECONDS
    clock = SteppedClock(time.time_ns() // 1_000_000 // resolution_ms * resolution_ms + 5_250)
    stop = asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        port = stack.enter_context(held_port())
        sim = await stack.enter_async_context(SimulatedCluster(aggregated(options, port), clock))
        clock.moved = sim.advance
        prepared = await prepare(sim, port)
        parsed = build_options([*flags_for(sim, port, sim.directory / "serving"), *flags, *prepared.flags], {})
        sockets = bind(parsed)
        for one in sockets:
            stack.callback(one.close)
        daemon = await stack.enter_async_context(
            build(
                parsed,
                resolve(source_options(parsed.kube), environ={}),
                None,
                clock=clock,
                sleep=clock.sleep,
                stop=stop,
            )
        )
        await daemon.host.start(sockets)
        end = asyncio.Event()
        task = asyncio.create_task(daemon.run_until(end))
        stack.push_async_callback(lambda: task)
        stack.callback(end.set)
        url = f"https://127.0.0.1:{port}"
        administrator = client_context(sim, prepared.administrator)
        session = await stack.enter_async_context(
            aiohttp.ClientSession(
                url,
                timeout=aiohttp.ClientTimeout(total=PATIENCE_SECONDS),
                connector=aiohttp.TCPConnector(ssl=administrator),
            )
        )
        running = RunningDaemon(daemon, clock, session, url)
        await running.until('metrics_server_kubelet_request_total{success="true"}', options.nodes)
        await eventually(lambda: clock.n_sleeping > 0)
        yield Aggregated(sim, running, stop)


class Printed(NamedTuple):
    """What a command left behind."""

    code: int | None
    out: str
    err: str

    @property
    def rows(self) -> list[list[str]]:
        """The words of every line but the heading; the command must have succeeded without a complaint."""
        assert (self.code, self.err) == (0, ""), self
        return [line.split() for line in self.out.splitlines()[1:]]


async def kubectl(sim: SimulatedCluster, *words: str) -> Printed:
    """Runs a stock kubectl as the administrator, or in the context that the words name."""
    return await kubectl_at(sim.kubeconfig, sim.directory / "cache", *words)


async def kubectl_at(kubeconfig: Path, cache: Path, *words: str) -> Printed:
    """Runs a stock kubectl on any API server."""
    assert KUBECTL is not None
    process = await asyncio.create_subprocess_exec(
        KUBECTL, "--kubeconfig", str(kubeconfig), "--cache-dir", str(cache), *words,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    return Printed(process.returncode, out.decode(), err.decode())


#: Suffixes that CPU and memory come with.
_UNITS: Final = {
    "n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "m": Fraction(1, 1000), "": Fraction(1), "k": Fraction(1000),
    "Ki": Fraction(1024), "Mi": Fraction(1024**2), "Gi": Fraction(1024**3),
}  # fmt: skip


def read_usage(cpu: str, memory: str) -> tuple[int, int]:
    """Millicores and bytes of two quantities, as clients read them: CPU is rounded up.

    Rates are floating-point numbers cut off after the ninth digit, so that 136m may come as 135999999n.
    """
    return math.ceil(read_quantity(cpu) * 1000), int(read_quantity(memory))


def read_quantity(quantity: str) -> Fraction:
    """A quantity of CPU or memory, as a number."""
    digits = quantity.rstrip("numkKMGi")
    return int(digits) * _UNITS[quantity[len(digits) :]]
