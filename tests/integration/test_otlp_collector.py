"""The otlp sink and a real OpenTelemetry collector, which passes on what it has understood.

In      HEAPFAST_OTELCOL, which names a collector with the receiver otlp and the exporter otlphttp
Out     what the collector sends to a server of the test, as JSON of its own
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from heapfast import __version__
from heapfast.errors import SinkError
from heapfast.sinks.http import HttpSpec
from heapfast.sinks.otlp import OtlpSpec
from tests.integration.installed import free_port, run_server, send, until
from tests.store_servers import named_program
from tests.unit.sinks import naive
from tests.unit.sinks.example import END_NS, example_batch
from tests.unit.sinks.peer import Peer

CUMULATIVE = 2


class Collector:
    """A running collector, and who it sends to."""

    def __init__(self, url: str, peer: Peer) -> None:
        self.url = url
        self._peer = peer

    def points(self) -> list[Any]:
        """All that has come, as `naive.otlp_points` has them."""
        return [
            point
            for request in self._peer.requests
            for resource in json.loads(request.body)["resourceMetrics"]
            for point in points_of(resource)
        ]


@pytest.fixture
async def collector(tmp_path: Path) -> AsyncIterator[Collector]:
    program = named_program("HEAPFAST_OTELCOL", "otelcol")
    port = free_port()
    async with Peer() as peer:
        peer.answers = [(200, b"{}", {"Content-Type": "application/json"})]
        config = {
            "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{port}"}}}},
            "exporters": {
                "otlphttp": {"endpoint": f"http://127.0.0.1:{peer.port}", "encoding": "json", "compression": "none"}
            },
            "service": {
                "pipelines": {"metrics": {"receivers": ["otlp"], "exporters": ["otlphttp"]}},
                "telemetry": {"metrics": {"level": "none"}},
            },
        }
        # JSON is YAML.
        (tmp_path / "config.json").write_text(json.dumps(config))
        async with run_server(tmp_path, port, program, "--config", str(tmp_path / "config.json")):
            yield Collector(f"http://127.0.0.1:{port}", peer)


def points_of(resource: Any) -> list[Any]:
    """Every point of a resource: its attributes, name, the point's own attributes, value, whether a sum, its start."""
    found = []
    whose = attributes_of(resource["resource"])
    (scoped,) = resource["scopeMetrics"]
    assert scoped["scope"] == {"name": "heapfast", "version": __version__}
    for metric in scoped["metrics"]:
        is_sum = "sum" in metric
        if is_sum:
            assert (metric["sum"]["aggregationTemporality"], metric["sum"]["isMonotonic"]) == (CUMULATIVE, True)
        for point in metric["sum" if is_sum else "gauge"]["dataPoints"]:
            assert int(point["timeUnixNano"]) == END_NS
            value = int(point["asInt"]) if "asInt" in point else point["asDouble"]
            start = int(point.get("startTimeUnixNano", 0))
            found.append((whose, metric["name"], attributes_of(point), value, is_sum, start))
    return found


def attributes_of(item: Any) -> dict[str, str]:
    return {one["key"]: one["value"]["stringValue"] for one in item.get("attributes", ())}


@pytest.mark.parametrize("compresses", [True, False], ids=["gzip", "none"])
async def test_a_collector_understands_every_sample(collector: Collector, compresses: bool) -> None:
    batch = example_batch()
    spec = OtlpSpec(server=HttpSpec(url=collector.url), prefix="p.", compresses=compresses)
    with ThreadPoolExecutor(1) as executor:
        n = await send(spec.build(executor), batch)

    async def arrived() -> list[Any]:
        found = collector.points()
        return found if len(found) >= n else []

    assert naive.as_set(await until(arrived)) == naive.as_set(naive.otlp_points(batch, "p."))


async def test_what_a_collector_cannot_read_costs_its_request(collector: Collector) -> None:
    with ThreadPoolExecutor(1) as executor:
        sink = OtlpSpec(server=HttpSpec(url=collector.url), compresses=False).build(executor)
        with pytest.raises(SinkError) as failure:
            await sink.send(b"\xff no metrics")
        await sink.close()
    assert failure.value.costs == "chunk"
