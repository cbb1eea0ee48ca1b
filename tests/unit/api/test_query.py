"""/apis/heapfast/v1/query on both ports: what is asked, answered and refused."""

from __future__ import annotations

import asyncio
import csv
import io
from typing import Any
from urllib.parse import urlencode

import pyarrow as pa
import pytest
from prometheus_client import CollectorRegistry

from heapfast._aggregate import SUM, Aggregate, Cancelled
from heapfast._core import Store
from heapfast._grouping import BY_LABEL, Grouping
from heapfast._snapshot import Snapshot
from heapfast.api.query import ASKED_BY_POST
from heapfast.api.query_limits import QueryLimits
from heapfast.api.query_monitoring import LIMITS, Outcome, QueryMonitoring
from heapfast.auth.attributes import AttributeReader, QueryParsers
from heapfast.catalog.keys import Kind
from heapfast.config.flags import FLAGS
from heapfast.query.label_values import LabelValues
from heapfast.render._arrow import render_arrow_rows
from heapfast.render._query import render_csv_rows, render_json_rows
from heapfast.render.arrow import ARROW_TYPE
from heapfast.sim._rows import rows_of
from heapfast.store.index import PostingIndex
from tests.unit.api.client import Answer, ask
from tests.unit.api.cluster import FIRST, LAST, Cluster
from tests.unit.api.k8s_cluster import SecureCluster
from tests.unit.store.rows import T0_NS, container

PATH = "/apis/heapfast/v1/query"
SHOP = "/apis/heapfast/v1/namespaces/shop/query"


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return Cluster()


async def items(cluster: Cluster, query: str, path: str = PATH) -> list[dict[str, Any]]:
    answer = await ask(cluster.app, f"{path}?{query}")
    assert answer.status == 200, answer.text
    return answer.json["items"]


