"""The historical API over a store of history, and the model's aggregates: what recorded answers do not show."""

from __future__ import annotations

import asyncio
import json
from array import array
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from heapfast._name_list import NameList
from heapfast.api.historical import SLICE_BUCKETS, SLICE_NAMES
from heapfast.api.state import HistoryLimits
from heapfast.catalog.keys import Kind
from heapfast.errors import HistoryError, HistoryRefused, HistoryTimeout, HistoryTooLarge, HistoryUnavailable
from heapfast.history.backend import AggregateQuery, Buckets, Entity, Points, RawQuery
from tests.unit.api.client import ask
from tests.unit.api.cluster import FIRST, LAST, STEP_NS, Cluster
from tests.unit.history.naive import NaiveHistory
from tests.unit.store.rows import T0_NS

HISTORICAL = "/api/v1/historical"
MODEL = "/api/v1/model"
SINCE = "start=2017-12-11T09:00:00Z"
POD = f"{HISTORICAL}/namespaces/default/pods/web-0"


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    history = NaiveHistory()
    cluster = Cluster(options={"history": history})
    batch = cluster.store.newest
    for i in range(3):
        history.put(T0_NS + i * STEP_NS, batch.sets())
    return cluster


class Scripted(NaiveHistory):
    """A backend that does as it is told.

    Attributes:
        chunks: what it yields before anything else happens.
        error: what it raises then; None to wait for ever.
        ended: set when it was stopped.
    """

    def __init__(self, error: Exception | None, chunks: int = 0) -> None:
        super().__init__()
        self.error = error
        self.chunks = chunks
        self.waiting = asyncio.Event()
        self.ended = asyncio.Event()

    async def _end(self) -> None:
        self.waiting.set()
        try:
            if self.error is not None:
                raise self.error
            await asyncio.Event().wait()
        finally:
            self.ended.set()

    async def read_raw(self, query: RawQuery) -> AsyncGenerator[Points]:
        for i in range(self.chunks):
            yield Points(0, array("q", [i]), array("q", [i]))
        await self._end()

    async def read_aggregated(self, query: AggregateQuery) -> AsyncGenerator[Buckets]:
        await self._end()
        yield Buckets(0, array("q"), {})

    async def list_entities(self, kind: Kind, parent: Entity | None = None) -> NameList:
        await self._end()
        return NameList()


async def test_a_raw_series_has_its_points_in_heapsters_layout(cluster: Cluster) -> None:
    answer = await ask(cluster.app, f"{POD}/metrics/memory/working_set?{SINCE}")
    value = 25166824
    points = ",".join(
        f'\n   {{\n    "timestamp": "2017-12-11T10:0{i}:00Z",\n    "value": {value}\n   }}' for i in range(3)
    )
    assert answer.text == f'{{\n  "metrics": [{points}\n  ],\n  "latestTimestamp": "{LAST}"\n }}'


async def test_float_samples_have_both_values(cluster: Cluster) -> None:
    answer = await ask(cluster.app, f"{POD}/containers/nginx/metrics/custom/ratio?{SINCE}")
    assert answer.json["metrics"][0] == {"timestamp": FIRST, "value": 0, "floatValue": 0.25}


@pytest.mark.parametrize(
    "path",
    ["/pod-id/uid-web-0/metrics/cpu/request", "/pod-id/uid-half/containers/seen/metrics/memory/usage"],
)
async def test_a_pod_is_found_by_its_uid(cluster: Cluster, path: str) -> None:
    answer = await ask(cluster.app, f"{HISTORICAL}{path}?{SINCE}")
    assert answer.status == 200
    assert answer.json["metrics"]


async def test_a_list_has_an_item_for_each_name_also_without_samples(cluster: Cluster) -> None:
    for names in ("namespaces/default/pod-list/nope,web-0,nope", "pod-id-list/nope,uid-job,nope"):
        answer = await ask(cluster.app, f"{HISTORICAL}/{names}/metrics/memory/usage?{SINCE}")
        assert [bool(item["metrics"]) for item in answer.json["items"]] == [False, True, False]
        assert answer.text.endswith("}]}\n")
        assert " " not in answer.text


