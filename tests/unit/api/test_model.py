"""The model API: spec section 17's checklist, and what section 14 keeps and section 15 mends."""

from __future__ import annotations

import pytest

from heapfast.api.model import SLICE_ITEMS
from tests.unit.api.client import ask
from tests.unit.api.cluster import FIRST, LAST, Cluster

MODEL = "/api/v1/model"
NOTHING = {"metrics": [], "latestTimestamp": "0001-01-01T00:00:00Z"}
BAD_TIME = (
    'timestamp argument cannot be parsed: parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"'
)
BAD_OFFSET = (
    'timestamp argument cannot be parsed: parsing time "2017-12-12T08:00:00 08:00" '
    'as "2006-01-02T15:04:05Z07:00": cannot parse "" as "Z07:00"'
)
GPU = "/namespaces/default/pods/web-0/containers/nginx/metrics/accelerator/memory_used"
NODE_FS = f"{MODEL}/nodes/node-1/metrics/filesystem/usage"
NGINX = f"{MODEL}/namespaces/default/pods/web-0/containers/nginx"


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return Cluster()


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/nodes/", ["node-1"]),
        ("/namespaces", ["default", "lost", "shop"]),
        ("/namespaces/default/pods/", ["half", "job", "over", "web-0"]),
        ("/namespaces/default/pods/web-0/containers", ["a-sidecar", "nginx"]),
        ("/nodes/node-1/freecontainers", ["kubelet", "system.slice/docker.service"]),
        ("/nodes/node-1.example/freecontainers/", ["kubelet", "system.slice/docker.service"]),
        ("/nodes/nope/freecontainers/", []),
        ("/nodes/node-2/freecontainers/", []),
        ("/namespaces/nope/pods", []),
        ("/namespaces/default/pods/nope/containers", []),
        ("/namespaces/nope/metrics", []),
        ("/nodes/nope/metrics", []),
        ("/namespaces/default/pods/nope/metrics", []),
        ("/namespaces/lost/pods/unknown-to-the-api/containers", ["app <&> \u2028"]),
    ],
)
async def test_lists(cluster: Cluster, path: str, names: list[str]) -> None:
    answer = await ask(cluster.app, MODEL + path)
    assert (answer.status, answer.json) == (200, names)


async def test_all_keys(cluster: Cluster) -> None:
    keys = (await ask(cluster.app, f"{MODEL}/debug/allkeys")).json
    assert sorted(keys) == cluster.store.newest.keys()


async def test_names_of_metrics_include_labelled_ones(cluster: Cluster) -> None:
    slashless, slashed = [(await ask(cluster.app, f"{MODEL}/metrics{end}")).raw for end in ("", "/")]
    assert slashless == slashed
    node = (await ask(cluster.app, f"{MODEL}/nodes/node-1.example/metrics")).json
    assert {"filesystem/usage", "cpu/node_capacity", "network/rx_rate"} < set(node)
    assert node == sorted(set(node))
    assert "accelerator/duty_cycle" in (await ask(cluster.app, f"{NGINX}/metrics")).json


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("/metrics/cpu/usage_rate", [3516, 3516]),
        ("/metrics/cpu-usage", [3516, 3516]),
        ("/nodes/node-1/metrics/memory-working", [8371499008] * 3),
        ("/nodes/node-1.example/metrics/memory/working_set", [8371499008] * 3),
        ("/namespaces/shop/metrics/cpu/usage_rate", [1500, 1500]),
        ("/namespaces/default/pods/web-0/metrics/cpu-limit", [1000] * 3),
        ("/namespaces/default/pods/web-0/containers/nginx/metrics/memory-limit", [2**27] * 3),
        ("/namespaces/default/pods/web-0/containers/nginx/metrics/custom/qps", [17] * 3),
        ("/nodes/node-1/freecontainers/kubelet/metrics/cpu/usage_rate", [100, 100]),
        ("/nodes/node-1.example/freecontainers/kubelet/metrics/cpu/usage_rate", [100, 100]),
        (f"/nodes/node-1/metrics/memory/usage?start={LAST}&end={LAST}", [8371500032]),
        (f"/nodes/node-1/metrics/memory/usage?start={LAST}&end={FIRST}", []),
        ("/nodes/node-1/metrics/memory/usage?end=2017-12-11T12:00:00%2B02:00", [8371500032]),
        ("/nodes/node-1/metrics/memory/usage?start=2017-12-11T10:01:00.000000001Z", [8371500032]),
        (f"/nodes/node-1/metrics/memory/usage?start={LAST};end={LAST}&start=%zz", [8371500032] * 3),
        (f"/nodes/node-1/metrics/memory/usage?start={LAST}&start=x", [8371500032]),
        ("/nodes/node-1/metrics/memory/usage?labels=", [8371500032] * 3),
        ("/nodes/node-1/metrics/memory/usage?labels=resource_id:/", []),
        ("/nodes/node-1/metrics/filesystem/usage", []),
        ("/nodes/node-1/metrics/filesystem/usage?labels=resource_id:/", [40960] * 3),
        ("/nodes/node-1/metrics/filesystem/usage?labels=resource_id:/,x:y", []),
        ("/nodes/node-1/metrics/filesystem/usage?labels=resource_id:%ff", []),
        ("/nodes/nope/metrics/filesystem/usage?labels=resource_id:/", []),
        ("/namespaces/default/pods/web-0/metrics/filesystem/usage?labels=resource_id:Volume:data", [12] * 3),
        (
            f"{GPU}?labels=accelerator_id:GPU-0,make:nvidia,model:k80",
            [10] * 3,
        ),
        (
            f"{GPU}?labels=make:nvidia",
            [],
        ),
    ],
)
async def test_series(cluster: Cluster, path: str, values: list[int]) -> None:
    for _ in range(2):
        answer = await ask(cluster.app, MODEL + path)
        assert answer.status == 200
        assert [point["value"] for point in answer.json["metrics"]] == values
        last = answer.json["metrics"][-1]["timestamp"] if values else NOTHING["latestTimestamp"]
        assert answer.json["latestTimestamp"] == last