async def test_one_question_is_one_row_of_now(cluster):
    answer = await ask(cluster.app, f"{PATH}?metric=memory/working_set")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json == {
        "kind": "QueryResult",
        "apiVersion": "heapfast/v1",
        "metric": "memory/working_set",
        "unit": "bytes",
        "window": {"first": LAST, "last": LAST, "ticks": 1, "isComplete": True},
        "items": [{"time": LAST, "average": 25165824 + 1000 + 2 * 1048576 + 2**30 + 1}],
    }


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        pytest.param(
            "metric=cpu/usage_rate&groupBy=namespace",
            [("default", 2000), ("lost", 16), ("shop", 1500)],
            id="sum by namespace",
        ),
        pytest.param("metric=cpu/usage_rate&groupBy=namespace&across=max",
                     [("default", 1000), ("lost", 16), ("shop", 1500)], id="largest by namespace"),
        pytest.param("metric=cpu/usage_rate&groupBy=label:app",
                     [(None, 16), ("half", 500), ("job", 500), ("web", 2500)], id="by label"),
        pytest.param("metric=cpu/usage_rate&groupBy=pod&top=2", [("shop", "web-0", 1500), ("default", "web-0", 1000)],
                     id="top pods"),
        pytest.param("metric=cpu/usage_rate&groupBy=pod&top=1&order=asc", [("lost", "unknown-to-the-api", 16)],
                     id="last pods"),
        pytest.param("metric=cpu/usage_rate&labelSelector=app+in+(web,job),tier!=front&groupBy=pod",
                     [("default", "job", 500), ("shop", "web-0", 1500)], id="label selector"),
        pytest.param("metric=cpu/usage_rate&fieldSelector=metadata.namespace%3Dshop", [(1500,)], id="field selector"),
        pytest.param("metric=cpu/usage_rate&fieldSelector=metadata.namespace!%3Dshop,metadata.name%3Dweb-0", [(1000,)],
                     id="field selectors"),
        pytest.param("metric=uptime&kind=container&groupBy=container&across=count&fieldSelector=container.name!%3Dnginx",
                     [("a-sidecar", 1), ("app <&> \u2028", 1), ("main", 1), ("seen", 1)], id="containers"),
        pytest.param("metric=cpu/usage_rate&kind=node&groupBy=node,label:pool", [("node-1", "blue", 10000)], id="node"),
        pytest.param("metric=cpu/usage_rate&kind=node&labelSelector=pool%3Dgreen", [], id="nobody"),
        pytest.param("metric=memory/usage&kind=system_container&groupBy=container&order=desc",
                     [("system.slice/docker.service", 3072), ("kubelet", 2024)], id="system containers"),
        pytest.param("metric=cpu/usage_rate&kind=cluster", [(3516,)], id="cluster"),
        pytest.param("metric=custom/qps&kind=container&groupBy=node", [("node-1", 17)], id="custom"),
        pytest.param("metric=filesystem/usage&kind=node&groupBy=node,resource_id,label:pool",
                     [("node-1", "/", "blue", 40960), ("node-1", "logs", "blue", 7)], id="filesystems"),
        pytest.param("metric=filesystem/usage&kind=node", [(40967,)], id="all filesystems of all nodes"),
        pytest.param("metric=filesystem/usage&kind=node&labelSelector=pool%3Dgreen", [], id="other filesystems"),
        pytest.param("metric=filesystem/usage&kind=node&fieldSelector=resource_id!%3Dlogs", [(40960,)], id="one"),
        pytest.param("metric=filesystem/usage&groupBy=pod,resource_id,label:app&labelSelector=app%3Dweb",
                     [("default", "web-0", "Volume:data", "web", 12)], id="volumes"),
        pytest.param("metric=filesystem/usage&fieldSelector=resource_id%3DVolume:data,metadata.name%3Dweb-0", [(12,)],
                     id="a volume"),
        pytest.param("metric=filesystem/usage&fieldSelector=resource_id%3Ddata", [], id="a volume by half of its id"),
        pytest.param("metric=accelerator/memory_used&groupBy=container,make,model,accelerator_id,node&over=max",
                     [("nginx", "nvidia", "k80", "GPU-0", "node-1", 10)], id="accelerators, of containers unless told"),
        pytest.param("metric=accelerator/duty_cycle&kind=container&groupBy=pod&top=1&window=10m",
                     [("default", "web-0", 9)], id="top accelerators"),
        pytest.param("metric=memory/usage&pooled=min,max,count&fieldSelector=metadata.namespace%3Dshop&window=10m",
                     [(2**30 + 1024, 2**30 + 1024, 3)], id="pooled"),
        pytest.param("metric=network/rx&rate=true&groupBy=namespace&fieldSelector=metadata.name%3Dweb-0&window=5m",
                     [("default", 91 / 60), ("shop", 2 / 60)], id="rate"),
        pytest.param("metric=cpu/usage_rate&across=stddev&labelSelector=app%3Dweb", [(250,)], id="spread"),
        pytest.param("metric=cpu/usage_rate&across=p50&labelSelector=app%3Dweb&over=last,99.9-perc", [(1000, 1000)],
                     id="percentiles"),
    ],
)  # fmt: skip
async def test_questions_are_answered(cluster, query, rows):
    found = [tuple(value for name, value in item.items() if name != "time") for item in await items(cluster, query)]
    assert found == [pytest.approx(row) if None not in row else row for row in map(tuple, rows)]


async def test_names_of_columns_are_the_keys_and_functions(cluster):
    (row,) = await items(cluster, "metric=memory/usage&groupBy=pod,label:app&top=1&over=max,avg,p99.50")
    assert list(row) == ["namespace", "pod", "label:app", "time", "max", "average", "99.5-perc"]


async def test_buckets_are_aligned_and_come_in_order(cluster):
    query = "metric=memory/usage&kind=cluster&window=10m&over=count"
    times = [row["time"] for row in await items(cluster, f"{query}&bucket=1m")]
    assert times == [FIRST, "2017-12-11T10:01:00Z", LAST]
    assert [(row["time"], row["count"]) for row in await items(cluster, f"{query}&bucket=2m")] == [
        (FIRST, 2),
        (LAST, 1),
    ]
    assert [(row["time"], row["count"]) for row in await items(cluster, query)] == [(LAST, 3)]


async def test_the_best_of_the_window_are_shown_bucket_by_bucket(cluster):
    rows = await items(cluster, "metric=memory/usage&groupBy=pod&top=2&window=10m&bucket=1m")
    assert [row["namespace"] for row in rows] == ["shop"] * 3 + ["default"] * 3
    assert [row["time"] for row in rows[:3]] == [row["time"] for row in rows[3:]]


