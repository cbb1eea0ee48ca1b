"""The elasticsearch sink against real servers: OpenSearch, and Elasticsearch of two generations.

In      what install_servers.sh has installed
Out     documents as a server keeps, finds and adds them up
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from heapfast.errors import SinkError
from heapfast.sinks._documents import FAMILIES
from heapfast.sinks.elasticsearch import ElasticsearchSpec
from heapfast.sinks.http import HttpSpec
from tests.integration.installed import PATIENCE_SECONDS, free_port, send, server
from tests.store_servers import running
from tests.unit.sinks import naive
from tests.unit.sinks.example import example_batch

#: Longer than a server may take to start.
pytestmark = pytest.mark.timeout(PATIENCE_SECONDS + 200)

JAVA = "java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djava.security.manager=allow".split()
LOG4J = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %p %c %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
"""
#: The same for Elasticsearch 2.
LOGGING = """\
rootLogger: INFO, console
appender.console: {type: console, layout: {type: consolePattern, conversionPattern: "%d %p %c %m%n"}}
"""


class Place:
    """A running server, and an index of its own for each test."""

    def __init__(self, url: str, version: int, index: str, session: aiohttp.ClientSession) -> None:
        self.version = version
        self.index = index
        self.day = f"{index}-2017.12.11"
        self._session = session
        self._url = url

    async def send(self, **options: Any) -> int:
        """Sends the example's batch by a sink that has just been started; gives its number of samples."""
        spec = ElasticsearchSpec(servers=(HttpSpec(url=self._url),), version=self.version, index=self.index, **options)
        with ThreadPoolExecutor(1) as executor:
            sink = spec.build(executor)
            try:
                return await send(sink, example_batch())
            finally:
                await sink.close()

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        async with self._session.request(method, path, json=body) as response:
            assert response.status < 300, await response.text()
            return await response.json(content_type=None)

    async def find(self, index: str, body: Any) -> Any:
        """Searches what was written until now."""
        await self.ask("POST", f"/{index}/_refresh")
        return await self.ask("POST", f"/{index}/_search", body)


def opensearch(folder: Path, port: int) -> tuple[list[str], int]:
    jars = server("opensearch/jars/opensearch-2*.jar", "java").parent
    return with_modules(folder, port, jars, "opensearch", "org.opensearch.bootstrap.OpenSearch", "opensearch"), 7


def elasticsearch_7(folder: Path, port: int) -> tuple[list[str], int]:
    jars = server("elasticsearch/jars/elasticsearch-7*.jar", "java").parent
    return with_modules(folder, port, jars, "elasticsearch", "org.elasticsearch.bootstrap.Elasticsearch", "es"), 7


def with_modules(folder: Path, port: int, jars: Path, name: str, main: str, prefix: str) -> list[str]:
    """The command of a server that install_servers.sh has put together of jars."""
    settings = {
        "network.host": "127.0.0.1",
        "http.port": port,
        "transport.port": 0,
        "discovery.type": "single-node",
        "bootstrap.system_call_filter": False,
        "path.data": str(folder / "data"),
        "path.logs": str(folder / "logs"),
    }
    (folder / f"{name}.yml").write_bytes(msgspec.json.encode(settings))
    (folder / "log4j2.properties").write_text(LOG4J)
    places = [f"-D{prefix}.path.home={jars.parent}", f"-D{prefix}.path.conf={folder}"]
    return ["env", f"LIBFFI_TMPDIR={folder}", *JAVA, *places, "-cp", f"{jars}/*", main]


def elasticsearch_2(folder: Path, port: int) -> tuple[list[str], int]:
    jars = server("elasticsearch2/*/lib/elasticsearch-2*.jar", "java").parent
    settings = {
        "path.home": jars.parent,
        "path.conf": folder,
        "path.data": folder / "data",
        "path.logs": folder / "logs",
        "network.host": "127.0.0.1",
        "http.port": port,
        "transport.tcp.port": 0,
    }
    (folder / "logging.yml").write_text(LOGGING)
    words = [f"-Des.{name}={value}" for name, value in settings.items()]
    return [*JAVA, *words, "-cp", f"{jars}/*", "org.elasticsearch.bootstrap.Elasticsearch", "start"], 2


