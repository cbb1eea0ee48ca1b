"""Builds the secure port: TLS, who may ask, and the APIs behind them.

In      options; the store and the rosters; the API server
Out     SecurePort: its app, its serving context, what follows the config map and the files
Callers daemon
Source  spec/metrics-k8s-io.md 11.1 and 12
Never   decides who may ask (auth/ does) or what is served (api/ does)
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from heapfast.api.params import parse_query
from heapfast.api.query import ASKED_BY_POST
from heapfast.api.secure_app import create_secure_app
from heapfast.api.secure_state import SecureState, Signs
from heapfast.auth.access_review import AccessReviewer
from heapfast.auth.attributes import AttributeReader, QueryParsers
from heapfast.auth.chain import AuthChain
from heapfast.auth.config_map import ConfigMapFollower
from heapfast.auth.monitoring import AuthMonitoring
from heapfast.auth.request_header import RemoteHeaders
from heapfast.auth.token_review import TokenReviewer
from heapfast.auth.trust import Trust, read_files
from heapfast.file_watch import FileWatch
from heapfast.kube.auth_config import AUTH_CONFIG, fetch_auth_config
from heapfast.kube.client import KubeClient
from heapfast.kube.config import SourceOptions, resolve
from heapfast.kube.monitoring import KubeMonitoring, ResourceMonitoring
from heapfast.kube.reviews import Reviews
from heapfast.kube.watch import Reflector
from heapfast.query._selector import parse_field_selector, parse_selector
from heapfast.self_signed import find_or_make_pair
from heapfast.serving import Pair, ServingContext
from heapfast.units import NS_PER_SECOND

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from prometheus_client import CollectorRegistry

    from heapfast._core import Store
    from heapfast.api.metrics_server_monitoring import MetricsServerMonitor
    from heapfast.api.query_limits import QueryLimits
    from heapfast.api.query_monitoring import QueryMonitoring
    from heapfast.api.targets import Targets
    from heapfast.clock import Clock
    from heapfast.config.options import AuthOptions, SecureOptions
    from heapfast.kube.access import ApiAccess
    from heapfast.render._roster import Roster
    from heapfast.store.index import PostingIndex, Postings


Tasks = dict[str, Callable[[], Coroutine[Any, Any, None]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What the port serves from; see SecureState."""

    store: Store
    nodes: PostingIndex
    running: Postings
    node_roster: Roster
    pod_roster: Roster
    signs: Signs
    targets: Targets
    node_selector: str
    resolution_ns: int
    clock: Clock
    registry: CollectorRegistry
    executor: Executor
    query_limits: QueryLimits
    query_monitoring: QueryMonitoring


@dataclass(frozen=True, slots=True)
class SecurePort:
    """A port that is ready to be opened.

    Attributes:
        app: speaks ASGI.
        context: for its TLS.
        monitor: is to be told of scrapes.
        tasks: by name, to be run while the port is open.
    """

    app: Any
    context: ssl.SSLContext
    monitor: MetricsServerMonitor
    tasks: Tasks