@pytest.mark.parametrize(
    "path",
    [
        "/metrics/none",
        "/metrics/custom/none",
        "/nodes/nope/metrics/uptime",
        "/namespaces/nope/metrics/memory/usage",
        "/namespaces/default/pods/%00/metrics/uptime",
        "/namespaces/default/pods/web-0/containers/nope/metrics/uptime",
        "/nodes/nope/freecontainers/kubelet/metrics/uptime",
    ],
)
async def test_what_is_unknown_is_empty(cluster: Cluster, path: str) -> None:
    answer = await ask(cluster.app, MODEL + path)
    assert (answer.status, answer.json) == (200, NOTHING)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("start=x&end=x&labels=x", BAD_TIME),
        (f"start={FIRST}&end=x&labels=x", BAD_TIME),
        (f"start={FIRST}&labels=abc", 'invalid label pair "abc"'),
        ("labels=a:b,", 'invalid label pair ""'),
        ("labels=%ff", r'invalid label pair "\xff"'),
        (
            "start=2017-12-12T08:00:00+08:00",
            BAD_OFFSET,
        ),
    ],
)
@pytest.mark.parametrize("path", [NODE_FS, f"{MODEL}/namespaces/default/pod-list/web-0,x/metrics/uptime"])
async def test_bad_parameters_are_refused_in_order(cluster: Cluster, path: str, query: str, text: str) -> None:
    answer = await ask(cluster.app, f"{path}?{query}")
    assert (answer.status, answer.text) == (400, text)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


async def test_pod_lists_have_an_item_for_each_name(cluster: Cluster) -> None:
    path = f"{MODEL}/namespaces/default/pod-list/web-0,gone,,web-0/metrics/memory-usage"
    answer = await ask(cluster.app, path)
    assert answer.text.endswith("}]}\n") or answer.text.endswith('"}]}\n')
    assert " " not in answer.text
    first, gone, empty, again = answer.json["items"]
    assert first == again
    assert len(first["metrics"]) == 3
    assert gone == empty == NOTHING


async def test_long_pod_lists_come_in_chunks(cluster: Cluster) -> None:
    names = ["gone", "web-0"] * SLICE_ITEMS
    answer = await ask(cluster.app, f"{MODEL}/namespaces/default/pod-list/{','.join(names)}/metrics/uptime")
    assert answer.n_messages > 1
    assert [len(item["metrics"]) for item in answer.json["items"]] == [0, 3] * SLICE_ITEMS
    text = (await ask(cluster.app, "/metrics")).text
    counted = 'http_response_size_bytes_count{handler="podListMetric"}'
    assert counted in text


async def test_pod_lists_of_labelled_metrics(cluster: Cluster) -> None:
    path = f"{MODEL}/namespaces/default/pod-list/web-0,job,gone/metrics/filesystem/usage?labels=resource_id:Volume:data"
    items = (await ask(cluster.app, path)).json["items"]
    assert [[point["value"] for point in item["metrics"]] for item in items] == [[12] * 3, [], []]


async def test_floats_have_both_values(cluster: Cluster) -> None:
    ratio = (await ask(cluster.app, f"{NGINX}/metrics/custom/ratio")).json["metrics"][0]
    assert ratio == {"timestamp": FIRST, "value": 0, "floatValue": 0.25}


async def test_before_the_first_batch_everything_is_empty() -> None:
    cluster = Cluster(n_batches=0)
    for path in (
        "/nodes/", "/namespaces/", "/metrics/", "/debug/allkeys", "/namespaces/default/pods",
        "/nodes/node-1/metrics", "/nodes/node-1/freecontainers", "/namespaces/default/pods/web-0/containers",
    ):  # fmt: skip
        assert (await ask(cluster.app, MODEL + path)).raw == b"[]"
    assert (await ask(cluster.app, f"{MODEL}/metrics/cpu/usage_rate")).json == NOTHING


async def test_without_the_metric_sink_there_is_no_model() -> None:
    cluster = Cluster({"disable_metric_sink": True})
    assert (await ask(cluster.app, f"{MODEL}/nodes/")).text == "404 page not found\n"
    for path in ("/api/v1/metric-export", "/apis/metrics/v1alpha1/nodes", "/apis/metrics/v1alpha1/pods"):
        answer = await ask(cluster.app, path)
        assert (answer.status, "metric sink" in answer.text) == (503, True)
    assert (await ask(cluster.app, "/healthz")).status == 500
