"""The routes of Kubernetes Dashboard's metrics scraper: the very bytes, and what has no item."""

from __future__ import annotations

import pytest

from heapfast.api.dashboard import SLICE_ITEMS
from heapfast.catalog.keys import Kind
from heapfast.sim._rows import rows_of
from tests.unit.api.client import ask
from tests.unit.api.cluster import Cluster
from tests.unit.store.rows import SECOND_NS, T0_NS, container

PREFIX = "/api/v1/dashboard"
NOTHING = '{"items":null}'
TIMES = ("2017-12-11T10:00:00Z", "2017-12-11T10:01:00Z", "2017-12-11T10:02:00Z")


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def item(metric: str, name: str, points: dict[str, int]) -> str:
    """One item, in the spelling of Go's encoder."""
    written = ",".join(f'{{"timestamp":"{time}","value":{value}}}' for time, value in points.items())
    return f'{{"dataPoints":[],"metricPoints":[{written}],"metricName":"{metric}","uids":["{name}"]}}'


def items(*written: str) -> str:
    return f'{{"items":[{",".join(written)}]}}'


NODE_CPU = items(item("cpu", "node-1", dict.fromkeys(TIMES[1:], 10_000)))
NODE_MEMORY = item("memory", "node-1", dict.fromkeys(TIMES, 8371499008 + 1024))
WEB_MEMORY = item("memory", "web-0", dict.fromkeys(TIMES, 25165824 + 1000 + 2 * 1024))
JOB_MEMORY = item("memory", "job", dict.fromkeys(TIMES, 1048576 + 1024))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/nodes/node-1/metrics/cpu/usage_rate", NODE_CPU),
        ("/nodes/node-1/metrics/cpu/usage_rate/", NODE_CPU),
        ("/nodes/node-1/metrics/cpu/whatever", NODE_CPU),
        ("/nodes/node-1/metrics/memory/usage", items(NODE_MEMORY)),
        ("/nodes/node-1/metrics/other/usage", items(NODE_MEMORY.replace('"memory"', '"other"'))),
        ("/nodes/node-2/metrics/memory/usage", NOTHING),
        ("/nodes/nowhere/metrics/memory/usage", NOTHING),
        ("/namespaces/default/pod-list/web-0/metrics/memory/usage", items(WEB_MEMORY)),
        ("/namespaces/default/pod-list/job,gone,,web-0,job/metrics/memory/usage", items(JOB_MEMORY, WEB_MEMORY)),
        ("/namespaces/shop/pod-list/job/metrics/memory/usage", NOTHING),
        (
            "/namespaces/default/pod-list/web-0/metrics/cpu/x",
            items(item("cpu", "web-0", dict.fromkeys(TIMES[1:], 1000))),
        ),
    ],
)
async def test_answers(cluster: Cluster, path: str, body: str) -> None:
    answer = await ask(cluster.app, PREFIX + path)
    assert (answer.status, answer.text) == (200, body)
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "path",
    [
        "/nodes/node-1/metrics/memory",
        "/nodes/node-1/metrics/memory/usage/more",
        "/nodes",
        "/namespaces/default/pods/web-0/metrics/memory/usage",
    ],
)
async def test_other_paths_are_not_found(cluster: Cluster, path: str) -> None:
    assert (await ask(cluster.app, PREFIX + path)).status == 404


async def test_before_the_first_batch_there_are_no_items() -> None:
    answer = await ask(Cluster(n_batches=0).app, f"{PREFIX}/nodes/node-1/metrics/cpu/usage_rate")
    assert answer.text == NOTHING


async def test_without_a_model_there_is_no_dashboard() -> None:
    answer = await ask(Cluster({"disable_metric_sink": True}).app, f"{PREFIX}/nodes/node-1/metrics/cpu/usage_rate")
    assert answer.status == 404


async def test_the_working_set_stands_in_for_usage() -> None:
    cluster = Cluster(n_batches=0)
    at = T0_NS + 60 * SECOND_NS
    rows = rows_of([container("default", "web-0", "nginx", {"memory/working_set": 7}, at=at)])
    cluster.store.ingest(rows, cluster.store.find(Kind.NODE, "node-1"), at)
    cluster.tick(at)
    answer = await ask(cluster.app, f"{PREFIX}/namespaces/default/pod-list/web-0/metrics/memory/usage")
    assert answer.text == items(item("memory", "web-0", {TIMES[1]: 7}))


@pytest.mark.parametrize("n_names", [SLICE_ITEMS, SLICE_ITEMS + 1, 3 * SLICE_ITEMS])
@pytest.mark.parametrize("is_first", [True, False])
async def test_long_lists_are_one_document(cluster: Cluster, n_names: int, is_first: bool) -> None:
    gone = [f"gone-{n}" for n in range(n_names - 1)]
    names = ",".join(["web-0", *gone, "job"] if is_first else [*gone, "web-0", "job"])
    answer = await ask(cluster.app, f"{PREFIX}/namespaces/default/pod-list/{names}/metrics/memory/usage")
    assert answer.text == items(WEB_MEMORY, JOB_MEMORY)
