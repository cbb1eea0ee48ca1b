"""`heapfast simulate`: puts the simulated cluster together and runs it.

In      SimulateOptions
Out     SimulatedCluster, with its URLs, files and model; printed hints for a person
Callers cli, tests (`async with SimulatedCluster(options)`), process.py (as a child)
Never   starts anything before all options are checked

    cluster ── churn            who is there, who comes and goes
       │
       ├── kubelets             127.1.x.y:kubelet_port, one listener
       └── apiserver            127.0.0.1:api_port; forwards to the daemon
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, TextIO

import uvloop

from heapfast.clock import Clock
from heapfast.errors import HeapfastError
from heapfast.sim.apiserver import ApiServer
from heapfast.sim.certificates import Certificates
from heapfast.sim.churn import Churn
from heapfast.sim.cluster import Cluster
from heapfast.sim.config_maps import publish_trust
from heapfast.sim.control import Control
from heapfast.sim.faults import Faults, parse_fault
from heapfast.sim.forward import Forwarder
from heapfast.sim.identities import Identities
from heapfast.sim.kubeconfig import VIEWER_CONTEXT_NAME, write_kubeconfig
from heapfast.sim.kubelet import KubeletServer
from heapfast.sim.options import SimulateOptions, add_arguments, options_from_args
from heapfast.sim.resources import make_resources

__all__ = ["SimulateOptions", "SimulatedCluster", "add_arguments", "options_from_args", "run"]

CHURN_TICK_SECONDS: Final = 0.2
#: Descriptors beyond one a node: listeners, API clients, the interpreter's own.
_SPARE_DESCRIPTORS: Final = 256


class SimulatedCluster:
    """A running cluster on the current loop.

    Use as `async with SimulatedCluster(options) as sim`.

    Attributes:
        cluster, churn, faults: the model and its switches, for tests in the same process. With a clock
            of their own they call `advance` after moving it.
        kubelets, api: the two servers; `api.url`, `kubelets.port`.
        directory, kubeconfig: files.
        certificates: None without TLS.
    """

    def __init__(self, options: SimulateOptions, clock: Clock | None = None) -> None:
        options.check()
        self.options = options
        self.clock = clock or Clock()
        self._ticks = clock is None
        self._tick: asyncio.TimerHandle | None = None
        now_ms = self.clock.now_ns() // 1_000_000
        self.cluster = Cluster(options, now_ms)
        self.churn = Churn(self.cluster, options.churn_per_minute, now_ms)
        self.faults = Faults(self.cluster)
        for text in options.faults:
            self.faults.set(parse_fault(text), now_ms)
        self.certificates: Certificates | None = None
        self.directory: Path
        self.kubeconfig: Path
        self.kubelets: KubeletServer
        self.api: ApiServer
        self._cleanup = contextlib.AsyncExitStack()

    async def __aenter__(self) -> SimulatedCluster:
        raise_descriptor_limit(self.options.nodes)
        try:
            await self._start()
        except BaseException:
            await self._cleanup.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._cleanup.aclose()

    def advance(self) -> None:
        """Does what churn is due until the clock's present time."""
        self.churn.advance(self.clock.now_ns() // 1_000_000)

    async def _start(self) -> None:
        options = self.options
        self.directory = self._make_directory()
        if options.tls:
            self.certificates = Certificates(self.directory, [host.address for host in self.cluster.hosts])
            publish_trust(self.cluster, self.certificates)
        certificates = self.certificates
        self.kubelets = KubeletServer(
            self.cluster,
            self.faults,
            self.clock,
            options.token,
            certificates.kubelet_context if certificates else None,
        )
        with _naming(options.kubelet_port, "--kubelet-port"):
            await self.kubelets.start(options.kubelet_port)
        self._cleanup.push_async_callback(self.kubelets.stop)
        aggregation, service_proxy = (
            Forwarder(url, certificates.front_proxy_context() if certificates else None)
            for url in (options.aggregated_url or options.daemon_url, options.daemon_url)
        )
        self.api = ApiServer(
            make_resources(self.cluster, lambda: self.kubelets.port),
            Control(self.cluster, self.churn, self.faults, self.kubelets, self.clock),
            aggregation,
            service_proxy,
            self.clock,
            identities=Identities(options.token, options.viewer_token, options.viewer_namespace),
            bookmark_seconds=options.bookmark_seconds,
            tls=certificates.api_context() if certificates else None,
        )
        self._cleanup.push_async_callback(self.api.stop)
        with _naming(options.api_port, "--api-port"):
            await self.api.start(options.api_port)
        self.kubeconfig = self.directory / "kubeconfig"
        write_kubeconfig(self.kubeconfig, self.api.url, options, certificates)
        if self._ticks:
            self._cleanup.callback(self._stop_ticking)
            self._tick_once()

    def _make_directory(self) -> Path:
        if self.options.directory:
            path = Path(self.options.directory)
            path.mkdir(parents=True, exist_ok=True)
            return path.resolve()
        path = Path(tempfile.mkdtemp(prefix="heapfast-sim-"))
        self._cleanup.callback(shutil.rmtree, path, ignore_errors=True)
        return path

    def _tick_once(self) -> None:
        self.advance()
        self._tick = asyncio.get_running_loop().call_later(CHURN_TICK_SECONDS, self._tick_once)

    def _stop_ticking(self) -> None:
        if self._tick is not None:
            self._tick.cancel()


@contextlib.contextmanager
def _naming(port: int, flag: str) -> Iterator[None]:
    """Says which flag a port comes from that cannot be listened on."""
    try:
        yield
    except OSError as error:
        raise HeapfastError(f"cannot listen on port {port} ({flag}): {os.strerror(error.errno or 0)}") from error


def raise_descriptor_limit(nodes: int) -> None:
    """Raises the soft limit of open files to what one connection a node needs, as far as the hard limit goes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Two a node: a scraper that reconnects overlaps with its old connection.
    wanted = 2 * nodes + _SPARE_DESCRIPTORS
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def describe(sim: SimulatedCluster, out: TextIO) -> None:
    """Prints where everything is, and what to try."""
    options, first = sim.options, sim.cluster.hosts[0]
    scheme = "https" if options.tls else "http"
    curl = "curl -s"
    if sim.certificates is not None:
        curl += f" --cacert {sim.certificates.ca_file}"
    if options.token:
        curl += f" -H 'Authorization: Bearer {options.token}'"
    viewer = f"  kubectl --kubeconfig {sim.kubeconfig} --context {VIEWER_CONTEXT_NAME} top pods\n"
    print(
        f"simulated cluster: {len(sim.cluster.nodes)} nodes, {len(sim.cluster.pods)} pods, seed {options.seed}\n"
        f"  API server   {sim.api.url}\n"
        f"  kubelets     {scheme}://{first.address}:{sim.kubelets.port} and up, one address a node\n"
        f"  kubeconfig   {sim.kubeconfig}\n"
        f"  forwards     metrics.k8s.io to {options.aggregated_url or options.daemon_url}\n"
        f"               the Heapster service proxy to {options.daemon_url}\n"
        f"try\n"
        f"  kubectl --kubeconfig {sim.kubeconfig} get nodes\n"
        f"  kubectl --kubeconfig {sim.kubeconfig} top pods -A\n"
        f"{viewer if options.viewer_token else ''}"
        f"  {curl} {scheme}://{first.address}:{sim.kubelets.port}/stats/summary\n"
        f"  {curl} {sim.api.url}/sim/state\n"
        f'  {curl} {sim.api.url}/sim/faults -d \'{{"faults": ["{first.name}=hang"]}}\'\n'
        f"Ctrl-C ends it.",
        file=out,
        flush=True,
    )


async def serve(options: SimulateOptions) -> None:
    """Runs a cluster until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with SimulatedCluster(options) as sim:
        gc.freeze()  # as in __main__.py
        describe(sim, sys.stdout)
        await stop.wait()


def run(options: SimulateOptions) -> None:
    """Runs a cluster on a loop of its own until SIGINT or SIGTERM."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(options))