@pytest.mark.parametrize("what", ["metrics", "metrics-aggregated/max"])
async def test_a_list_may_have_more_names_than_a_slice(cluster: Cluster, what: str) -> None:
    n = 2 * SLICE_NAMES
    names = ",".join(["web-0", *["nope"] * n, "web-0"])
    answer = await ask(cluster.app, f"{HISTORICAL}/namespaces/default/pod-list/{names}/{what}/memory/usage?{SINCE}")
    first, *empty, last = answer.json["items"]
    assert first == last
    assert first.get("metrics") or first.get("buckets")
    assert len(empty) == n
    assert not any(item.get("metrics") or item.get("buckets") for item in empty)
    names = names.replace("nope,web-0", "nope,w%20")
    answer = await ask(cluster.app, f"{HISTORICAL}/namespaces/default/pod-list/{names}/{what}/memory/usage?{SINCE}")
    assert (answer.status, answer.text.rstrip()) == (400, 'Invalid pod name "w "')


async def test_members_of_a_bucket_stand_in_the_order_of_heapsters_type(cluster: Cluster) -> None:
    names = "99-perc,count,median,min,max,average,50-perc"
    answer = await ask(cluster.app, f"{POD}/metrics-aggregated/{names}/memory/usage?{SINCE}&bucket=1h")
    (bucket,) = answer.json["buckets"]
    assert list(bucket) == ["timestamp", "count", "average", "maximum", "minimum", "median", "percentiles"]
    assert list(bucket["percentiles"]) == ["50", "99"]
    assert bucket["timestamp"] == "2017-12-11T10:00:00Z"
    assert bucket["count"] == 3
    assert list(bucket["maximum"]) == ["intValue"]
    assert list(bucket["average"]) == list(bucket["median"]) == list(bucket["percentiles"]["50"]) == ["floatValue"]
    assert answer.json["bucketSize"] == 3600 * 10**9


async def test_more_buckets_than_a_slice_are_all_there() -> None:
    history = NaiveHistory()
    labels = {"type": "cluster"}
    n = 2 * SLICE_BUCKETS + 1
    for i in range(n):
        history.put(T0_NS + i * 10**9, {"cluster": {"labels": labels, "metrics": {"uptime": i}, "labeled": []}})
    cluster = Cluster(options={"history": history})
    answer = await ask(cluster.app, f"{HISTORICAL}/metrics-aggregated/max/uptime?{SINCE}&bucket=1s")
    assert [bucket["maximum"]["intValue"] for bucket in answer.json["buckets"]] == list(range(min(n, 151)))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/metrics/uptime", "no start time (or a start time of zero) provided"),
        (f"/nodes/a'b/metrics/uptime?{SINCE}", 'Invalid node name "a\'b"'),
        (f"/namespaces/a%20b/metrics/uptime?{SINCE}", 'Invalid namespace name "a b"'),
        (f"/namespaces/a/pods/%22/metrics/uptime?{SINCE}", 'Invalid pod name "\\""'),
        (f"/namespaces/a/pod-list/ok,%C3%BC/metrics/uptime?{SINCE}", 'Invalid pod name "\u00fc"'),
        (f"/pod-id/;drop/metrics/uptime?{SINCE}", 'Invalid pod id ";drop"'),
        (f"/namespaces/a/pods/b/containers/%27/metrics/uptime?{SINCE}", 'Invalid container name "\'"'),
        (f"/metrics/up%22time?{SINCE}", 'Invalid metric name "up\\"time"'),
        (f"/metrics/uptime?{SINCE}&labels=a%22:b", 'Invalid label name "a\\""'),
        (f"/metrics/uptime?{SINCE}&labels=a:b%27", 'Invalid label value "b\'"'),
        ("/nodes/a'b/metrics", 'Invalid node name "a\'b"'),
        ("/namespaces/a%20b/pods", 'Invalid namespace name "a b"'),
        (f"/metrics-aggregated/sum/uptime?{SINCE}", 'Unknown aggregation "sum"'),
        (f"/metrics-aggregated/x/uptime?{SINCE}&bucket=1s", 'Unknown aggregation "x"'),
        (f"/metrics-aggregated/x/u?{SINCE}&bucket=1", 'unable to parse bucket size: "1" is too short to be a duration'),
    ],
)  # fmt: skip
async def test_what_makes_no_sense_is_refused_in_heapsters_words(cluster: Cluster, path: str, text: str) -> None:
    answer = await ask(cluster.app, HISTORICAL + path)
    assert (answer.status, answer.text) == (400, text)