@pytest.mark.parametrize(
    ("query", "first", "last", "ticks", "is_complete"),
    [
        pytest.param("window=1m", LAST, LAST, 1, True, id="a window excludes its start"),
        pytest.param(f"start={FIRST}&end=2017-12-11T10:01:30Z", "2017-12-11T10:01:00Z", "2017-12-11T10:01:00Z", 1, True,
                     id="both ends"),
        pytest.param("window=1h", FIRST, LAST, 3, False, id="behind what is kept"),
        pytest.param("start=2018-01-01T00:00:00Z", None, None, 0, True, id="the future"),
        pytest.param(f"window=1m&end={FIRST}", FIRST, FIRST, 1, False, id="the first tick"),
    ],
)  # fmt: skip
async def test_the_answer_states_which_ticks_counted(cluster, query, first, last, ticks, is_complete):
    answer = await ask(cluster.app, f"{PATH}?metric=memory/usage&{query}")
    assert answer.status == 200
    assert answer.json["window"] == {"first": first, "last": last, "ticks": ticks, "isComplete": is_complete}
    assert bool(answer.json["items"]) == bool(ticks)


async def test_csv_is_served_on_demand(cluster):
    query = f"{PATH}?metric=uptime&kind=container&groupBy=container&over=average,count"
    by_format = await ask(cluster.app, f"{query}&format=csv")
    by_accept = await ask(cluster.app, query, headers=(("Accept", "text/csv, application/json;q=0.5"),))
    assert by_format.headers["content-type"] == by_accept.headers["content-type"] == "text/csv; charset=utf-8"
    assert by_format.text == by_accept.text
    rows = list(csv.reader(io.StringIO(by_format.text)))
    assert rows[0] == ["container", "time", "average", "count"]
    assert rows[1] == ["a-sidecar", LAST, "3720000", "1"]


@pytest.mark.parametrize(
    "query", ["groupBy=pod,label:app,label:tier&over=average,count", "fieldSelector=metadata.name%3D"]
)
async def test_arrow_has_what_json_has(cluster, query):
    query = f"{PATH}?metric=memory/usage&window=10m&bucket=1m&{query}"
    wanted = (await ask(cluster.app, query)).json["items"]
    by_format = await ask(cluster.app, f"{query}&format=arrow")
    by_accept = await ask(cluster.app, query, headers=(("Accept", "application/vnd.apache.arrow.stream, */*;q=0.1"),))
    assert by_format.headers["content-type"] == by_accept.headers["content-type"] == ARROW_TYPE
    assert by_format.body == by_accept.body
    found = pa.ipc.open_stream(by_format.body).read_all()
    found.validate(full=True)
    assert found.schema.field("time").type == pa.timestamp("ns", tz="UTC")
    assert found.schema.field("average").type == pa.float64()
    rows = found.to_pylist()
    for row in rows:
        row["time"] = row["time"].strftime("%Y-%m-%dT%H:%M:%SZ")
    assert rows == wanted


def test_no_label_and_an_empty_one_differ():
    store = Store()
    slots = [store.put_pod("s", name, uid="", labels="") for name in ("a", "b")]
    pods = PostingIndex()
    pods.put(slots[0], "s", {"x": ""})
    pods.put(slots[1], "s", {})
    store.ingest(rows_of([container("s", name, "c", {"memory/usage": 1}) for name in ("a", "b")]), -1, T0_NS)
    closing = store.swap(T0_NS)
    closing.run()
    store.commit(closing, T0_NS)
    snapshot = Snapshot(store, Kind.POD, store.metric_id("memory/usage"), 0)
    labels = LabelValues()
    for value in pods.values_of("x"):
        labels.add(value, pods.having("x", value).to_array())
    grouping = Grouping(snapshot.newest, Kind.POD, [BY_LABEL], [labels])
    grouping.make()
    aggregate = Aggregate(snapshot, grouping, across=(SUM, 0.0), over=[(SUM, 0.0)], start_ns=0, end_ns=T0_NS)
    aggregate.run()
    order = aggregate.sorted()
    assert render_csv_rows(aggregate, order) == b',2017-12-11T10:00:00Z,1\n"",2017-12-11T10:00:00Z,1\n'
    assert b'"x":null' in render_json_rows(aggregate, order, ["x", "time", "sum"])
    table = pa.ipc.open_stream(render_arrow_rows(aggregate, order, ["x"], ["sum"])).read_all()
    assert table.column("x").to_pylist() == [None, ""]


