"""Feeds the recorded inputs of a scenario through the real code, in the order of their times.

In      a Scenario, and a store
Out     the store as the reference's was after its last batch; the sets of every batch
Callers the tests of this folder
Source  README.md of the recordings

What the API server said goes through kube's decoders and the processors, what kubelets answered
through the sources and the parsers of wire. Only the network and the clock are missing: each input is taken at
the time it was recorded at, each batch closes when the reference's did.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from heapfast.catalog.keys import Kind
from heapfast.config.build import build_options
from heapfast.errors import ParseError
from heapfast.kube.namespaces import NAMESPACES
from heapfast.kube.nodes import nodes_resource
from heapfast.kube.pods import PODS
from heapfast.processors.gate import Gate
from heapfast.processors.labels import LabelCopier
from heapfast.processors.namespace import NamespaceEnricher
from heapfast.processors.node import NodeEnricher
from heapfast.processors.pod import PodEnricher
from heapfast.scrape.sources.cadvisor import Cadvisor
from heapfast.scrape.sources.kubelet_summary import KubeletSummary
from heapfast.store.index import PostingIndex
from tests.conformance.heapster.recordings import Scenario
from tests.conformance.recordings import Json, nanoseconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heapfast.config.options import Options
    from heapfast.kube.resource import Resource
    from heapfast.scrape.sources.source import Source
    from tests.unit.store.engines import Compiled, Engine, Naive, Sets

_SOURCE = {"summary": "kubernetes.summary_api", "cadvisor": "kubernetes"}

#: The adapter of each source.
ADAPTERS: dict[str, Source] = {"summary": KubeletSummary(), "cadvisor": Cadvisor()}

#: Within one instant: changes of objects, then answers, then the batch that holds them.
_OBJECT, _ANSWER, _CLOSE = range(3)


def options_of(scenario: Scenario) -> Options:
    """What the daemon's command line makes of the reference's flags."""
    source = f"--source={_SOURCE[scenario.about['source']]}:http://127.0.0.1:8080?inClusterConfig=false"
    return build_options([source, *scenario.flags], {})


class Replay:
    """A store on its way through a scenario."""

    def __init__(self, scenario: Scenario, new_engine: type[Naive] | type[Compiled]) -> None:
        self.scenario = scenario
        self.options = options_of(scenario)
        self.engine: Engine = new_engine(schedulable=scenario.about["source"] == "cadvisor")
        self.pods, self.nodes = PostingIndex(), PostingIndex()
        copier = LabelCopier(self.options.labels.separator, self.options.labels.ignored, self.options.labels.stored)
        gate = Gate()
        store = self.engine.store
        self._resources: dict[str, tuple[Resource[Any, Any], Any]] = {
            "nodes": (nodes_resource(), NodeEnricher(store, self.nodes, copier, gate)),
            "pods": (PODS, PodEnricher(store, self.pods, copier, gate)),
            "namespaces": (NAMESPACES, NamespaceEnricher(store, gate)),
        }
        self._adapter = ADAPTERS[self.options.source.kind]
        self._rows = self._adapter.new_rows()

    def take_lists(self) -> None:
        """Takes what the API server listed at first; what requests before the first batch saw."""
        for entry in self.scenario.inputs:
            if entry["kind"] == "list":
                for item in entry["items"]:
                    self._change(entry["path"].rpartition("/")[2], "ADDED", item)

    def run(self) -> Iterator[Sets]:
        """Takes everything else; yields the sets of each batch as it closes."""
        for _, order, entry in sorted(self._events(), key=lambda event: event[:2]):
            if order == _OBJECT:
                self._change(entry["resource"], entry["type"], entry["object"])
            elif order == _ANSWER:
                self._answer(entry)
            else:
                yield self.engine.tick(entry["timestamp_ns"], entry["closed_ns"])

    def _events(self) -> Iterator[tuple[int, int, Json]]:
        for entry in self.scenario.inputs:
            at_ns = nanoseconds(entry["at"])
            if entry["kind"] == "watch-event":
                yield at_ns, _OBJECT, entry
            elif entry["kind"] == "kubelet":
                assert at_ns < self.scenario.batches[entry["batch"]].closed_ns
                yield at_ns, _ANSWER, entry
        for batch in self.scenario.batches:
            yield batch.closed_ns, _CLOSE, {"timestamp_ns": batch.timestamp_ns, "closed_ns": batch.closed_ns}

    def _change(self, name: str, type_: str, thing: Json) -> None:
        resource, enricher = self._resources[name]
        plain = resource.decode(msgspec.json.encode(thing))
        if type_ == "DELETED":
            enricher.delete(plain.key)
        else:
            enricher.upsert(plain)

    def _answer(self, entry: Json) -> None:
        """One answer of one kubelet; silence and errors leave the node out of the batch."""
        if entry.get("hang") or entry["status"] != 200:
            return
        try:
            self._adapter.parse(entry["body"].encode(), self._rows, nanoseconds(entry["at"]))
        except ParseError:
            return
        node = self.engine.store.find(Kind.NODE, entry["node"])
        self.engine.ingest_answer(self._rows, node, nanoseconds(entry["at"]))
