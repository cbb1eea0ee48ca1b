"""Builds and joins all parts, in the order of the road, and stops them in reverse.

In      Options
Out     a daemon that runs until SIGINT or SIGTERM
Callers cli
Never   decides anything that an option or a part could decide
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import resource
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import prometheus_client
import uvloop
from prometheus_client import CollectorRegistry

from heapfast._core import Store
from heapfast.api.app import create_app
from heapfast.api.host import Host
from heapfast.api.state import State
from heapfast.auth.client_cert import ClientRule
from heapfast.clock import Clock
from heapfast.errors import ConfigError
from heapfast.kube.client import KubeClient
from heapfast.kube.config import SourceOptions, resolve
from heapfast.kube.monitoring import KubeMonitoring, ResourceMonitoring
from heapfast.kube.namespaces import NAMESPACES
from heapfast.kube.nodes import nodes_resource
from heapfast.kube.pods import PODS
from heapfast.kube.watch import Reflector
from heapfast.pipeline import Consumer, NodeConsumer, Pipeline, heapster_place
from heapfast.processors.gate import Gate
from heapfast.processors.labels import LabelCopier
from heapfast.processors.namespace import NamespaceEnricher
from heapfast.processors.node import NodeEnricher
from heapfast.processors.pod import PodEnricher
from heapfast.scrape.http import KubeletClient
from heapfast.scrape.limits import Limits
from heapfast.scrape.loop import SCRAPE_OFFSET_NS, Windows
from heapfast.scrape.manager import ScrapeManager
from heapfast.scrape.monitoring import ScrapeCollector, WindowCollector
from heapfast.scrape.sources.cadvisor import Cadvisor
from heapfast.scrape.sources.kubelet_summary import KubeletSummary
from heapfast.store.index import PostingIndex
from heapfast.store.monitoring import StoreCollector, TickMonitoring
from heapfast.tls import server_context
from heapfast.units import NS_PER_SECOND

if TYPE_CHECKING:
    import ssl

    from heapfast.config.options import ApiOptions, KubeOptions, Options, StoreOptions, TlsOptions
    from heapfast.kube.access import ApiAccess

log = logging.getLogger(__name__)

SOURCES: dict[str, Callable[[], KubeletSummary | Cadvisor]] = {"summary": KubeletSummary, "cadvisor": Cadvisor}

#: How often credentials that end (exec plugins) are looked at.
CREDENTIALS_SECONDS = 30.0

#: How long the first sample may take after start: everything that lives until then is not collected any more.
FREEZE_SECONDS = 60.0


def run(options: Options) -> None:
    """Serves until SIGINT or SIGTERM.

    Raises:
        ConfigError: credentials, certificates or an address that cannot be used.
        OSError: the port cannot be had.
    """
    uvloop.run(serve(options))


async def serve(options: Options, *, stop: asyncio.Event | None = None, ready: asyncio.Event | None = None) -> None:
    """Runs the daemon on this loop.

    Args:
        stop: ends it when set; None for signals.
        ready: is set once the port accepts.
    """
    for note in options.notes:
        log.info("%s", note)
    raise_file_limit()
    stop = stop or _stop_on_signals()
    async with contextlib.AsyncExitStack() as stack:
        # What can fail for the operator's fault comes first: nothing has been started then.
        sockets = bind(options.api)
        stack.callback(_close_all, sockets)
        tls = serving_context(options.tls)
        access = resolve(source_options(options.kube))
        daemon = await stack.enter_async_context(build(options, access, tls))
        await daemon.host.start(sockets)
        log.info("listening on port %d%s", sockets[0].getsockname()[1], "" if tls is None else ", TLS")
        if ready is not None:
            ready.set()
        await daemon.run_until(stop)
        log.info("stopping")


class Daemon:
    """All parts, joined. Made by `build`.

    Attributes:
        host, store, scraper, pipeline: for whoever drives or looks at them from beside, such as tests.
    """

    def __init__(
        self,
        *,
        access: ApiAccess,
        reflectors: list[Reflector[Any]],
        pipeline: Pipeline,
        windows: Windows,
        host: Host,
        store: Store,
        scraper: ScrapeManager,
    ) -> None:
        self.host = host
        self.store = store
        self.scraper = scraper
        self.pipeline = pipeline
        self._access = access
        self._reflectors = reflectors
        self._windows = windows

    async def run_until(self, stop: asyncio.Event) -> None:
        """Runs every task until `stop` is set. A task that ends by itself is a bug, and ends the daemon."""
        tasks = [
            asyncio.create_task(reflector.run(), name=f"reflector {i}") for i, reflector in enumerate(self._reflectors)
        ]
        tasks.append(asyncio.create_task(self.pipeline.run(self._windows), name="pipeline"))
        tasks.append(asyncio.create_task(self._keep_credentials(), name="credentials"))
        tasks.append(asyncio.create_task(_freeze_garbage(), name="freeze"))
        stopping = asyncio.create_task(stop.wait(), name="stop")
        try:
            watched: set[asyncio.Task[Any]] = {stopping, *tasks[:-1]}
            done, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                error = task.exception()
                # Not the error alone: an OSError would pass for the operator's fault.
                raise RuntimeError(f"BUG: task {task.get_name()} {'failed' if error else 'ended by itself'}") from error
        finally:
            for task in (stopping, *tasks):
                task.cancel()
            await asyncio.gather(stopping, *tasks, return_exceptions=True)

    async def _keep_credentials(self) -> None:
        while True:
            await asyncio.sleep(CREDENTIALS_SECONDS)
            try:
                await self._access.refresh()
            except (ConfigError, OSError) as error:
                # A plugin that gives rubbish, or a child that cannot be started: the old ones may still do.
                log.warning("credentials could not be renewed: %s", error)
            except Exception:
                log.exception("BUG: credentials could not be renewed")


@contextlib.asynccontextmanager
async def build(
    options: Options,
    access: ApiAccess,
    tls: ssl.SSLContext | None,
    *,
    clock: Clock | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[Daemon]:
    """Makes every part and hands each what it needs; takes them down again in reverse order.

    Args:
        clock: what samples, windows and answers are dated by.
        sleep: waits for windows, and between attempts to reach the API server, as that clock goes.
    """
    async with contextlib.AsyncExitStack() as stack:
        clock = clock or Clock()
        registry = CollectorRegistry()
        _add_process_metrics(registry)
        threads = options.threads or os.cpu_count() or 1
        executor = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="heapfast")
        stack.callback(executor.shutdown)

        # 4: memory
        store = make_store(
            options.store, schedulable=options.scrape.source == "cadvisor", resolution_ns=options.resolution_ns
        )
        pods, nodes = PostingIndex(), PostingIndex()
        StoreCollector(store, registry)

        # 2 and 3: bytes from targets, and rows from bytes
        limits = Limits(
            max_body_bytes=options.scrape.max_body_bytes, total_seconds=options.scrape.timeout_ns / NS_PER_SECOND
        )
        kubelets = KubeletClient(
            limits=limits,
            tls=access.kubelet_context(insecure=options.scrape.insecure) if options.scrape.kubelet_https else None,
            token=access.token,
            send_token_over_http=options.scrape.token_over_http,
        )
        scraper = ScrapeManager(
            SOURCES[options.scrape.source](),
            kubelets,
            port=options.scrape.kubelet_port,
            clock=clock,
            spread_seconds=options.scrape.spread_ns / NS_PER_SECOND if options.scrape.spread_ns else None,
            deadline_seconds=options.scrape.deadline_ns / NS_PER_SECOND,
        )
        stack.callback(scraper.close)
        ScrapeCollector(scraper, registry)

        # 1: who is there
        gate = Gate()
        copier = LabelCopier(options.labels.separator, options.labels.ignored, options.labels.stored)
        node_consumer = NodeConsumer(NodeEnricher(store, nodes, copier, gate), scraper, heapster_place)
        consumers = {
            "nodes": node_consumer,
            "namespaces": Consumer("namespaces", NamespaceEnricher(store, gate)),
            "pods": Consumer("pods", PodEnricher(store, pods, copier, gate)),
        }
        client = await stack.enter_async_context(KubeClient(access))
        monitoring = KubeMonitoring(registry)
        reflectors: list[Reflector[Any]] = [
            Reflector(
                kind,
                client,
                consumers[kind.name],
                ResourceMonitoring(monitoring, kind.name),
                clock=clock,
                sleep=sleep,
            )
            for kind in (nodes_resource(), NAMESPACES, PODS)
        ]

        # the tick
        pipeline = Pipeline(
            store=store, scraper=scraper, gate=gate, clock=clock, executor=executor, monitoring=TickMonitoring(registry)
        )
        windows = Windows(options.resolution_ns, SCRAPE_OFFSET_NS, clock, sleep)
        WindowCollector(windows, registry)

        # 8: answers
        def unready() -> str | None:
            waiting = [name for name, consumer in consumers.items() if not consumer.is_synced]
            return f"the API server's list of {', '.join(waiting)} is not complete" if waiting else None

        state = State(
            store=store,
            pods=pods,
            nodes=nodes,
            clock=clock,
            resolution_ns=options.resolution_ns,
            disable_export=not options.api.export_enabled,
            disable_metric_sink=not options.api.model_enabled,
            unready=unready,
            targets=lambda: [*scraper.describe_targets(), *node_consumer.describe_skipped()],
            registry=registry,
            client_rule=ClientRule(frozenset(options.tls.allowed_users)) if options.tls.client_ca_file else None,
            executor=executor,
        )
        host = Host(create_app(state), ssl_context=tls)
        stack.push_async_callback(host.stop)
        yield Daemon(
            access=access,
            reflectors=reflectors,
            pipeline=pipeline,
            windows=windows,
            host=host,
            store=store,
            scraper=scraper,
        )


def make_store(options: StoreOptions, *, schedulable: bool, resolution_ns: int) -> Store:
    return Store(
        long_retention_ns=options.long_retention_ns,
        short_retention_ns=options.short_retention_ns,
        long_metrics=options.long_metrics,
        schedulable=schedulable,
        resolution_ns=resolution_ns,
    )


def source_options(options: KubeOptions) -> SourceOptions:
    return SourceOptions(
        server=options.server,
        in_cluster=options.in_cluster,
        insecure=options.insecure,
        auth=options.kubeconfig,
        use_service_account=options.use_service_account,
    )


def serving_context(options: TlsOptions) -> ssl.SSLContext | None:
    """The TLS side of the port; None for plain HTTP."""
    if not options.cert_file:
        return None
    return server_context(
        cert_file=options.cert_file,
        key_file=options.key_file or None,
        client_ca_file=options.client_ca_file or None,
    )


def bind(options: ApiOptions) -> list[socket.socket]:
    """The port's sockets. Who connects already is answered once the host has started.

    Raises:
        ConfigError: the address is none of this machine's, or the port is in use.
    """
    where = f"{options.listen_ip or '*'}:{options.port} (--listen-ip, --heapster-port)"
    try:
        if not options.listen_ip and socket.has_dualstack_ipv6():
            return [socket.create_server(("", options.port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024)]
        found = socket.getaddrinfo(
            options.listen_ip or None, options.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, _, _, _, address = found[0]
        return [socket.create_server(address, family=family, backlog=1024)]
    except UnicodeError as error:  # from the codec for host names
        raise ConfigError(f"cannot listen on {where}: it is no address and no name") from error
    except socket.gaierror as error:
        raise ConfigError(f"cannot listen on {where}: {error.strerror}") from error
    except OSError as error:
        # Not its own text, in which create_server repeats the address.
        raise ConfigError(f"cannot listen on {where}: {os.strerror(error.errno or 0)}") from error


def _close_all(sockets: list[socket.socket]) -> None:
    for one in sockets:
        one.close()


def _stop_on_signals() -> asyncio.Event:
    """An event that SIGINT and SIGTERM set. A second signal ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal, number)
    return stop


def _add_process_metrics(registry: CollectorRegistry) -> None:
    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
    prometheus_client.ProcessCollector(registry=registry)
    prometheus_client.GCCollector(registry=registry)
    prometheus_client.PlatformCollector(registry=registry)


async def _freeze_garbage() -> None:
    """Takes what lives for good out of the collector's sight, so that a full collection is short."""
    await asyncio.sleep(FREEZE_SECONDS)
    gc.collect()
    gc.freeze()


def raise_file_limit() -> None:
    """As many open files as the system lets us have: one a node, and one a client."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