async def test_a_namespaces_route_shows_nothing_else(cluster):
    rows = await items(cluster, "metric=cpu/usage_rate&groupBy=pod", SHOP)
    assert [(row["namespace"], row["pod"]) for row in rows] == [("shop", "web-0")]
    assert await items(cluster, "metric=cpu/usage_rate&kind=namespace&groupBy=namespace", SHOP) == [
        {"namespace": "shop", "time": LAST, "average": 1500}
    ]
    assert await items(cluster, "metric=cpu/usage_rate&fieldSelector=metadata.namespace%3Ddefault", SHOP) == []
    for kind in ("node", "cluster", "system_container"):
        answer = await ask(cluster.app, f"{SHOP}?metric=cpu/usage_rate&kind={kind}")
        assert answer.status == 400


@pytest.mark.parametrize(
    ("query", "message"),
    [
        pytest.param("", "metric is missing: name one, such as metric=cpu/usage_rate", id="no metric"),
        pytest.param("metric=cpu", 'unknown metric "cpu": want one of the catalogue', id="metric"),
        pytest.param("metric=custom/nope", "unknown metric custom/nope: nothing has reported it", id="custom"),
        pytest.param(
            "metric=filesystem/usage&kind=namespace",
            "cannot ask for filesystem/usage of a namespace: want kind node, pod, container, system_container",
            id="labelled of a sum",
        ),
        pytest.param(
            "metric=filesystem/usage&kind=cluster", "cannot ask for filesystem/usage of a cluster", id="of all"
        ),
        pytest.param(
            "metric=filesystem/usage&groupBy=make",
            'cannot group pod metrics by "make": want namespace, node, pod, resource_id, label:KEY',
            id="label of another metric",
        ),
        pytest.param("metric=uptime&groupBy=resource_id", 'cannot group pod metrics by "resource_id"', id="no label"),
        pytest.param("metric=uptime&fieldSelector=resource_id%3D/", 'by field "resource_id": want meta', id="no field"),
        pytest.param(
            "metric=accelerator/duty_cycle&fieldSelector=resource_id%3D0",
            'by field "resource_id": want metadata'
            ".name, metadata.namespace, spec.nodeName, container.name, make, model, acc",
            id="another's field",
        ),
        pytest.param(
            "metric=uptime&labelSelector=" + ",".join(["a"] * 101),
            "by 101 conditions in labelSelector, the li",
            id="conditions on labels",
        ),
        pytest.param(
            "metric=uptime&fieldSelector=" + ",".join(["metadata.name!%3Da"] * 101),
            "101 conditions in fieldS",
            id="conditions on fields",
        ),
        pytest.param("metric=uptime&labelSelector=a+in+(" + "b," * 300, "b,b,...", id="long selector"),
        pytest.param("metric=uptime&labelSelector=a;b", "a semicolon as %3B, a percent sign as %25", id="semicolon"),
        pytest.param("metric=uptime&labelSelector=a%", "cannot parse the parameters of the URL", id="escape"),
        pytest.param("metric=uptime&where=x", 'unknown parameter "where": want metric, kind,', id="parameter"),
        pytest.param("metric=uptime&kind=pods", 'unknown kind "pods": want cluster, namespace', id="kind"),
        pytest.param("metric=uptime&groupBy=pod,", 'cannot group pod metrics by ""', id="empty key"),
        pytest.param("metric=uptime&groupBy=container", 'cannot group pod metrics by "container": want', id="key"),
        pytest.param("metric=uptime&groupBy=label:a/b/c", "label", id="label"),
        pytest.param("metric=uptime&kind=cluster&groupBy=node", "want no groupBy", id="cluster's key"),
        pytest.param("metric=uptime&kind=namespace&groupBy=label:app", "cannot group namespace metrics by l", id="ns"),
        pytest.param(
            "metric=uptime&groupBy=" + ",".join(f"label:l{i}" for i in range(9)), "more than 8 labels", id="labels"
        ),
        pytest.param("metric=uptime&labelSelector=a+in", 'cannot parse labelSelector "a in"', id="selector"),
        pytest.param("metric=uptime&kind=cluster&labelSelector=a", "cannot select cluster metrics by label", id="sel"),
        pytest.param("metric=uptime&fieldSelector=status.phase%3DX", 'by field "status.phase": want meta', id="field"),
        pytest.param("metric=uptime&kind=cluster&fieldSelector=a%3DX", "want no fieldSelector", id="no fields"),
        pytest.param("metric=uptime&across=mean", 'unknown function "mean" in across: want sum, av', id="function"),
        pytest.param("metric=uptime&across=last", 'unknown function "last" in across', id="last across"),
        pytest.param("metric=uptime&pooled=last", 'unknown function "last" in pooled', id="last pooled"),
        pytest.param("metric=uptime&over=0-perc", 'unknown function "0-perc" in over', id="percentile of nothing"),
        pytest.param("metric=uptime&over=101-perc", 'unknown function "101-perc" in over', id="percentile beyond"),
        pytest.param("metric=uptime&over=max,", 'unknown function "" in over', id="empty function"),
        pytest.param(
            "metric=uptime&over=" + ",".join(f"{i}-perc" for i in range(1, 18)),
            "17 functions, want at most 16",
            id="17",
        ),
        pytest.param("metric=uptime&across=max,min", "got 2 functions, want one", id="two across"),
        pytest.param("metric=uptime&pooled=max&over=max", "cannot have both pooled and over", id="pooled and over"),
        pytest.param("metric=uptime&rate=1", 'cannot parse rate: got "1", want true or false', id="rate"),
        pytest.param("metric=uptime&window=15", "cannot parse window: missing unit in duration", id="no unit"),
        pytest.param("metric=uptime&window=-1m", "cannot parse window: got -1m, want more than 0s", id="window"),
        pytest.param("metric=uptime&window=1m&start=2017-12-11T10:00:00Z", "cannot have both start and w", id="two"),
        pytest.param("metric=uptime&end=2017-12-11T10:00:00Z", "end alone says nothing", id="end alone"),
        pytest.param("metric=uptime&start=x", "timestamp argument cannot be parsed", id="time"),
        pytest.param(
            "metric=uptime&start=2017-12-11T10:00:00Z&end=2017-12-11T10:00:00Z", "must be later than", id="no time"
        ),
        pytest.param("metric=uptime&bucket=5x", "unable to parse bucket size", id="bucket"),
        pytest.param("metric=uptime&top=0", 'cannot parse top: got "0", want a number from 1', id="top"),
        pytest.param("metric=uptime&top=many", 'cannot parse top: got "many"', id="top text"),
        pytest.param("metric=uptime&order=up", 'cannot parse order: got "up", want asc or desc', id="order"),
        pytest.param("metric=uptime&format=xml", 'unknown format "xml": want json, csv, arrow', id="format"),
    ],
)
async def test_what_cannot_be_meant_is_refused(cluster, query, message):
    answer = await ask(cluster.app, f"{PATH}?{query}")
    assert answer.status == 400, answer.text
    status = answer.json
    assert (status["kind"], status["status"], status["reason"], status["code"]) == (
        "Status",
        "Failure",
        "BadRequest",
        400,
    )
    assert message in status["message"]


