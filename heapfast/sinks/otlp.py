"""OTLP: metrics by HTTP, in protobuf, as every collector of OpenTelemetry takes them.

In      otlp:http://HOST:4318?token=T&header=NAME:VALUE&prefix=P&cluster_name=C&compression=C
Out     POST /v1/metrics
Callers kinds.py
Source  the OpenTelemetry protocol: https://opentelemetry.io/docs/specs/otlp/
Never   tries again what the protocol says shall not be: only 429, 502, 503 and 504 are
"""

from __future__ import annotations

import zlib
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Final

import msgspec

from heapfast import __version__
from heapfast.catalog.keys import Kind
from heapfast.catalog.metrics import BY_NAME
from heapfast.errors import SinkError
from heapfast.sinks._otlp import OtlpWriter
from heapfast.sinks.http import HttpServer, HttpSpec, read_http
from heapfast.sinks.protobuf import field, iter_fields
from heapfast.sinks.sink import Chunk, Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heapfast._batch import Batch
    from heapfast.sinks.sink import Chunks, SinkUri

URL: Final = "http://localhost:4318"
PATH: Final = "/v1/metrics"
PREFIX: Final = "heapfast."
PASSING: Final = frozenset((429, 502, 503, 504))
#: What collectors take by default is 4 MiB and more, unpacked.
REQUEST_BYTES: Final = 1 << 20
#: Level 1 packs these tenfold; more costs more than it saves.
GZIP_LEVEL: Final = 1
_GZIP_WINDOW: Final = 31

#: Kinds as parts of names; a sum over pods must never count the pods' containers, too.
KIND_NAMES: Final = {
    Kind.CLUSTER: "cluster",
    Kind.NAMESPACE: "namespace",
    Kind.NODE: "node",
    Kind.POD: "pod",
    Kind.POD_CONTAINER: "container",
    Kind.SYS_CONTAINER: "system_container",
}

_MILLICORES: Final = frozenset("cpu/request cpu/limit cpu/usage_rate cpu/node_capacity cpu/node_allocatable".split())


class OtlpSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Where the collector is.

    Attributes:
        prefix: of every metric's name.
        cluster_name: attribute k8s.cluster.name of every resource; "" for none.
        compresses: bodies are gzip.
    """

    server: HttpSpec
    prefix: str = PREFIX
    cluster_name: str = ""
    compresses: bool = True

    def build(self, executor: Executor) -> OtlpSink:
        return OtlpSink(self)


def read_otlp(uri: SinkUri) -> OtlpSpec:
    """Reads the options of one --sink=otlp."""
    headers: list[tuple[str, Secret]] = []
    for text in uri.texts("header"):
        name, colon, value = text.partition(":")
        if not colon or not name.strip().isascii() or not name.strip() or not value.isprintable():
            uri.refuse("an option 'header' that cannot be used", "NAME:VALUE")
            break
        headers.append((name.strip(), Secret(value.strip())))
    if token := uri.secret("token"):
        headers.append(("Authorization", Secret(f"Bearer {token.reveal()}")))
    return OtlpSpec(
        server=read_http(uri, URL, headers=tuple(headers)),
        prefix=uri.text("prefix", PREFIX),
        cluster_name=uri.text("cluster_name"),
        compresses=uri.choice("compression", "gzip", ("gzip", "none")) == "gzip",
    )


class OtlpSink:
    """One collector, or a service that takes OTLP."""

    name = "OTLP Sink"

    def __init__(self, spec: OtlpSpec) -> None:
        self._spec = spec
        self._server = HttpServer(spec.server, passing=PASSING)
        self._path = "" if spec.server.url.endswith(PATH) else PATH
        self.place = self._server.place
        self._headers = {"Content-Type": "application/x-protobuf"}
        if spec.compresses:
            self._headers["Content-Encoding"] = "gzip"

    def chunks(self, batch: Batch) -> Chunks:
        spec = self._spec
        attributes = [("k8s.cluster.name", spec.cluster_name)] if spec.cluster_name else []
        writer = OtlpWriter(batch, lambda name: describe(name, spec.prefix), scope_message(), attributes)
        return OtlpChunks(writer, compresses=spec.compresses)

    async def send(self, payload: bytes) -> None:
        answer = await self._server.request("POST", self._path, payload, headers=self._headers)
        rejected, why = parse_partial_success(answer)
        if rejected:
            raise SinkError(
                f"{self.place} rejected {rejected} samples: {self._server.quote(why) or 'no reason given'}",
                reason="rejected",
                costs="chunk",
                lost_samples=rejected,
            )

    async def close(self) -> None:
        await self._server.close()


class OtlpChunks:
    """One batch in requests."""

    def __init__(self, writer: OtlpWriter, *, compresses: bool) -> None:
        self._writer = writer
        self._compresses = compresses

    def read(self) -> Chunk | None:
        chunk = self._writer.read(at_least_bytes=REQUEST_BYTES)
        if chunk is None or not self._compresses:
            return chunk
        return Chunk(zlib.compress(chunk.payload, GZIP_LEVEL, _GZIP_WINDOW), chunk.samples)


def describe(name: str, prefix: str) -> tuple[list[bytes], bool]:
    """A metric's name and unit in protobuf, for each kind; and whether it is a sum that only grows."""
    known = BY_NAME.get(name)
    wire = name.replace("/", ".")
    unit = field(3, unit_of(name).encode()) if known else b""
    heads = [field(1, f"{prefix}{KIND_NAMES[kind]}.{wire}".encode()) + unit for kind in KIND_NAMES]
    return heads, known is not None and known.type == "cumulative"


def unit_of(name: str) -> str:
    """The unit of a metric of the catalogue, in UCUM as OpenTelemetry writes it."""
    if name in _MILLICORES:
        return "m{cpu}"
    base = name.removesuffix("_rate")
    per = "" if base == name else "/s"
    if name.endswith(("_utilization", "_reservation")):
        return "1"
    if name == "accelerator/duty_cycle":
        return "%"
    for ending, unit in _UNITS.items():
        if base.endswith(ending):
            return f"{unit}{per}"
    return {"bytes": "By", "ms": "ms", "ns": "ns"}.get(BY_NAME[base].unit, "1") + per


#: By the ending of a name without `_rate`.
_UNITS: Final[Mapping[str, str]] = {
    "inodes": "{inode}",
    "inodes_free": "{inode}",
    "page_faults": "{fault}",
    "_errors": "{error}",
    "restart_count": "{restart}",
    "memory/node_capacity": "By",
    "memory/node_allocatable": "By",
}


def scope_message() -> bytes:
    """InstrumentationScope: who measured."""
    return field(1, field(1, b"heapfast") + field(2, __version__.encode()))


def parse_partial_success(answer: bytes) -> tuple[int, bytes]:
    """How many samples an ExportMetricsServiceResponse says were rejected, and why; what is none says nothing."""
    rejected, why = 0, b""
    try:
        partial = next((value for number, value in iter_fields(answer) if number == 1), b"")
        for number, value in iter_fields(partial if isinstance(partial, bytes) else b""):
            if number == 1 and isinstance(value, int):
                rejected = value
            elif number == 2 and isinstance(value, bytes):
                why = value
    except ValueError:
        return 0, b""
    return rejected, why
