"""Prometheus' remote write: to Prometheus, VictoriaMetrics, Mimir, Thanos, and whatever else speaks it.

In      prometheus:http://HOST:PORT/PREFIX?writepath=P&queryurl=U&user=U&pw=P&token=T&tenant=T&tenantheader=H&cafile=F
        &certfile=F&keyfile=F&insecuressl=B&cluster_name=C&label=NAME:VALUE&concurrency=N
Out     compressed write requests; the backend of history
Callers kinds.py
Source  Prometheus' remote write specification 1.0; docs/prometheus.md
Never   sends a sample that is older than one it has sent, but for repeating a request that was not answered

A batch has one sample a series, batches go out in their order, and a request that fails is tried again before the next
one: so samples arrive in order, and what arrives twice is the same twice.
"""

from __future__ import annotations

import re
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import msgspec

from heapfast.catalog.prometheus_names import ENTITY_LABELS
from heapfast.history.prometheus import SHARD_LABEL, PrometheusHistory
from heapfast.history.prometheus_server import PrometheusAddress, PrometheusServer
from heapfast.history.server import ServerFailure
from heapfast.sinks._prometheus import RemoteWriter
from heapfast.sinks.sink import Secret
from heapfast.sinks.stores import GroupedChunks, send_all, sink_error, tls_context

if TYPE_CHECKING:
    from heapfast._batch import Batch
    from heapfast.clock import Clock
    from heapfast.sinks.sink import Chunks, SinkUri

WRITE_PATH: Final = "/api/v1/write"
TENANT_HEADER: Final = "X-Scope-OrgID"
CLUSTER_LABEL: Final = "cluster"
#: About 2 MB before they are compressed.
SAMPLES_IN_ONE_REQUEST: Final = 10_000
MAX_LABELS: Final = 32

_LABEL_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
#: Labels that say whose a sample is, which nothing may overrule.
_TAKEN: Final = frozenset(
    (
        *(label for labels in ENTITY_LABELS.values() for label in labels),
        "resource_id",
        "make",
        "model",
        "accelerator_id",
        "__name__",
        SHARD_LABEL,
    )
)


class PrometheusSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One server, or one tenant of it, as a --sink describes it.

    Attributes:
        url: what stands before /api/v1 where samples are written; no slash at the end.
        write_path: behind `url`.
        query_url: what stands before /api/v1 where history is asked for.
        tenant: value of `tenant_header`; "" sends none.
        labels: of every series, in order.
        concurrency: so many requests go on at a time.
        shard: "i/n" of a replica that has a share of the nodes; "" for the only one.
    """

    url: str
    write_path: str = WRITE_PATH
    query_url: str
    user: str = ""
    password: Secret = Secret()
    token: Secret = Secret()
    tenant: str = ""
    tenant_header: str = TENANT_HEADER
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    insecure: bool = False
    labels: tuple[tuple[str, str], ...] = ()
    concurrency: int = 1
    shard: str = ""

    def build(self, executor: Executor) -> PrometheusSink:
        return PrometheusSink(self)

    def build_history(self, clock: Clock) -> PrometheusHistory:
        """Makes the backend that reads what this sink has written."""
        return PrometheusHistory(self.server(self.query_url), labels=dict(self.labels), clock=clock)

    def server(self, url: str) -> PrometheusServer:
        headers = []
        if self.tenant:
            headers.append((self.tenant_header, self.tenant))
        if self.token:
            headers.append(("Authorization", f"Bearer {self.token.reveal()}"))
        address = PrometheusAddress(url, tuple(headers), self.user, self.password.reveal())
        context = None
        if url.startswith("https:"):
            context = tls_context(
                insecure=self.insecure, ca_file=self.ca_file, cert_file=self.cert_file, key_file=self.key_file
            )
        return PrometheusServer(address, context)


def read_prometheus(uri: SinkUri) -> PrometheusSpec:
    """Reads the options of one --sink=prometheus."""
    url = f"{uri.scheme}://{uri.host}{uri.path}".rstrip("/")
    if uri.scheme not in ("http", "https") or not uri.host:
        uri.refuse("no URL of a server", "prometheus:http://HOST:PORT or prometheus:https://HOST:PORT")
        url = "http://localhost:9090"
    query_url = uri.text("queryurl", url).rstrip("/")
    if not _is_url(query_url):
        uri.refuse("an option 'queryurl' that cannot be read", "a URL such as http://HOST:PORT/PREFIX")
        query_url = url
    write_path = uri.text("writepath", WRITE_PATH)
    if not write_path.startswith("/"):
        uri.refuse("an option 'writepath' that cannot be read", f"a path such as {WRITE_PATH}")
    user, password, token = uri.text("user"), uri.secret("pw"), uri.secret("token")
    if user and token:
        uri.refuse("both 'user' and 'token'", "one of them")
    for name, secret in (("pw", password), ("token", token)):
        if not secret.reveal().isprintable():
            uri.refuse(f"an option {name!r} with control characters", "a secret without")
            token = Secret()
    tenant, tenant_header = uri.text("tenant"), uri.text("tenantheader", TENANT_HEADER)
    if not _HEADER_NAME.fullmatch(tenant_header) or not tenant.isprintable():
        uri.refuse("an option 'tenant' or 'tenantheader' that is no header", "a header's name and value")
        tenant, tenant_header = "", TENANT_HEADER
    cert_file, key_file = uri.text("certfile"), uri.text("keyfile")
    if bool(cert_file) != bool(key_file):
        uri.refuse("one of 'certfile' and 'keyfile'", "both of them")
    return PrometheusSpec(
        url=url,
        write_path=write_path,
        query_url=query_url,
        user=user,
        password=password,
        token=token,
        tenant=tenant,
        tenant_header=tenant_header,
        ca_file=uri.text("cafile"),
        cert_file=cert_file,
        key_file=key_file,
        insecure=uri.switch("insecuressl", False),
        labels=_read_labels(uri),
        concurrency=uri.integer("concurrency", 1, least=1),
        shard=uri.shard,
    )


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _read_labels(uri: SinkUri) -> tuple[tuple[str, str], ...]:
    labels: dict[str, str] = {}
    if cluster := uri.text("cluster_name"):
        labels[CLUSTER_LABEL] = cluster
    for text in uri.texts("label"):
        name, _, value = text.partition(":")
        if not _LABEL_NAME.fullmatch(name) or name in _TAKEN or name in labels or not value:
            uri.refuse(
                f"the label {name!r}", "NAME:VALUE, each name once and none that says whose a sample is, such as node"
            )
        else:
            labels[name] = value
    if len(labels) > MAX_LABELS:
        uri.refuse(f"{len(labels)} labels", f"{MAX_LABELS} at the most")
        return ()
    return tuple(sorted(labels.items()))


class PrometheusSink:
    """One server that takes remote writes."""

    name = "Prometheus Sink"

    def __init__(self, spec: PrometheusSpec) -> None:
        self._spec = spec
        self._server = spec.server(spec.url)
        self.place = f"{spec.url}{spec.write_path}"

    def chunks(self, batch: Batch) -> Chunks:
        writer = RemoteWriter(batch, labels=self._spec.labels, shard=self._spec.shard)
        return GroupedChunks(writer, samples=SAMPLES_IN_ONE_REQUEST, bodies=self._spec.concurrency)

    async def send(self, payload: Any) -> None:
        await send_all(payload, self._write)

    async def close(self) -> None:
        await self._server.close()

    async def _write(self, body: bytes) -> None:
        try:
            await self._server.write(self._spec.write_path, body)
        except ServerFailure as failure:
            raise sink_error(failure) from failure