@pytest.mark.parametrize(
    ("limits", "query", "hint"),
    [
        pytest.param({"max_rows": 5}, "groupBy=pod", "the limit is 5: ask for top=N", id="rows"),
        pytest.param({"max_rows": 11}, "groupBy=pod&window=3m&bucket=1m", "raise --query-max-rows", id="buckets"),
        pytest.param({"max_samples": 17}, "groupBy=pod&pooled=median&window=10m", "raise --query-max-s", id="cells"),
    ],
)
async def test_an_answer_that_costs_too_much_says_how_to_ask_for_less(limits, query, hint):
    cluster = Cluster({"query_limits": QueryLimits(**limits)})
    answer = await ask(cluster.app, f"{PATH}?metric=memory/usage&{query}")
    assert answer.status == 400
    assert hint in answer.json["message"]
    assert (await ask(cluster.app, f"{PATH}?metric=memory/usage&groupBy=pod&top=2")).status == 200


async def test_an_answer_that_takes_too_long_is_a_timeout():
    cluster = Cluster({"query_limits": QueryLimits(timeout_seconds=0)})
    answer = await ask(cluster.app, f"{PATH}?metric=memory/usage")
    assert (answer.status, answer.json["reason"]) == (504, "Timeout")
    assert "raise --query-timeout" in answer.json["message"]


