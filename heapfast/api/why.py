"""`/debug/why`: for one node or pod, exactly why it has no metrics.

In      names from the path
Out     indented JSON: a verdict, what will mend it, and the facts that it rests on; always 200, also for unknown names
Callers routes.py and secure_routes.py, for both ports
Source  ours; the reasoning: query/why.py
Never   shows credentials: whoever fills `targets` leaves them out
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import falcon.asgi

from heapfast._core import Store
from heapfast.api.request import Request
from heapfast.api.responders import JSON, put_plain
from heapfast.api.targets import Targets
from heapfast.catalog.keys import Kind
from heapfast.clock import Clock
from heapfast.query.usage import UsageStatus
from heapfast.query.why import (
    NodeFacts,
    PodFacts,
    ScrapeFacts,
    UsageFacts,
    Verdict,
    explain_node,
    explain_pod,
    explain_status,
)
from heapfast.render.layout import indented
from heapfast.store.index import PostingIndex, Postings
from heapfast.store.requirement import Selector
from heapfast.units import NS_PER_SECOND


class Route(NamedTuple):
    """One route below WHY_PREFIX, and the method of Why that answers it."""

    path: str
    handler: str


WHY_PREFIX = "/debug/why"
WHY = (
    Route("/nodes/{name}", "node"),
    Route("/namespaces/{namespace}/pods/{name}", "pod"),
)


class WhyState(Protocol):
    """What is looked at; State and SecureState have it, and explain it."""

    @property
    def store(self) -> Store: ...
    @property
    def nodes(self) -> PostingIndex: ...
    @property
    def running(self) -> Postings: ...
    @property
    def node_selector(self) -> Selector: ...
    @property
    def targets(self) -> Targets: ...
    @property
    def clock(self) -> Clock: ...


class Why:
    """Responders below `/debug/why`."""

    def __init__(self, state: WhyState) -> None:
        self._state = state
        self._store = state.store

    async def node(self, req: Request, resp: falcon.asgi.Response, name: str) -> None:
        target = self._target(name)
        facts = self._node_facts(name, target)
        _put(resp, {"node": name}, explain_node(facts), _node_json(facts, target))

    async def pod(self, req: Request, resp: falcon.asgi.Response, namespace: str, name: str) -> None:
        slot = self._store.find(Kind.POD, namespace, name)
        is_running = slot >= 0 and slot in self._state.running
        node_name = self._state.running.node_of(slot) if is_running else ""
        target = self._target(node_name)
        facts = PodFacts(
            is_known=slot >= 0 and self._store.is_known(Kind.POD, slot),
            is_running=is_running,
            node=self._node_facts(node_name, target) if node_name else None,
            usage=self._usage(Kind.POD, slot),
        )
        node = facts.node and {"name": facts.node.name, **_node_json(facts.node, target)}
        more = {
            "is_known": facts.is_known,
            "is_running": facts.is_running,
            "usage": _usage_json(facts.usage),
            "node": node,
        }
        _put(resp, {"namespace": namespace, "pod": name}, explain_pod(facts), more)

    def _node_facts(self, name: str, target: Mapping[str, Any] | None) -> NodeFacts:
        slot = self._store.find(Kind.NODE, name)
        # The store knows nodes by their hostnames, too; metrics.k8s.io does not.
        is_known = slot in self._state.nodes and self._store.name(Kind.NODE, slot) == name
        return NodeFacts(
            name=name,
            is_known=is_known,
            is_selected=is_known and slot in self._state.nodes.select(self._state.node_selector),
            scrape=self._scrape_facts(target),
            usage=self._usage(Kind.NODE, slot if is_known else -1),
        )

    def _usage(self, kind: Kind, slot: int) -> UsageFacts:
        if slot < 0:
            return UsageFacts(status=UsageStatus.NONE)
        latest, now_ns = self._store.latest, self._state.clock.now_ns()
        status, _cpu, _memory, time_ns, window_ns = (
            latest.node_sample(slot, now_ns) if kind is Kind.NODE else latest.pod_sample(slot, now_ns)[:5]
        )
        if status != UsageStatus.OK:
            return UsageFacts(status=UsageStatus(status))
        return UsageFacts(
            status=UsageStatus.OK,
            age_seconds=(now_ns - time_ns) / NS_PER_SECOND,
            window_seconds=window_ns / NS_PER_SECOND,
        )

    def _target(self, node: str) -> Mapping[str, Any] | None:
        return next(iter(self._state.targets(node)), None)

    def _scrape_facts(self, target: Mapping[str, Any] | None) -> ScrapeFacts | None:
        if target is None:
            return None
        last_good_ns = target.get("last_good_ns", 0)
        age_seconds = (self._state.clock.now_ns() - last_good_ns) / NS_PER_SECOND if last_good_ns else None
        return ScrapeFacts(
            address=target.get("address", ""),
            outcome=target["outcome"],
            error=target["error"],
            last_good_age_seconds=age_seconds,
        )


def _node_json(facts: NodeFacts, target: Mapping[str, Any] | None) -> dict[str, Any]:
    age_seconds = facts.scrape and facts.scrape.last_good_age_seconds
    return {
        "is_known": facts.is_known,
        "is_selected": facts.is_selected,
        "usage": _usage_json(facts.usage),
        "target": target and {**target, "last_good_age_seconds": age_seconds},
    }


def _usage_json(facts: UsageFacts) -> dict[str, Any]:
    meaning, remedy = explain_status(facts.status)
    described: dict[str, Any] = {"status": facts.status.name, "meaning": meaning, "remedy": remedy}
    if facts.status is UsageStatus.OK:
        described |= {"age_seconds": facts.age_seconds, "window_seconds": facts.window_seconds}
    return described


def _put(resp: falcon.asgi.Response, names: dict[str, str], verdict: Verdict, facts: dict[str, Any]) -> None:
    told = {**names, "verdict": verdict.sentence, "remedy": verdict.remedy, "facts": facts}
    put_plain(resp, 200, indented(told), content_type=JSON)
