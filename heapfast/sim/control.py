"""/sim/...: a look behind the scenes, and the switches.

    GET    /sim/state                                      sizes, versions, what kubelets answered
    GET    /sim/expected?node=N | namespace=S&pod=P [&at=MS]   what a daemon must answer
    GET    /sim/faults     POST {"faults": ["node-0003=hang"]}     DELETE ?target=node-0003
    POST   /sim/churn      {"per_minute": 60}
    POST   /sim/replace    {"namespace": S, "name": P}     one pod now
    POST   /sim/nodes      {"name": N, "ready": false, "unschedulable": true}
    POST   /sim/compact    forget events: watches from before get 410

In      requests below /sim/
Out     JSON
Callers apiserver.py
Never   is part of Kubernetes: nothing but demos, tests and bench may use it
"""

from __future__ import annotations

import time
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from heapfast.clock import Clock
from heapfast.errors import ConfigError, QueryError
from heapfast.sim.churn import Churn
from heapfast.sim.cluster import Cluster
from heapfast.sim.faults import Faults, parse_fault
from heapfast.sim.kubelet import KubeletServer
from heapfast.sim.statuses import status_response

T = TypeVar("T")


class FaultsRequest(msgspec.Struct):
    faults: list[str]


class ChurnRequest(msgspec.Struct):
    per_minute: float


class ReplaceRequest(msgspec.Struct):
    namespace: str
    name: str


class NodeRequest(msgspec.Struct):
    name: str
    ready: bool | None = None
    unschedulable: bool | None = None


class Control:
    """The handlers. They share the loop with everything they switch, so each is one step."""

    def __init__(self, cluster: Cluster, churn: Churn, faults: Faults, kubelets: KubeletServer, clock: Clock) -> None:
        self._cluster = cluster
        self._churn = churn
        self._faults = faults
        self._kubelets = kubelets
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/sim/state", self.state),
            web.get("/sim/expected", self.expected),
            web.get("/sim/faults", self.list_faults),
            web.post("/sim/faults", self.set_faults),
            web.delete("/sim/faults", self.clear_faults),
            web.post("/sim/churn", self.set_churn),
            web.post("/sim/replace", self.replace),
            web.post("/sim/nodes", self.set_node),
            web.post("/sim/compact", self.compact),
        ]

    async def state(self, request: web.Request) -> web.Response:
        return _json(
            {
                "seed": self._cluster.seed,
                "now_ms": self._now_ms(),
                "nodes": len(self._cluster.nodes),
                "pods": len(self._cluster.pods),
                "namespaces": len(self._cluster.namespaces),
                "resource_version": self._cluster.pods.newest_version,
                "sampling_ms": self._cluster.sampling_ms,
                "churn": {"per_minute": self._churn.per_minute, "replaced_total": self._churn.replaced_total},
                "kubelets": {
                    "port": self._kubelets.port,
                    "connections": len(self._kubelets.connections),
                    "answered": dict(self._kubelets.answered),
                },
                "faults": len(self._faults.describe()),
                "cpu_seconds": time.process_time(),
            }
        )

    async def expected(self, request: web.Request) -> web.Response:
        query = request.query
        at_text = query.get("at", "")
        if at_text and not at_text.isdigit():
            raise QueryError(f"at: got {at_text!r}, want Unix milliseconds")
        at_ms = int(at_text) if at_text else self._now_ms()
        try:
            if "node" in query:
                return _json(self._cluster.expected_node(query["node"], at_ms))
            if "namespace" in query and "pod" in query:
                return _json(self._cluster.expected_pod(query["namespace"], query["pod"], at_ms))
        except KeyError as error:
            return status_response(404, f"{error.args[0]} is not there")
        raise QueryError("want node=, or namespace= and pod=")

    async def list_faults(self, request: web.Request) -> web.Response:
        return _json(self._faults.describe())

    async def set_faults(self, request: web.Request) -> web.Response:
        wanted = await _decode(request, FaultsRequest)
        try:
            specs = [parse_fault(text) for text in wanted.faults]
        except ConfigError as error:
            raise QueryError(str(error)) from error
        return _json({spec.target: self._faults.set(spec, self._now_ms()) for spec in specs})

    async def clear_faults(self, request: web.Request) -> web.Response:
        target = request.query.get("target", "*")
        try:
            return _json({target: self._faults.clear(target)})
        except ConfigError as error:
            raise QueryError(str(error)) from error

    async def set_churn(self, request: web.Request) -> web.Response:
        wanted = await _decode(request, ChurnRequest)
        try:
            self._churn.set_rate(wanted.per_minute, self._now_ms())
        except ValueError as error:
            raise QueryError(str(error)) from error
        return _json({"per_minute": self._churn.per_minute})

    async def replace(self, request: web.Request) -> web.Response:
        wanted = await _decode(request, ReplaceRequest)
        key = f"{wanted.namespace}/{wanted.name}"
        try:
            pod = self._churn.replace(key, self._now_ms())
        except KeyError:
            return status_response(404, f"{key} is not there")
        return _json({"name": pod.name, "uid": self._cluster.pod_uid(pod), "node": pod.node.name})

    async def set_node(self, request: web.Request) -> web.Response:
        wanted = await _decode(request, NodeRequest)
        try:
            node = self._cluster.set_node(wanted.name, ready=wanted.ready, unschedulable=wanted.unschedulable)
        except KeyError:
            return status_response(404, f"{wanted.name} is not there")
        return _json({"name": node.name, "ready": node.ready, "unschedulable": node.unschedulable})

    async def compact(self, request: web.Request) -> web.Response:
        for registry in (self._cluster.nodes, self._cluster.namespaces, self._cluster.pods):
            registry.compact()
        return _json({"compacted": self._cluster.pods.compacted_version})

    def _now_ms(self) -> int:
        return self._clock.now_ns() // 1_000_000


async def _decode(request: web.Request, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except msgspec.DecodeError as error:
        raise QueryError(f"cannot read the body: {error}") from error


def _json(value: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")