async def test_a_million_buckets_are_refused_before_anything_is_read(cluster: Cluster) -> None:
    answer = await ask(
        cluster.app, f"{HISTORICAL}/metrics-aggregated/max/uptime?start=2017-12-01T00:00:00Z&bucket=100ms"
    )
    assert answer.status == 400
    assert answer.text.startswith("bucket is too small: it divides the time into 90")
    assert "--historical-max-points" in answer.text


@pytest.mark.parametrize("query", [f"{SINCE}&end=2017-12-11T08:00:00Z", "start=2099-01-01T00:00:00Z"])
async def test_a_window_that_ends_before_it_starts_is_empty(cluster: Cluster, query: str) -> None:
    answer = await ask(cluster.app, f"{POD}/metrics/memory/usage?{query}")
    assert (answer.status, answer.json["metrics"]) == (200, [])
    answer = await ask(cluster.app, f"{POD}/metrics-aggregated/max/memory/usage?{query}&bucket=1m")
    assert (answer.status, answer.json) == (200, {"buckets": [], "bucketSize": 60 * 10**9})


async def test_bounds_are_exclusive_and_cut_to_whole_seconds(cluster: Cluster) -> None:
    query = f"start={FIRST[:-1]}.9Z&end={LAST[:-1]}.9Z"
    answer = await ask(cluster.app, f"{POD}/metrics/memory/usage?{query}")
    assert [point["timestamp"] for point in answer.json["metrics"]] == ["2017-12-11T10:01:00Z"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (HistoryUnavailable("cannot reach the store"), 503),
        (HistoryRefused("the store does not want to", 400), 502),
        (HistoryTooLarge(7), 400),
        (HistoryTimeout(2.5), 504),
    ],
)
async def test_a_store_that_fails_is_told_from_one_without_samples(error: HistoryError, status: int) -> None:
    cluster = Cluster(options={"history": Scripted(error)})
    paths = (f"/metrics/uptime?{SINCE}", f"/metrics-aggregated/max/uptime?{SINCE}", "/nodes")
    for path in paths:
        answer = await ask(cluster.app, HISTORICAL + path)
        assert (answer.status, answer.text) == (status, str(error))


@pytest.mark.parametrize("path", [f"/metrics/uptime?{SINCE}", f"/metrics-aggregated/max/uptime?{SINCE}", "/nodes"])
async def test_a_store_that_takes_too_long_is_stopped(path: str) -> None:
    backend = Scripted(None)
    cluster = Cluster(options={"history": backend, "history_limits": HistoryLimits(timeout_seconds=0.001)})
    answer = await ask(cluster.app, HISTORICAL + path)
    assert answer.status == 504
    assert "--historical-timeout" in answer.text
    assert backend.ended.is_set()


@pytest.mark.parametrize("path", [f"/metrics/uptime?{SINCE}", f"/metrics-aggregated/max/uptime?{SINCE}", "/nodes"])
async def test_a_question_ends_when_its_client_goes(path: str) -> None:
    backend = Scripted(None)
    cluster = Cluster(options={"history": backend})
    gone = asyncio.Event()
    scope = _scope(HISTORICAL + path)
    first = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, Any]:
        if (message := next(first, None)) is not None:
            return message
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None: ...

    asking = asyncio.create_task(cluster.app(scope, receive, send))
    await backend.waiting.wait()
    gone.set()
    await backend.ended.wait()
    await asking