async def test_before_the_first_batch_there_is_nothing():
    answer = await ask(Cluster(n_batches=0).app, f"{PATH}?metric=memory/usage")
    assert (answer.status, answer.json["reason"]) == (503, "ServiceUnavailable")


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_only_get_and_post_are_allowed(cluster, method):
    answer = await ask(cluster.app, f"{PATH}?metric=memory/usage", method)
    assert (answer.status, answer.json["reason"]) == (405, "MethodNotAllowed")
    assert answer.headers["allow"] == "GET, HEAD, POST"


FORM = (("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),)


async def post(cluster: Cluster, body: str, query: str = "", headers: tuple[tuple[str, str], ...] = FORM) -> Answer:
    return await ask(cluster.app, f"{PATH}?{query}", "POST", headers, body=body.encode())


@pytest.mark.parametrize(
    "query",
    [
        "metric=cpu/usage_rate&groupBy=pod,label:app&top=2&window=10m",
        "metric=filesystem/usage&kind=node&groupBy=resource_id",
    ],
)
async def test_a_form_is_the_same_question(cluster, query):
    wanted = await ask(cluster.app, f"{PATH}?{query}")
    assert wanted.json["items"]
    assert (await post(cluster, query)).json == wanted.json
    parts = query.split("&")
    assert (await post(cluster, "&".join(parts[1:]), parts[0])).json == wanted.json
    assert (await post(cluster, "", query)).json == wanted.json


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        pytest.param("app in (web,{many})", ["default", "shop"], id="some of many"),
        pytest.param("app in (job,{many}),tier!=front,app in (web,job)", ["default"], id="and others"),
        pytest.param("app notin (web,job,{many})", ["default"], id="none of many"),
    ],
)
async def test_a_form_may_be_longer_than_a_url(cluster, selector, names):
    many = ",".join(f"app-{n}" for n in range(10_000))
    body = urlencode({
        "metric": "cpu/usage_rate", "groupBy": "namespace",
        "labelSelector": selector.format(many=many),
    })  # fmt: skip
    assert len(body) > 64 * 1024
    answer = await post(cluster, body)
    assert [row["namespace"] for row in answer.json["items"]] == names


@pytest.mark.parametrize("slice_", [1, 200])
@pytest.mark.parametrize(
    ("selector", "namespaces"),
    [("n > 1", ["b", "c"]), ("n < 2,n", ["a"]), ("n > 0,n notin (1,3),n in (1,2,3)", ["b"])],
)
async def test_selectors_mean_the_same_in_slices(selector, namespaces, slice_, monkeypatch):
    monkeypatch.setattr("heapfast.query.selection.SLICE_VALUES", slice_)
    cluster = Cluster(n_batches=0)
    for n, namespace in enumerate("abc", 1):
        slot = cluster.store.put_pod(namespace, "p", uid="", labels="")
        cluster.pods.put(slot, namespace, {"n": str(n)})
        cluster.store.ingest(rows_of([container(namespace, "p", "c", {"memory/usage": 1})]), -1, T0_NS)
    cluster.tick(T0_NS)
    query = urlencode({"metric": "memory/usage", "groupBy": "namespace", "labelSelector": selector})
    assert [row["namespace"] for row in await items(cluster, query)] == namespaces


