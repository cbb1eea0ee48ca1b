"""/metrics/cluster on both ports."""

from __future__ import annotations

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from heapfast.api.negotiation import quality_of
from heapfast.auth.attributes import AttributeReader, QueryParsers
from tests.unit.api.client import ask
from tests.unit.api.cluster import Cluster
from tests.unit.api.k8s_cluster import SecureCluster

PATH = "/metrics/cluster"
#: As Prometheus 2.42 and 3 ask, and one that was told to prefer the older format.
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0;q=0.75,application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=0.0.4;q=0.25,*/*;q=0.1"
)
PREFERS_TEXT = "text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1"


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return Cluster()


def samples(text: str) -> dict[tuple[str, str], float]:
    """(name, pod) -> value."""
    return {(s.name, s.labels.get("pod", "")): s.value for family in parse_text(text) for s in family.samples}


async def test_everything_is_served(cluster):
    answer = await ask(cluster.app, PATH)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = samples(answer.text)
    assert found["heapfast_cluster_cpu_usage_cores", ""] == 3.516
    assert found["heapfast_pod_memory_working_set_bytes", "job"] == 1048576


@pytest.mark.parametrize(
    ("query", "names", "pods"),
    [
        pytest.param("selector=app%3Dweb&metrics=uptime&kinds=container", {"container_uptime_seconds"}, {"web-0"}),
        pytest.param(
            "selector=app%3Djob&metrics=cpu_usage_cores",
            {"pod_cpu_usage_cores", "container_cpu_usage_cores"},
            {"job"},
            id="and containers",
        ),
        pytest.param("namespaces=no,shop&metrics=cpu/limit&kinds=pod", {"pod_cpu_limit_cores"}, {"web-0"}),
        pytest.param("namespaces=nope", set(), set(), id="nowhere"),
        pytest.param("kinds=cluster&metrics=cpu/usage_rate", {"cluster_cpu_usage_cores"}, {""}, id="kind"),
        pytest.param("metrics=custom/*", {"container_custom_qps", "container_custom_ratio",
                                          "pod_custom_qps", "pod_custom_ratio"}, {"web-0"}, id="custom"),
    ],
)  # fmt: skip
async def test_a_part_is_served(cluster, query, names, pods):
    found = samples((await ask(cluster.app, f"{PATH}?{query}")).text)
    assert {name for name, _ in found} == {f"heapfast_{name}" for name in names}
    assert {pod for _, pod in found} == pods


@pytest.mark.parametrize("accept", [PROMETHEUS_2, "application/openmetrics-text"])
async def test_openmetrics_is_served_to_who_prefers_it(cluster, accept):
    answer = await ask(cluster.app, PATH, headers=(("Accept", accept),))
    assert answer.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert {"heapfast_node_cpu_usage_seconds"} < {family.name for family in parse_openmetrics(answer.text)}


@pytest.mark.parametrize("accept", ["", "*/*", "text/plain", PREFERS_TEXT, "application/openmetrics-text;q=0,*/*"])
async def test_text_is_served_to_all_others(cluster, accept):
    answer = await ask(cluster.app, PATH, headers=(("Accept", accept),))
    assert answer.headers["content-type"].startswith("text/plain")


async def test_the_answer_is_compressed_on_demand(cluster):
    plain = await ask(cluster.app, PATH)
    packed = await ask(cluster.app, PATH, headers=(("Accept-Encoding", "gzip"),))
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.text == plain.text
    assert len(packed.raw) < len(plain.raw) / 5


async def test_a_bad_question_is_refused_with_its_reason(cluster):
    answer = await ask(cluster.app, f"{PATH}?kinds=pods")
    assert answer.status == 400
    assert answer.text.startswith('unknown kind "pods"')


async def test_before_the_first_batch_there_is_nothing():
    answer = await ask(Cluster(n_batches=0).app, PATH)
    assert (answer.status, answer.text) == (503, "no samples yet: the first batch is not closed")


async def test_requests_are_counted(cluster):
    await ask(cluster.app, f"{PATH}?kinds=cluster")
    metrics = (await ask(cluster.app, "/metrics")).text
    assert 'handler="clusterExposition"' in metrics


async def test_the_secure_port_serves_running_pods():
    cluster = SecureCluster()
    closing = cluster.store.swap(cluster.clock.now_ns())
    closing.run()
    cluster.store.commit(closing, cluster.clock.now_ns())
    answer = await cluster.get(f"{PATH}?selector=app%3Dweb&kinds=pod&metrics=memory/working_set")
    assert answer.status == 200
    found = samples(answer.text)
    assert found == {
        ("heapfast_pod_memory_working_set_bytes", "web-0"): 2**20,
        ("heapfast_pod_memory_working_set_bytes", "web-1"): 2**20,
    }


def test_permission_is_asked_for_the_path_whatever_the_query_says():
    reader = AttributeReader(QueryParsers(lambda raw: {}, lambda text: (), lambda text: ()))
    attributes = reader.read("GET", PATH, b"namespaces=shop")
    assert (attributes.is_resource, attributes.verb, attributes.path) == (False, "get", PATH)


@pytest.mark.parametrize(
    ("accept", "quality"),
    [
        ("text/plain", 1.0),
        ("TEXT/Plain;q=0.5", 0.5),
        ("text/plain ; version=0.0.4 ; q=0.25", 0.25),
        ("text/*;q=.5, */*", 0.5),
        ("application/json, */*;q=0.1", 0.1),
        ("application/json", 0.0),
        ("text/plain;q=0, */*", 0.0),
        ("text/plain;q=nan", 0.0),
        ("text/plain;q=1e9", 0.0),
        ("", 0.0),
    ],
)
def test_the_most_exact_range_says_how_much_a_type_is_wanted(accept, quality):
    assert quality_of("text/plain", accept) == quality