async def test_an_answer_comes_in_chunks() -> None:
    backend = Scripted(HistoryTooLarge(3), chunks=3)
    cluster = Cluster(options={"history": backend})
    sent: list[dict[str, Any]] = []

    first = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, Any]:
        if (message := next(first, None)) is None:
            await asyncio.Event().wait()
        assert message is not None
        return message

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    # What fails in the middle of an answer breaks it off: its status has been sent.
    with pytest.raises(HistoryTooLarge):
        await cluster.app(_scope(f"{HISTORICAL}/metrics/uptime?{SINCE}"), receive, send)
    assert sent[0]["status"] == 200
    assert len([message for message in sent if message.get("body")]) == 2


async def test_there_is_no_historical_api_without_a_store() -> None:
    answer = await ask(Cluster().app, f"{HISTORICAL}/nodes")
    assert (answer.status, answer.text) == (404, "404 page not found\n")


async def test_containers_are_listed_from_memory(cluster: Cluster) -> None:
    answer = await ask(cluster.app, f"{POD}/containers")
    assert answer.json == ["a-sidecar", "nginx"]
    off = Cluster(options={"history": NaiveHistory(), "disable_metric_sink": True})
    assert (await ask(off.app, f"{POD}/containers")).status == 503


class TestLiveAggregates:
    async def test_the_model_aggregates_what_is_in_memory(self, cluster: Cluster) -> None:
        path = f"{MODEL}/namespaces/default/pods/web-0/metrics-aggregated/max,count,average/memory/working_set"
        (bucket,) = (await ask(cluster.app, path)).json["buckets"]
        value = 25166824
        assert bucket == {
            "timestamp": FIRST,
            "count": 3,
            "average": {"floatValue": value},
            "maximum": {"intValue": value},
        }

    async def test_bounds_are_inclusive_as_those_of_the_model(self, cluster: Cluster) -> None:
        path = f"{MODEL}/nodes/node-1.example/metrics-aggregated/count/memory/usage?start={FIRST}&end={LAST}"
        answer = await ask(cluster.app, f"{path}&bucket=1m")
        assert [bucket["count"] for bucket in answer.json["buckets"]] == [1, 1, 1]
        (bucket,) = (await ask(cluster.app, path)).json["buckets"]
        assert (bucket["timestamp"], bucket["count"]) == (FIRST, 3)

    @pytest.mark.parametrize(
        ("path", "count"),
        [
            ("/metrics-aggregated/count/memory/usage", 3),
            ("/namespaces/default/metrics-aggregated/count/memory/usage", 3),
            ("/namespaces/default/pods/web-0/containers/nginx/metrics-aggregated/count/memory/usage", 3),
            ("/nodes/node-1/freecontainers/system.slice%2Fdocker.service/metrics-aggregated/count/memory/usage", 3),
            ("/nodes/node-1/metrics-aggregated/count/filesystem/usage", 6),
            ("/nodes/node-1/metrics-aggregated/count/filesystem/usage?labels=resource_id:logs", 3),
        ],
    )
    async def test_every_kind_has_them(self, cluster: Cluster, path: str, count: int) -> None:
        answer = await ask(cluster.app, MODEL + path)
        assert [bucket["count"] for bucket in answer.json["buckets"]] == [count]

    async def test_a_pod_list_has_them_too(self, cluster: Cluster) -> None:
        path = f"{MODEL}/namespaces/default/pod-list/job,nope,web-0/metrics-aggregated/count/memory/usage"
        items = json.loads((await ask(cluster.app, path)).text)["items"]
        assert [[bucket["count"] for bucket in item["buckets"]] for item in items] == [[3], [], [3]]

    async def test_a_bad_question_is_refused(self, cluster: Cluster) -> None:
        answer = await ask(cluster.app, f"{MODEL}/metrics-aggregated/nope/memory/usage")
        assert (answer.status, answer.text) == (400, 'Unknown aggregation "nope"')
        limits = HistoryLimits(max_points=2)
        small = Cluster(options={"history_limits": limits})
        answer = await ask(small.app, f"{MODEL}/metrics-aggregated/max/memory/usage?bucket=1m")
        assert (answer.status, answer.text) == (400, str(HistoryTooLarge(2)))


def _scope(target: str) -> dict[str, Any]:
    path, _, query = target.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", b"heapster.test")],
        "server": ("127.0.0.1", 8082),
        "client": ("127.0.0.1", 40000),
    }