@pytest.fixture(scope="module", params=[opensearch, elasticsearch_7, elasticsearch_2], ids=lambda make: make.__name__)
def server_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """Where a server is, and its generation as the sink is told."""
    port = free_port()
    command, version = request.param(tmp_path_factory.mktemp("search"), port)
    if os.geteuid() == 0:
        # These servers refuse to run as root; in a namespace of its own a process is nobody.
        command = ["unshare", "--user", *command]
    with running(command, r"\bstarted$"):
        yield f"http://127.0.0.1:{port}", version


@pytest.fixture
async def place(server_url: tuple[str, int], request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    url, version = server_url
    async with aiohttp.ClientSession(url, timeout=aiohttp.ClientTimeout(total=PATIENCE_SECONDS)) as session:
        yield Place(url, version, request.function.__name__.replace("test_", ""), session)


def sources(found: Any) -> list[Any]:
    return [hit["_source"] for hit in found["hits"]["hits"]]


async def test_every_sample_is_in_a_document_and_sent_twice_it_is_there_once(place: Place) -> None:
    for _ in range(2):
        # The second one finds its index there.
        assert await place.send(cluster_name="eu") > 0
    found = await place.find(place.day, {"size": 10_000})
    assert naive.as_set(sources(found)) == naive.as_set(naive.elasticsearch_documents(example_batch(), "eu"))


async def test_documents_are_found_by_family_name_and_time_and_added_up(place: Place) -> None:
    await place.send()
    asked = {
        "query": {"term": {"MetricsTags.type": "pod_container"}},
        "size": 0,
        "aggs": {
            "pods": {
                "terms": {"field": "MetricsTags.pod_name.raw"},
                "aggs": {"rate": {"avg": {"field": "Metrics.cpu/usage_rate.value"}}},
            }
        },
    }
    cpu = f"{place.index}-cpu"
    found = await place.find(cpu, asked)
    rates = {bucket["key"]: bucket["rate"]["value"] for bucket in found["aggregations"]["pods"]["buckets"]}
    samples = [one for one in naive.samples(example_batch()) if one.name == "cpu/usage_rate"]
    assert rates == {one.labels["pod_name"]: one.value for one in samples if "container_name" in one.labels} != {}
    for bound, is_there in (("gte", True), ("gt", False)):
        by_time = {"query": {"range": {"CpuMetricsTimestamp": {bound: "2017-12-11T10:01:00Z"}}}, "size": 1}
        assert bool(sources(await place.find(cpu, by_time))) is is_there


async def test_what_does_not_fit_a_mapping_is_refused_and_the_rest_is_kept(place: Place) -> None:
    mapping: Any = {"properties": {"MetricsTags": {"properties": {"pod_name": {"type": "integer"}}}}}
    await place.ask(
        "PUT", f"/{place.day}", {"mappings": mapping if place.version >= 7 else dict.fromkeys(FAMILIES, mapping)}
    )
    with pytest.raises(SinkError, match="refused") as failure:
        await place.send()
    assert failure.value.costs == "chunk"
    kept = [
        one for one in naive.elasticsearch_documents(example_batch(), "default") if "pod_name" not in one["MetricsTags"]
    ]
    assert naive.as_set(sources(await place.find(place.day, {"size": 10_000}))) == naive.as_set(kept)


async def test_a_pipeline_that_is_not_there_costs_the_documents_and_one_that_is_takes_them(place: Place) -> None:
    if place.version < 5:
        pytest.skip("this generation has no pipelines")
    with pytest.raises(SinkError, match="pipeline"):
        await place.send(pipeline="p")
    await place.ask("PUT", "/_ingest/pipeline/p", {"processors": []})
    await place.send(pipeline="p")
    documents = naive.elasticsearch_documents(example_batch(), "default")
    assert len(sources(await place.find(place.day, {"size": 10_000}))) == len(documents)
