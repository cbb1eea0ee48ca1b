"""OpenTSDB: points by HTTP.

In      opentsdb:http://HOST:PORT?cluster=C
Out     POST /api/put, one request after the other
Callers kinds.py
Source  spec/heapster-pipeline.md 7.4; Q13: labelled metrics too
Never   gives up a batch for one point that OpenTSDB does not want
"""

from __future__ import annotations

from concurrent.futures import Executor
from typing import TYPE_CHECKING, Final

import msgspec

from heapfast.sinks._documents import OpentsdbWriter
from heapfast.sinks.http import HttpServer, HttpSpec, read_http

if TYPE_CHECKING:
    from heapfast._batch import Batch
    from heapfast.sinks.sink import Chunks, SinkUri

URL: Final = "http://127.0.0.1:4242"
CLUSTER: Final = "k8s-cluster"
HEADERS: Final = {"Content-Type": "application/json; charset=UTF-8"}


class OpentsdbSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Where OpenTSDB is.

    Attributes:
        cluster: value of the tag of that name.
    """

    server: HttpSpec
    cluster: str = CLUSTER

    def build(self, executor: Executor) -> OpentsdbSink:
        return OpentsdbSink(self)


def read_opentsdb(uri: SinkUri) -> OpentsdbSpec:
    """Reads the options of one --sink=opentsdb."""
    return OpentsdbSpec(server=read_http(uri, URL), cluster=uri.text("cluster", CLUSTER))


class OpentsdbSink:
    """One OpenTSDB."""

    name = "OpenTSDB Sink"

    def __init__(self, spec: OpentsdbSpec) -> None:
        self._server = HttpServer(spec.server)
        self._cluster = spec.cluster
        self.place = self._server.place

    def chunks(self, batch: Batch) -> Chunks:
        return OpentsdbWriter(batch, self._cluster)

    async def send(self, payload: list[bytes]) -> None:
        for body in payload:
            await self._server.request("POST", "/api/put", body, headers=HEADERS)

    async def close(self) -> None:
        await self._server.close()
