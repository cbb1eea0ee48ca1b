"""Builds and joins all parts, in the order of the road, and stops them in reverse.

In      Options
Out     a daemon that runs until SIGINT or SIGTERM
Callers cli
Never   decides anything that an option or a part could decide
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import prometheus_client
import uvloop
from prometheus_client import CollectorRegistry

from heapfast import __version__
from heapfast._core import Store
from heapfast.api.app import create_app
from heapfast.api.host import Host
from heapfast.api.query_limits import QueryLimits
from heapfast.api.query_monitoring import QueryMonitoring
from heapfast.api.secure_state import Signs
from heapfast.api.state import HistoryLimits, State
from heapfast.auth.client_cert import ClientRule
from heapfast.batches_out import start_sinks
from heapfast.catalog.keys import Kind
from heapfast.clock import Clock
from heapfast.consumers import Consumer, NodeConsumer
from heapfast.data_dir import DataDir
from heapfast.errors import ConfigError
from heapfast.kube.client import KubeClient
from heapfast.kube.config import SourceOptions, resolve
from heapfast.kube.monitoring import KubeMonitoring, ResourceMonitoring
from heapfast.kube.namespaces import NAMESPACES
from heapfast.kube.nodes import nodes_resource
from heapfast.kube.pods import PODS
from heapfast.kube.watch import Reflector
from heapfast.listening import listen
from heapfast.long_memory import open_long_memory
from heapfast.pipeline import Pipeline
from heapfast.places import Place, heapster_place, preferred_place, selected, sharded
from heapfast.process_tuning import (
    keep_collections_short,
    let_go_of_code,
    raise_file_limit,
    return_freed_memory,
    shorten_turns,
    trim_heap,
)
from heapfast.processors.gate import Gate
from heapfast.processors.known import KnownPods
from heapfast.processors.labels import Copier, LabelCopier, NoLabels
from heapfast.processors.namespace import NamespaceEnricher
from heapfast.processors.node import NodeEnricher
from heapfast.processors.pod import PodEnricher
from heapfast.processors.starts import PodStarts
from heapfast.query._selector import parse_selector
from heapfast.render._roster import Roster
from heapfast.scrape._http import KubeletClient
from heapfast.scrape.beside import make_beside
from heapfast.scrape.extra import ExtraScrapes
from heapfast.scrape.limits import Limits
from heapfast.scrape.loop import SCRAPE_OFFSET_NS, Windows, window_of
from heapfast.scrape.manager import ScrapeManager
from heapfast.scrape.monitoring import ScrapeCollector, WindowCollector
from heapfast.scrape.sources.cadvisor import Cadvisor
from heapfast.scrape.sources.kubelet_resource import KubeletResource
from heapfast.scrape.sources.kubelet_summary import KubeletSummary
from heapfast.secure_port import SecurePort, Served, build_secure_port
from heapfast.store.index import PostingIndex, Subset
from heapfast.store.monitoring import StoreCollector, TickMonitoring
from heapfast.store.segments import About
from heapfast.tls import load_pair, read_ca, server_context
from heapfast.units import NS_PER_SECOND
from heapfast.warm_restart import WarmRestart, begin_warm_restart

if TYPE_CHECKING:
    import ssl

    from heapfast.config.options import KubeletOptions, KubeOptions, Options, StoreOptions, TlsOptions
    from heapfast.kube.access import ApiAccess
    from heapfast.kube.nodes import Node
    from heapfast.scrape.sources.source import Source

log = logging.getLogger(__name__)

SOURCES: dict[str, Callable[[], Source]] = {
    "summary": KubeletSummary,
    "cadvisor": Cadvisor,
}

#: A round of scrapes is late when the last one began so many resolutions ago.
LATE_RESOLUTIONS = 1.5

#: How often credentials that end (exec plugins) are looked at.
CREDENTIALS_SECONDS = 30.0


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
    return_freed_memory()
    shorten_turns()
    stop = stop or _stop_on_signals()
    async with contextlib.AsyncExitStack() as stack:
        # What can fail for the operator's fault comes first: nothing has been started then.
        sockets = bind(options)
        stack.callback(_close_all, sockets)
        tls = serving_context(options.tls)
        access = resolve(source_options(options.kube))
        daemon = await stack.enter_async_context(build(options, access, tls, stop=stop))
        for host, listener in zip(daemon.hosts, sockets, strict=True):
            await host.start([listener])
            log.info("listening on port %d%s", listener.getsockname()[1], ", TLS" if host.is_tls else "")
        if ready is not None:
            ready.set()
        await daemon.run_until(stop)
        log.info("stopping")
        if options.secure is not None and options.secure.shutdown_delay_ns:
            # /readyz has begun to fail; whoever balances load gets the time to notice.
            await asyncio.sleep(options.secure.shutdown_delay_ns / NS_PER_SECOND)


class Daemon:
    """All parts, joined. Made by `build`.

    Attributes:
        hosts: of Heapster's port and of the secure port, in this order; what is closed is not among them.
        store, scraper, pipeline: for whoever drives or looks at them from beside, such as tests.
    """

    def __init__(
        self,
        *,
        access: ApiAccess,
        hosts: list[Host],
        store: Store,
        scraper: ScrapeManager,
        pipeline: Pipeline,
        tasks: Mapping[str, Callable[[], Coroutine[Any, Any, None]]],
    ) -> None:
        self.hosts = hosts
        self.store = store
        self.scraper = scraper
        self.pipeline = pipeline
        self._access = access
        self._tasks = tasks

    @property
    def host(self) -> Host:
        """The first port's."""
        return self.hosts[0]

    async def run_until(self, stop: asyncio.Event) -> None:
        """Runs every task until `stop` is set. A task that ends by itself is a bug, and ends the daemon."""
        tasks = [asyncio.create_task(run(), name=name) for name, run in self._tasks.items()]
        tasks.append(asyncio.create_task(self._keep_credentials(), name="credentials"))
        # These three end by themselves.
        tasks.append(asyncio.create_task(keep_collections_short(self._has_started), name="collector"))
        tasks.append(asyncio.create_task(trim_heap(self._has_started), name="heap"))
        tasks.append(asyncio.create_task(let_go_of_code(self._has_started), name="code"))
        stopping = asyncio.create_task(stop.wait(), name="stop")
        try:
            watched: set[asyncio.Task[Any]] = {stopping, *tasks[:-3]}
            done, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                error = task.exception()
                # Not the error alone: an OSError would pass for the operator's fault.
                raise RuntimeError(f"BUG: task {task.get_name()} {'failed' if error else 'ended by itself'}") from error
        finally:
            for task in (stopping, *tasks):
                task.cancel()
            await asyncio.gather(stopping, *tasks, return_exceptions=True)

    def _has_started(self) -> bool:
        return self.store.newest is not None

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
    stop: asyncio.Event | None = None,
) -> AsyncIterator[Daemon]:
    """Makes every part and hands each what it needs; takes them down again in reverse order.

    Args:
        stop: is set when the daemon has been told to stop.
        clock: what samples, windows and answers are dated by.
        sleep: waits for windows, and between attempts to reach the API server, as that clock goes.
    """
    async with contextlib.AsyncExitStack() as stack:
        clock = clock or Clock()
        data_dir = stack.enter_context(DataDir.open(options.data_dir)) if options.data_dir else None
        if data_dir is None:
            log.info("no --data-dir: everything is in memory alone, and a restart forgets it")
        registry = CollectorRegistry()
        _add_process_metrics(registry)
        threads = options.threads or os.cpu_count() or 1
        executor = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="heapfast")
        stack.callback(executor.shutdown)

        # 4: memory
        side_ns = options.source.side_resolution_ns
        store = make_store(
            options.store,
            schedulable=options.source.kind == "cadvisor",
            resolution_ns=options.resolution_ns,
            side_ns=side_ns,
        )
        warm: WarmRestart | None = None
        if data_dir is not None:
            warm = await begin_warm_restart(
                data_dir.folder("segments"),
                store,
                About(
                    cluster=access.server,
                    resolution_ns=options.resolution_ns,
                    source=options.source.kind,
                    heapfast=__version__,
                ),
                options.store,
                clock=clock,
                registry=registry,
                stack=stack,
            )
        pods, nodes = PostingIndex(), PostingIndex()
        running = Subset(pods)
        rosters = {kind: Roster(store.latest, kind) for kind in (Kind.NODE, Kind.POD)} if options.secure else {}
        StoreCollector(store, registry)

        # 2 and 3: bytes from targets, and rows from bytes
        is_latest = options.source.kind == "resource"
        limits = Limits(
            max_body_bytes=options.source.max_body_bytes, total_seconds=options.source.timeout_ns / NS_PER_SECOND
        )
        kubelets = KubeletClient(
            limits=limits,
            tls=kubelet_context(options, access),
            token=access.token,
            send_token_over_http=options.source.token_over_http,
        )
        scraper = ScrapeManager(
            make_source(options),
            kubelets,
            port=options.source.kubelet_port,
            clock=clock,
            spread_seconds=options.source.spread_ns / NS_PER_SECOND if options.source.spread_ns else None,
            deadline_seconds=options.source.deadline_ns / NS_PER_SECOND,
            beside=make_beside(KubeletSummary(), every=side_ns // options.resolution_ns) if side_ns else None,
            # Heapster kept to its moments; and whoever states a spread has said when scrapes start.
            follows_rhythm=is_latest and not options.source.spread_ns,
        )
        stack.callback(scraper.close)
        ScrapeCollector(scraper, registry)

        # What is new is scraped out of turn for a latest view alone; Heapster kept to its rounds.
        extra = ExtraScrapes(
            lambda node: pipeline.scrape_one(node, window_of(clock.now_ns(), options.resolution_ns)),
            lambda pod, started_ns: store.latest.young_sample_ns(pod, started_ns, clock.now_ns()),
            clock,
            sleep,
        )

        def note_start(node: str, pod: int) -> None:
            # The first list has every pod that runs already: none of them is new.
            if pod_consumer.is_synced:
                extra.note_start(node, pod)

        # 1: who is there
        gate = Gate()
        copier = label_copier(options)
        node_consumer = NodeConsumer(
            NodeEnricher(store, nodes, copier, gate, roster=rosters.get(Kind.NODE)), scraper, place_of(options.kubelets)
        )
        starts = PodStarts(note_start) if is_latest else None
        known = KnownPods(store)
        pod_consumer = Consumer(
            "pods",
            PodEnricher(
                store,
                pods,
                copier,
                gate,
                running=running,
                roster=rosters.get(Kind.POD),
                starts=starts,
                known=known,
            ),
        )
        consumers: dict[str, Consumer] = {"nodes": node_consumer, "pods": pod_consumer}
        if options.api.enabled:
            # metrics.k8s.io says nothing of namespaces, and metrics-server's role may not list them.
            consumers["namespaces"] = Consumer("namespaces", NamespaceEnricher(store, gate))
        client = await stack.enter_async_context(KubeClient(access))
        kube_monitoring = KubeMonitoring(registry)
        reflectors: dict[str, Reflector[Any]] = {
            kind.name: Reflector(
                kind,
                client,
                consumers[kind.name],
                ResourceMonitoring(kube_monitoring, kind.name),
                known=known if kind is PODS else None,
                clock=clock,
                sleep=sleep,
            )
            for kind in (nodes_resource(), NAMESPACES, PODS)
            if kind.name in consumers
        }

        # the tick
        ticks = TickMonitoring(registry)
        pipeline = Pipeline(store=store, scraper=scraper, gate=gate, clock=clock, executor=executor, monitoring=ticks)
        start_sinks(
            options.sinks, pipeline, stack, executor=executor, clock=clock, registry=registry, ticks=ticks, sleep=sleep
        )
        if warm is not None:
            pipeline.subscribe(warm.writer.take)
        # Heapster's batches are of a moment shortly after their stamp; a latest view is better the fresher it is.
        windows = Windows(options.resolution_ns, 0 if is_latest else SCRAPE_OFFSET_NS, clock, sleep)
        WindowCollector(windows, registry)

        # what was
        long_memory = await open_long_memory(
            options.history, data_dir, stack, store=store, pipeline=pipeline, clock=clock, registry=registry
        )

        # 8: answers
        def describe_targets(node: str | None = None) -> Iterator[Mapping[str, Any]]:
            yield from scraper.describe_targets(node)
            yield from node_consumer.describe_skipped(node)

        def unready() -> str | None:
            waiting = [name for name, consumer in consumers.items() if not consumer.is_synced]
            if waiting:
                return f"the API server's list of {', '.join(waiting)} is not complete"
            return None if warm is None or warm.is_settled else "what was kept over the restart is not served yet"

        query_limits = QueryLimits(
            max_rows=options.query.max_rows,
            max_samples=options.query.max_samples,
            timeout_seconds=options.query.timeout_ns / NS_PER_SECOND,
            max_body_bytes=options.query.max_body_bytes,
        )
        query_monitoring = QueryMonitoring(registry)
        state = State(
            store=store,
            pods=pods,
            nodes=nodes,
            clock=clock,
            resolution_ns=options.resolution_ns,
            disable_export=not options.api.export_enabled,
            disable_metric_sink=not options.api.model_enabled,
            unready=unready,
            targets=describe_targets,
            running=running,
            node_selector=parse_selector(options.kubelets.node_selector),
            registry=registry,
            client_rule=ClientRule(frozenset(options.tls.allowed_users)) if options.tls.client_ca_file else None,
            history=long_memory.backend,
            history_limits=HistoryLimits(
                max_points=options.history.max_points, timeout_seconds=options.history.timeout_ns / NS_PER_SECOND
            ),
            executor=executor,
            query_limits=query_limits,
            query_monitoring=query_monitoring,
        )
        hosts: list[Host] = []
        if options.api.enabled:
            hosts.append(Host(create_app(state), ssl_context=tls))
        secure: SecurePort | None = None
        if options.secure is not None:
            secure = await build_secure_port(
                options.secure,
                options.auth,
                Served(
                    store=store,
                    nodes=nodes,
                    running=running,
                    node_roster=rosters[Kind.NODE],
                    pod_roster=rosters[Kind.POD],
                    signs=Signs(
                        are_nodes_synced=lambda: node_consumer.is_synced,
                        are_pods_synced=lambda: pod_consumer.is_synced,
                        is_collecting=lambda: _is_collecting(scraper, clock, options.resolution_ns),
                        is_stopping=stop.is_set if stop is not None else lambda: False,
                    ),
                    targets=describe_targets,
                    node_selector=options.kubelets.node_selector,
                    resolution_ns=options.resolution_ns,
                    clock=clock,
                    registry=registry,
                    executor=executor,
                    query_limits=query_limits,
                    query_monitoring=query_monitoring,
                ),
                access,
                kube_monitoring,
                stack,
            )
            scraper.observe(secure.monitor)
            hosts.append(Host(secure.app, ssl_context=secure.context))
        for host in hosts:
            stack.push_async_callback(host.stop)

        async def run_ticks() -> None:
            if warm is not None:
                await warm.settle(consumers.values(), pipeline)
            if is_latest:
                await node_consumer.wait_synced()
                await pipeline.warm_up(window_of(clock.now_ns(), options.resolution_ns))
            await pipeline.run(windows)

        yield Daemon(
            access=access,
            hosts=hosts,
            store=store,
            scraper=scraper,
            pipeline=pipeline,
            tasks={
                **{f"watch of {kind}": reflector.run for kind, reflector in reflectors.items()},
                "pipeline": run_ticks,
                **({"extra scrapes": extra.run} if is_latest else {}),
                **long_memory.tasks,
                **({"segments": warm.writer.run} if warm is not None else {}),
                **(secure.tasks if secure is not None else {}),
            },
        )


def label_copier(options: Options) -> Copier:
    """What becomes of labels in the store, which Heapster's port and sinks read."""
    if not options.api.enabled and not options.sinks.specs:
        return NoLabels()
    return LabelCopier(options.labels.separator, options.labels.ignored, options.labels.stored)


def place_of(options: KubeletOptions) -> Callable[[Node], Place | str]:
    """Where nodes are asked, and which."""
    place: Callable[[Node], Place | str] = heapster_place
    if options.address_types:
        place = preferred_place(options.address_types, uses_node_status_port=options.uses_node_status_port)
    selector = parse_selector(options.node_selector)
    if selector:
        place = selected(place, selector)
    return sharded(place, options.shard) if options.shard.count > 1 else place


def kubelet_context(options: Options, access: ApiAccess) -> ssl.SSLContext | None:
    """The TLS side of asking kubelets; None for plain HTTP.

    Raises:
        ConfigError: a file cannot be read or is not what it should be.
    """
    if not options.source.kubelet_https:
        return None
    kubelets = options.kubelets
    ca_pem = read_ca(kubelets.ca_file) if kubelets.ca_file else None
    context = access.kubelet_context(insecure=options.source.insecure, ca_pem=ca_pem)
    if kubelets.client_cert_file:
        load_pair(context, kubelets.client_cert_file, kubelets.client_key_file)
    return context


def _is_collecting(scraper: ScrapeManager, clock: Clock, resolution_ns: int) -> bool:
    return scraper.began_ns == 0 or clock.now_ns() - scraper.began_ns < LATE_RESOLUTIONS * resolution_ns


def make_source(options: Options) -> Source:
    """What kubelets are asked for, or for first."""
    if options.source.kind == "resource":
        return KubeletResource(wants_swap="swap" in options.store.usage_keys)
    return SOURCES[options.source.kind]()


def make_store(options: StoreOptions, *, schedulable: bool, resolution_ns: int, side_ns: int = 0) -> Store:
    return Store(
        long_retention_ns=options.long_retention_ns,
        short_retention_ns=options.short_retention_ns,
        long_metrics=options.long_metrics,
        schedulable=schedulable,
        resolution_ns=resolution_ns,
        side_ns=side_ns,
        usage_keys=options.usage_keys,
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


def bind(options: Options) -> list[socket.socket]:
    """The sockets of the ports that are open, in the order of Daemon.hosts.

    Raises:
        ConfigError: an address is none of this machine's, or a port is in use.
    """
    sockets: list[socket.socket] = []
    try:
        if options.api.enabled:
            sockets.append(listen(options.api.listen_ip, options.api.port, "--listen-ip, --heapster-port"))
        if options.secure is not None:
            sockets.append(listen(options.secure.bind_address, options.secure.port, "--bind-address, --secure-port"))
    except ConfigError:
        _close_all(sockets)
        raise
    return sockets


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
