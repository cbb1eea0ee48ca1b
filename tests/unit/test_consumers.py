"""What becomes of the API server's objects: who is told, and which nodes are scraped."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any, cast

import pytest

from heapfast.consumers import Consumer, NodeConsumer
from heapfast.places import heapster_place


class FakeScraper:
    """Notes the nodes that it is to ask."""

    def __init__(self) -> None:
        self.put_nodes: dict[str, tuple[str, str]] = {}

    def put(self, name: str, *, hostname: str, ip: str, port: int | None, path: str) -> None:
        self.put_nodes[name] = (hostname, ip)

    def remove(self, name: str) -> None:
        self.put_nodes.pop(name, None)


class Enricher:
    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []

    def upsert(self, item: Any) -> None:
        self.calls.append(("upsert", item.name))

    def delete(self, key: str) -> None:
        self.calls.append(("delete", key))


def test_a_consumer_passes_objects_on_and_remembers_the_first_list(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    enricher = Enricher()
    consumer = Consumer("pods", enricher)
    consumer.upsert(SimpleNamespace(name="web"))
    consumer.delete("shop/web")
    assert enricher.calls == [("upsert", "web"), ("delete", "shop/web")]
    before = consumer.is_synced
    consumer.synced()
    assert (before, consumer.is_synced) == (False, True)
    assert "pods: the first list is complete" in caplog.text


def api_node(name: str, ip: str | None = "10.0.0.1", skip_reason: str | None = None) -> Any:
    return SimpleNamespace(name=name, hostname=f"{name}.example", ip=ip, skip_reason=skip_reason)


@pytest.fixture
def nodes() -> tuple[NodeConsumer, Enricher, FakeScraper]:
    enricher, scraper = Enricher(), FakeScraper()
    return NodeConsumer(cast(Any, enricher), cast(Any, scraper), heapster_place), enricher, scraper


def test_a_node_that_is_fit_goes_to_store_and_scraper(nodes: tuple[NodeConsumer, Enricher, FakeScraper]) -> None:
    consumer, enricher, scraper = nodes
    consumer.upsert(api_node("n1"))
    assert enricher.calls == [("upsert", "n1")]
    assert scraper.put_nodes == {"n1": ("n1.example", "10.0.0.1")}
    assert consumer.describe_skipped() == []


def test_a_node_that_is_not_fit_is_stored_described_and_scraped_no_more(
    nodes: tuple[NodeConsumer, Enricher, FakeScraper], caplog: pytest.LogCaptureFixture
) -> None:
    consumer, enricher, scraper = nodes
    consumer.upsert(api_node("n1"))
    for _ in range(2):
        consumer.upsert(api_node("n1", None, "no address"))
    assert enricher.calls == [("upsert", "n1")] * 3
    assert scraper.put_nodes == {}
    assert consumer.describe_skipped() == [{"node": "n1", "outcome": "skipped", "error": "no address"}]
    assert [record.getMessage() for record in caplog.records] == ["node n1 is not scraped: no address"]

    consumer.upsert(api_node("n1", "10.0.0.1", "not ready"))
    assert consumer.describe_skipped() == [{"node": "n1", "outcome": "skipped", "error": "not ready"}]
    assert len(caplog.records) == 2

    consumer.upsert(api_node("n1", "10.0.0.2"))
    assert scraper.put_nodes == {"n1": ("n1.example", "10.0.0.2")}
    assert consumer.describe_skipped() == []


def test_a_deleted_node_is_forgotten_everywhere(nodes: tuple[NodeConsumer, Enricher, FakeScraper]) -> None:
    consumer, enricher, scraper = nodes
    consumer.upsert(api_node("n1"))
    consumer.upsert(api_node("n2", None, "no address"))
    consumer.delete("n1")
    consumer.delete("n2")
    assert scraper.put_nodes == {}
    assert consumer.describe_skipped() == []
    assert enricher.calls[-2:] == [("delete", "n1"), ("delete", "n2")]