@pytest.mark.parametrize(
    ("body", "query", "headers", "status", "reason", "message"),
    [
        pytest.param("metric=uptime", "metric=uptime", FORM, 400, "BadRequest", '"metric" both in', id="twice"),
        pytest.param("metric=uptime&timeout=1s", "", FORM, 400, "BadRequest", "cannot take timeout from", id="limit"),
        pytest.param("metric=uptime&where=x", "", FORM, 400, "BadRequest", 'unknown parameter "where"', id="unknown"),
        pytest.param("metric=uptime&labelSelector=a%zz", "", FORM, 400, "BadRequest", "the body: write", id="escape"),
        pytest.param("", "", FORM, 400, "BadRequest", "metric is missing", id="empty"),
        pytest.param('{"metric": "uptime"}', "", (("Content-Type", "application/json"),), 415, "UnsupportedMediaType",
                     'a body of type "application/json": want application/x-www-form-urlencoded', id="JSON"),
        pytest.param("metric=uptime", "", (), 415, "UnsupportedMediaType", 'a body of type ""', id="no type"),
        pytest.param("x", "", (*FORM, ("Content-Encoding", "gzip")), 415, "UnsupportedMediaType", "gzip", id="gz"),
        pytest.param("metric=uptime&labelSelector=" + "a" * 1000, "", FORM, 413, "RequestEntityTooLarge",
                     "a body of more than 1000 bytes: select by a label that fewer values describe, or raise "
                     "--query-max-body-bytes", id="too long"),
        pytest.param("", "", (*FORM, ("Content-Length", "1001")), 413, "RequestEntityTooLarge", "more than 1000 bytes",
                     id="states that it is too long"),
    ],
)  # fmt: skip
async def test_a_form_that_is_not_taken_says_why(body, query, headers, status, reason, message):
    cluster = Cluster({"query_limits": QueryLimits(max_body_bytes=1000)})
    answer = await post(cluster, body, query, headers)
    assert (answer.status, answer.json["reason"]) == (status, reason)
    assert message in answer.json["message"]


async def test_a_long_answer_is_compressed(cluster, monkeypatch):
    monkeypatch.setattr("heapfast.api.query.COMPRESS_ABOVE_BYTES", 100)
    query = f"{PATH}?metric=memory/usage&groupBy=pod"
    plain = await ask(cluster.app, query)
    packed = await ask(cluster.app, query, headers=(("Accept-Encoding", "gzip"),))
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.text == plain.text


class Hanging:
    """An app's client that hangs up as soon as it is listened to."""

    def __init__(self, *, has_more: bool = False) -> None:
        first = {"type": "http.request", "body": b"window=1m", "more_body": has_more}
        self.events = iter([first, {"type": "http.disconnect"}])
        self.sent: list[dict[str, Any]] = []

    async def receive(self) -> dict[str, Any]:
        return next(self.events)

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)


def scope(method: str) -> dict[str, Any]:
    return {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": method,
        "scheme": "http", "path": PATH, "raw_path": PATH.encode(), "query_string": b"metric=memory/usage",
        "root_path": "", "headers": [(name.lower().encode(), value.encode()) for name, value in FORM],
        "server": ("127.0.0.1", 1), "client": ("127.0.0.1", 2),
    }  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_question_of_a_client_that_has_gone_is_cancelled(method, monkeypatch):
    cancelled = asyncio.Event()
    loop = asyncio.get_running_loop()

    class Slow:
        """In place of the work: ends when it is told to."""

        def __init__(self, *arguments: object) -> None:
            self.stop = False

        def cancel(self) -> None:
            self.stop = True
            loop.call_soon_threadsafe(cancelled.set)

        def run(self, *arguments: object, **more: object) -> bytes:
            while not self.stop:
                pass
            raise Cancelled

    monkeypatch.setattr("heapfast.api.query._Job", Slow)
    registry = CollectorRegistry()
    client = Hanging()
    app = Cluster({"query_monitoring": QueryMonitoring(registry)}).app
    await app(scope(method), client.receive, client.send)
    assert cancelled.is_set()
    assert counted(registry, "seconds_count", outcome="cancelled") == 1


async def test_a_body_that_breaks_off_is_no_question():
    registry = CollectorRegistry()
    client = Hanging(has_more=True)
    app = Cluster({"query_monitoring": QueryMonitoring(registry)}).app
    await app(scope("POST"), client.receive, client.send)
    assert client.sent[0]["status"] == 503
    assert counted(registry, "seconds_count", outcome="cancelled") == 1


async def secure_answer(target: str, **options: Any) -> Answer:
    cluster = SecureCluster(**options)
    for _ in range(2):
        closing = cluster.store.swap(cluster.clock.now_ns())
        closing.run()
        cluster.store.commit(closing, cluster.clock.now_ns())
        cluster.answer()
    return await cluster.get(target)


