"""Elasticsearch and OpenSearch: documents by the bulk API, an index a day.

In      elasticsearch:http://HOST:PORT?index=I&cluster_name=C&esUserName=U&esUserSecret=S&nodes=URL&pipeline=P&ver=V
Out     PUT of each day's index with its mapping and aliases, then bulk requests
Callers kinds.py
Source  spec/heapster-pipeline.md 7.5, signatures for AWS among it; Q22 (a bulk request that fails is tried again), Q28,
        Q29 (any index name)
Never   leaves a document twice: ids follow from what they are about
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from heapfast.clock import Clock
from heapfast.errors import SinkError
from heapfast.sinks._documents import FAMILIES, ElasticsearchWriter
from heapfast.sinks.aws import AwsKeys, AwsSigner, read_keys
from heapfast.sinks.http import HttpServer, HttpSpec, read_http
from heapfast.sinks.sink import Chunk, Secret
from heapfast.units import NS_PER_SECOND

if TYPE_CHECKING:
    from heapfast._batch import Batch
    from heapfast.sinks.sink import Chunks, SinkUri

INDEX: Final = "heapster"
CLUSTER: Final = "default"
#: Generations of the server; from 7 on documents have no types.
VERSIONS: Final = ("2", "5", "6", "7", "8", "9")
NO_TYPES_FROM: Final = 7

_NDJSON: Final = {"Content-Type": "application/x-ndjson"}
_JSON: Final = {"Content-Type": "application/json"}
#: Of an answer, only what went wrong.
_FAILURES: Final = {"filter_path": "errors,items.*.status,items.*.error.type,items.*.error.reason"}
_ANALYSED: Final = "container_base_image container_name hostname labels namespace_name nodename pod_name".split()
_WHOLE: Final = "host_id namespace_id cluster_name pod_id resource_id type".split()


class ElasticsearchSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Where Elasticsearch is, and how documents are filed.

    Attributes:
        servers: nodes of one cluster; one after the other is asked while they are away.
        index: base name of the indexes.
        cluster_name: value of the tag of that name.
        pipeline: of the server's, which documents go through; "" for none.
        version: of the server.
        aws: keys that requests are signed with; None signs none.
    """

    servers: tuple[HttpSpec, ...]
    index: str = INDEX
    cluster_name: str = CLUSTER
    pipeline: str = ""
    version: int = NO_TYPES_FROM
    aws: AwsKeys | None = None

    def build(self, executor: Executor) -> ElasticsearchSink:
        return ElasticsearchSink(self, Clock())


def read_elasticsearch(uri: SinkUri) -> ElasticsearchSpec:
    """Reads the options of one --sink=elasticsearch."""
    user, password = uri.text("esUserName"), uri.secret("esUserSecret")
    if not (user and password):
        user, password = "", Secret()
    nodes = tuple(node.rstrip("/") for node in uri.texts("nodes") if node)
    if not nodes and not uri.host:
        uri.refuse("no server", "elasticsearch:http://HOST:9200, or elasticsearch:?nodes=http://HOST:9200")
    if any(not node.startswith(("http://", "https://")) or "@" in node for node in nodes):
        uri.refuse("an option 'nodes' that cannot be used", "URLs such as http://HOST:9200, without a user")
    first = read_http(uri, nodes[0] if nodes else "http://localhost:9200", user=user, password=password)
    index = uri.text("index", INDEX)
    if not index or index != index.lower() or index[0] in "-_+" or any(c in '\\/*?"<>| ,#:' for c in index):
        uri.refuse("an option 'index' that cannot be used", "a name that Elasticsearch takes for an index")
    return ElasticsearchSpec(
        # What the URI says goes before what the environment has.
        aws=None if user else read_keys(uri, nodes[0] if nodes else first.url),
        servers=tuple(msgspec.structs.replace(first, url=node) for node in nodes) or (first,),
        index=index,
        cluster_name=uri.text("cluster_name", CLUSTER),
        pipeline=uri.text("pipeline"),
        version=int(uri.choice("ver", str(NO_TYPES_FROM), VERSIONS)),
    )


class Bulk(NamedTuple):
    """One bulk request.

    Attributes:
        sha256: of `lines`, where requests are signed; else "".
    """

    index_name: str
    lines: bytes
    sha256: str = ""


