"""Feeds the recorded inputs of a scenario through the real code, step by step, and asks the app in between.

In      a Scenario
Out     our answers to each vector, asked in the state the reference was in
Callers test_vectors.py
Source  README.md of the recordings

What the API server said goes through kube's decoders and the processors, what kubelets answered
through wire and Store.ingest. Only the network and the clock are missing: the clock is set to what
the recording says.
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
from prometheus_client import CollectorRegistry

from heapfast._core import Store
from heapfast.api.params import parse_query
from heapfast.api.secure_app import create_secure_app
from heapfast.api.secure_state import SecureState
from heapfast.catalog.keys import Kind
from heapfast.clock import ManualClock
from heapfast.errors import ParseError
from heapfast.kube.nodes import nodes_resource
from heapfast.kube.pods import PODS
from heapfast.processors.gate import Gate
from heapfast.processors.labels import LabelCopier
from heapfast.processors.node import NodeEnricher
from heapfast.processors.pod import PodEnricher
from heapfast.render._roster import Roster
from heapfast.store.index import PostingIndex
from heapfast.units import NS_PER_SECOND
from heapfast.wire._resource import parse_resource
from heapfast.wire._rows import Rows
from tests.conformance.metrics_server.exchange import Exchange
from tests.conformance.metrics_server.identities import Identities, certificates_of
from tests.conformance.metrics_server.recordings import Scenario
from tests.conformance.recordings import Json, nanoseconds
from tests.unit.api.client import Answer, ask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from heapfast.kube.resource import Resource

#: How a request to a kubelet ended that gave no answer at all, or none that may be believed.
_BROKEN = frozenset(("hang", "reset", "truncate", "chunked-cut", "not-http"))

#: A kubelet that is asked as two nodes; recordings name the first.
_ANSWERS_FOR = {"port-default": ("port-default", "port-zero")}


class Replay:
    """A store on its way through a scenario, and the app over it."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.clock = ManualClock()
        resolution_ns = scenario.about["resolution_s"] * NS_PER_SECOND
        self.store = Store(resolution_ns=resolution_ns)
        self.nodes, self.running = PostingIndex(), PostingIndex()
        self.rosters = {
            Kind.NODE: Roster(self.store.latest, Kind.NODE),
            Kind.POD: Roster(self.store.latest, Kind.POD),
        }
        gate, copier = Gate(), LabelCopier()
        self._resources: dict[str, tuple[Kind, Resource[Any, Any], Any]] = {
            "nodes": (Kind.NODE, nodes_resource(), NodeEnricher(self.store, self.nodes, copier, gate)),
            "pods": (Kind.POD, PODS, PodEnricher(self.store, self.running, copier, gate)),
        }
        self._rows = Rows()
        self._identities = Identities(scenario) if scenario.name == "auth" else None
        state = SecureState(
            store=self.store,
            latest=self.store.latest,
            nodes=self.nodes,
            running=self.running,
            node_roster=self.rosters[Kind.NODE],
            pod_roster=self.rosters[Kind.POD],
            clock=self.clock,
            resolution_ns=resolution_ns,
            auth=None if self._identities is None else self._identities.auth,
            # The reference is ready when it has metrics.
            needs_metrics=True,
        )
        self._app, self._monitor = create_secure_app(state)
        beta_only = replace(state, versions=("v1beta1",), registry=CollectorRegistry(auto_describe=False))
        self._beta_app = create_secure_app(beta_only).app

    async def run(self) -> AsyncIterator[Exchange]:
        """Takes every input; yields each vector with our answers."""
        for entry in self.scenario.lists:
            for item in entry["items"]:
                self._change(entry["resource"], "ADDED", item)
        for step in self.scenario.steps:
            for entry in step.answers:
                self._answer(entry, nanoseconds(entry["at"]))
            for vector in step.vectors:
                yield await self._exchange(vector)
            for entry in step.events:
                if entry["resource"] == "configmaps" and self._identities is not None:
                    self._identities.use(entry["object"]["data"])
                else:
                    self._change(entry["resource"], entry["type"], entry["object"])
            for vector in step.late_vectors:
                # By now the kubelets have repeated themselves.
                for entry in step.answers if step is self.scenario.steps[-1] else ():
                    self._answer(entry, nanoseconds(vector["now"]))
                yield await self._exchange(vector)

    def _change(self, name: str, type_: str, thing: Json) -> None:
        kind, resource, enricher = self._resources[name]
        plain = resource.decode(msgspec.json.encode(thing))
        names = plain.key.split("/")
        if type_ == "DELETED":
            self.rosters[kind].remove(self.store.find(kind, *names))
            enricher.delete(plain.key)
        else:
            enricher.upsert(plain)
            self.rosters[kind].put(self.store.find(kind, *names), plain.labels)

    def _answer(self, entry: Json, at_ns: int) -> None:
        """One answer of one kubelet; a node that gives none keeps what it had."""
        is_good = entry.get("mode") not in _BROKEN and entry.get("status") == 200
        if is_good:
            try:
                parse_resource(_body(entry), self._rows, at_ns)
            except ParseError:
                is_good = False
            else:
                for name in _ANSWERS_FOR.get(entry["node"], (entry["node"],)):
                    self.store.ingest(self._rows, self.store.find(Kind.NODE, name), at_ns)
        self._monitor.observe_request(entry["node"], at_ns, 0.01, is_success=is_good)

    async def _exchange(self, vector: Json) -> Exchange:
        answer = await self._ask(self._app, vector)
        beta_only = await self._ask(self._beta_app, vector)
        return Exchange(self.scenario, vector, answer, beta_only, await self._whole(vector, answer))

    async def _whole(self, vector: Json, page: Answer) -> Answer | None:
        """All pages of a list that has more than one."""
        value = _page(page)
        if value is None:
            return None
        items = value["items"]
        asked = vector["request"]["path"]
        limit = int(parse_query(asked.partition("?")[2].encode())["limit"])
        token = value["metadata"]["continue"]
        while token:
            assert len(value["items"]) <= limit
            value = json.loads((await ask(self._app, f"{asked}&continue={token}")).body)
            items += value["items"]
            token = value["metadata"].get("continue")
        body = json.dumps(value | {"metadata": {}, "items": items}, separators=(",", ":")).encode()
        return Answer(page.status, page.headers, body, page.n_messages)

    async def _ask(self, app: Any, vector: Json) -> Answer:
        self.clock.set_ns(nanoseconds(vector["now"]))
        if self._identities is not None:
            self._identities.set_ns(self.clock.now_ns())
        request = vector["request"]
        path = request["path"]
        headers = [(name, value) for name, value in request["headers"]]
        if "@HASH@" in path:
            path = path.replace("@HASH@", await self._hash_of(app, path.partition("?")[0]))
        if any("@ETAG@" in value for _, value in headers):
            plain = [header for header in headers if "@ETAG@" not in header[1]]
            etag = (await ask(app, path, request["method"], tuple(plain))).headers.get("etag", "")
            headers = [(name, value.replace("@ETAG@", etag)) for name, value in headers]
        return await ask(app, path, request["method"], tuple(headers), certificates=certificates_of(vector))

    async def _hash_of(self, app: Any, path: str) -> str:
        index = json.loads((await ask(app, "/openapi/v3")).body)
        url: str = index["paths"][path.removeprefix("/openapi/v3/")]["serverRelativeURL"]
        return url.partition("hash=")[2]


def _page(answer: Answer) -> Json | None:
    """A list that says there is more of it."""
    if answer.headers.get("content-type") != "application/json" or b'"metadata":{"continue":' not in answer.body:
        return None
    value: Json = json.loads(answer.body)
    return value


def _body(entry: Json) -> bytes:
    return base64.b64decode(entry["body_base64"]) if "body_base64" in entry else entry["body"].encode()