async def test_the_secure_port_answers_too():
    answer = await secure_answer(
        f"{PATH}?metric=memory/working_set&labelSelector=app%3Dweb&groupBy=label:app&across=count"
    )
    assert answer.status == 200
    assert [(row["label:app"], row["average"]) for row in answer.json["items"]] == [("web", 3)]
    answer = await secure_answer("/apis/heapfast/v1/nope")
    assert (answer.status, answer.json["reason"]) == (404, "NotFound")


async def test_the_group_can_be_registered_but_is_not_listed():
    cluster = SecureCluster()
    resources = await cluster.get("/apis/heapfast/v1")
    assert resources.json["groupVersion"] == "heapfast/v1"
    assert [(one["name"], one["namespaced"], one["verbs"]) for one in resources.json["resources"]] == [
        ("query", True, ["create", "list"])
    ]
    assert (await cluster.get("/apis/heapfast")).json["preferredVersion"]["version"] == "v1"
    assert "heapfast" not in (await cluster.get("/apis")).text


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize(("path", "namespace"), [(PATH, ""), (SHOP, "shop")])
def test_permission_is_asked_for_the_namespace_of_the_path(path, namespace, method):
    parsers = QueryParsers(lambda raw: {}, lambda text: (), lambda text: ())
    attributes = AttributeReader(parsers, ASKED_BY_POST).read(
        method, path, b"metric=x&fieldSelector=metadata.namespace%3Dd"
    )
    assert attributes.is_resource
    assert (attributes.verb, attributes.group, attributes.version) == ("list", "heapfast", "v1")
    assert (attributes.resource, attributes.namespace) == ("query", namespace)


def counted(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(f"heapfast_query_{name}", labels)


@pytest.mark.parametrize(
    ("limits", "query", "outcome", "limit"),
    [
        pytest.param({}, "metric=memory/usage&groupBy=pod&top=2&window=3m&bucket=1m", "answered", "", id="answered"),
        pytest.param({}, "metric=nope", "refused", "", id="refused"),
        pytest.param({"max_rows": 5}, "metric=memory/usage&groupBy=pod", "limited", "query-max-rows", id="rows"),
        pytest.param({"max_samples": 5}, "metric=memory/usage&groupBy=pod&pooled=median&window=10m", "limited",
                     "query-max-samples", id="samples"),
        pytest.param({"timeout_seconds": 0}, "metric=memory/usage", "limited", "query-timeout", id="time"),
    ],
)  # fmt: skip
async def test_questions_are_counted_by_how_they_end(limits, query, outcome, limit):
    registry = CollectorRegistry()
    cluster = Cluster({"query_limits": QueryLimits(**limits), "query_monitoring": QueryMonitoring(registry)})
    answer = await ask(cluster.app, f"{PATH}?{query}")
    for one in Outcome:
        assert counted(registry, "seconds_count", outcome=one) == (one == outcome), one
    for one in LIMITS:
        assert counted(registry, "limits_total", limit=one) == (one == limit), one
    is_answered = outcome == "answered"
    assert counted(registry, "rows_total") == (len(answer.json["items"]) if is_answered else 0) == 6 * is_answered
    assert counted(registry, "bytes_total") == (len(answer.body) if is_answered else 0)


async def test_a_body_that_is_too_long_is_counted():
    registry = CollectorRegistry()
    options = {"query_limits": QueryLimits(max_body_bytes=1), "query_monitoring": QueryMonitoring(registry)}
    assert (await post(Cluster(options), "metric=uptime")).status == 413
    assert counted(registry, "limits_total", limit="query-max-body-bytes") == 1
    assert counted(registry, "seconds_count", outcome="limited") == 1


async def test_questions_before_the_first_batch_are_counted():
    registry = CollectorRegistry()
    await ask(Cluster({"query_monitoring": QueryMonitoring(registry)}, n_batches=0).app, f"{PATH}?metric=uptime")
    assert counted(registry, "seconds_count", outcome="unavailable") == 1


async def test_every_limit_is_a_flag():
    assert set(LIMITS) == {name for name in FLAGS if name.startswith("query-")}