class ElasticsearchSink:
    """One cluster of Elasticsearch or OpenSearch."""

    name = "ElasticSearch Sink"

    def __init__(self, spec: ElasticsearchSpec, clock: Clock) -> None:
        self._spec = spec
        signer = AwsSigner(spec.aws, clock) if spec.aws is not None else None
        self._servers = [HttpServer(server, signer=signer) for server in spec.servers]
        self._turn = 0
        self._known_index = ""
        self.place = ",".join(server.place for server in self._servers)
        if spec.version >= NO_TYPES_FROM:
            self._types: Sequence[str] = ()
        else:
            # In 6 an index has one type of documents; before, Heapster gave each family its own.
            self._types = FAMILIES if spec.version < 6 else ("_doc",) * len(FAMILIES)

    def chunks(self, batch: Batch) -> Chunks:
        day = datetime.fromtimestamp(batch.timestamp_ns // NS_PER_SECOND, UTC)
        writer = ElasticsearchWriter(batch, self._spec.cluster_name, self._types)
        return BulkChunks(writer, f"{self._spec.index}-{day:%Y.%m.%d}", signs=self._spec.aws is not None)

    async def send(self, payload: Bulk) -> None:
        server = self._servers[self._turn % len(self._servers)]
        try:
            if payload.index_name != self._known_index:
                await self._make_index(server, payload.index_name)
                self._known_index = payload.index_name
            params = {**_FAILURES, "pipeline": self._spec.pipeline} if self._spec.pipeline else _FAILURES
            answer = await server.request(
                "POST",
                f"/{payload.index_name}/_bulk",
                payload.lines,
                headers=_NDJSON,
                params=params,
                body_sha256=payload.sha256,
            )
        except SinkError:
            self._turn += 1
            raise
        self._check(server, answer)

    async def close(self) -> None:
        for server in self._servers:
            await server.close()

    async def _make_index(self, server: HttpServer, index: str) -> None:
        body = index_body(self._spec.index, self._spec.version)
        try:
            await server.request("PUT", f"/{index}", msgspec.json.encode(body), headers=_JSON)
        except SinkError as error:
            if "already_exists_exception" not in str(error):
                raise

    def _check(self, server: HttpServer, answer: bytes) -> None:
        """Refuses an answer that says that not every document was taken."""
        try:
            told = msgspec.json.decode(answer)
            failed = [item for entry in told.get("items", ()) for item in entry.values() if item["status"] >= 300]
        except (msgspec.DecodeError, AttributeError, TypeError, KeyError) as error:
            raise SinkError(
                f"{server.place} gave an answer that is none of a bulk request", reason="protocol"
            ) from error
        if not failed:
            return
        passing = any(item["status"] == 429 or item["status"] >= 500 for item in failed)
        why = server.quote(msgspec.json.encode(failed[0].get("error", {})))
        raise SinkError(
            f"{server.place} refused {len(failed)} documents, the first for {why}",
            reason="busy" if passing else "refused",
            costs="nothing" if passing else "chunk",
            lost_samples=len(failed),
        )


class BulkChunks:
    """One batch in bulk requests."""

    def __init__(self, writer: ElasticsearchWriter, index: str, *, signs: bool) -> None:
        self._writer = writer
        self._index = index
        self._signs = signs

    def read(self) -> Chunk | None:
        chunk = self._writer.read()
        if chunk is None:
            return None
        digest = hashlib.sha256(chunk.payload).hexdigest() if self._signs else ""
        return Chunk(Bulk(self._index, chunk.payload, digest), chunk.samples)


def index_body(base: str, version: int) -> dict[str, Any]:
    """What an index is made with: how fields are kept, and the aliases that stand for all days."""
    mapping: dict[str, Any] = {"properties": _properties(version), "dynamic_templates": [_NUMBERS]}
    if version >= NO_TYPES_FROM:
        mappings = mapping
    elif version == 6:
        mappings = {"_doc": mapping}
    else:
        mappings = {"_default_": {"_all": {"enabled": False}}, **dict.fromkeys(FAMILIES, mapping)}
    return {"mappings": mappings, "aliases": {f"{base}-{family}": {} for family in FAMILIES}}


#: A value may come as 0 first and as 0.5 later.
_NUMBERS: Final = {"numbers": {"match": "value", "match_mapping_type": "*", "mapping": {"type": "double"}}}


def _properties(version: int) -> Mapping[str, Any]:
    whole: dict[str, Any] = {"type": "keyword"}
    analysed: dict[str, Any] = {"type": "text", "fields": {"raw": whole}}
    if version < 5:
        whole = {"type": "string", "index": "not_analyzed"}
        analysed = {"type": "string", "fields": {"raw": whole}}
    date = {"type": "date", "format": "strict_date_optional_time||epoch_millis"}
    tags = {**dict.fromkeys(_ANALYSED, analysed), **dict.fromkeys(_WHOLE, whole)}
    return {
        **{f"{family.capitalize()}MetricsTimestamp": date for family in FAMILIES},
        "MetricsTags": {"properties": tags},
        "MetricsName": analysed,
        "MetricsValue": {"properties": {"value": {"type": "double"}}},
    }