async def build_secure_port(
    options: SecureOptions,
    auth: AuthOptions,
    served: Served,
    access: ApiAccess,
    kube_monitoring: KubeMonitoring,
    stack: contextlib.AsyncExitStack,
) -> SecurePort:
    """Makes the port's parts; what has to be taken down again is put onto the stack.

    Raises:
        ConfigError: certificates that cannot be used, or a config map that cannot be read.
    """
    monitoring = AuthMonitoring(served.registry)
    cert_file, key_file = options.cert_file, options.key_file
    if not cert_file:
        found = await asyncio.to_thread(find_or_make_pair, options.cert_dir, datetime.now(UTC))
        cert_file, key_file = map(str, found)
    serving = ServingContext(
        Pair(cert_file, key_file),
        [Pair(one.cert_file, one.key_file, one.names) for one in options.sni],
        min_tls=options.min_tls,
        cipher_suites=options.cipher_suites,
    )
    tasks: Tasks = {"serving certificates": FileWatch(serving.files, serving.reload, monitoring.file_changed).run}
    trust = Trust(serving.trust)
    _follow_flags(auth, trust, monitoring, tasks)

    authentication = await _client(auth.authentication_kubeconfig, access, stack)
    authorization = await _client(auth.authorization_kubeconfig, access, stack)
    if not auth.skips_lookup:
        follower = ConfigMapFollower(trust, monitoring)
        await follower.load(lambda: fetch_auth_config(authentication), tolerates_failure=auth.tolerates_lookup_failure)
        reflector = Reflector(
            AUTH_CONFIG,
            authentication,
            follower,
            ResourceMonitoring(kube_monitoring, AUTH_CONFIG.name),
            clock=served.clock,
        )
        tasks["authentication config"] = reflector.run
    chain = AuthChain(
        trust,
        TokenReviewer(
            Reviews(authentication).review_token,
            monitoring=monitoring,
            clock=served.clock,
            ttl_seconds=auth.token_ttl_ns / NS_PER_SECOND,
        ),
        AccessReviewer(
            Reviews(authorization).review_access,
            monitoring=monitoring,
            clock=served.clock,
            always_allow_paths=auth.always_allow_paths,
            authorized_ttl_seconds=auth.authorized_ttl_ns / NS_PER_SECOND,
            unauthorized_ttl_seconds=auth.unauthorized_ttl_ns / NS_PER_SECOND,
        ),
        AttributeReader(QueryParsers(parse_query, parse_selector, parse_field_selector), ASKED_BY_POST),
        allows_anonymous=False,
        clock=served.clock,
        monitoring=monitoring,
    )
    stack.push_async_callback(chain.close)
    app = create_secure_app(
        SecureState(
            store=served.store,
            latest=served.store.latest,
            nodes=served.nodes,
            running=served.running,
            node_roster=served.node_roster,
            pod_roster=served.pod_roster,
            clock=served.clock,
            resolution_ns=served.resolution_ns,
            auth=chain,
            node_selector=parse_selector(served.node_selector),
            signs=served.signs,
            targets=served.targets,
            max_in_flight=options.max_requests,
            max_seconds=options.request_timeout_ns / NS_PER_SECOND,
            port=options.port,
            registry=served.registry,
            executor=served.executor,
            query_limits=served.query_limits,
            query_monitoring=served.query_monitoring,
            enable_custom_metrics=options.enable_custom_metrics,
        )
    )
    return SecurePort(app.app, serving.context, app.monitor, tasks)


def _follow_flags(auth: AuthOptions, trust: Trust, monitoring: AuthMonitoring, tasks: Tasks) -> None:
    """Trusts the authorities that flags name, and goes on doing so when their files change."""
    header = auth.request_header
    files = [path for path in (auth.client_ca_file, header.ca_file if header else "") if path]
    if not files:
        return

    def use() -> None:
        if header is None:
            trust.use_flags(read_files(auth.client_ca_file, ""))
            return
        headers = RemoteHeaders(
            username=tuple(name.encode() for name in header.username_headers),
            group=tuple(name.encode() for name in header.group_headers),
            extra_prefixes=tuple(name.encode() for name in header.extra_prefixes),
            uid=tuple(name.encode() for name in header.uid_headers),
        )
        trust.use_flags(read_files(auth.client_ca_file, header.ca_file, header.allowed_names, headers))

    use()
    tasks["authorities of flags"] = FileWatch(files, use, monitoring.file_changed).run


async def _client(kubeconfig: str, access: ApiAccess, stack: contextlib.AsyncExitStack) -> KubeClient:
    """A client with the credentials of a kubeconfig, or with the daemon's own."""
    if kubeconfig:
        access = await asyncio.to_thread(resolve, SourceOptions(in_cluster=False, auth=kubeconfig))
    return await stack.enter_async_context(KubeClient(access))
