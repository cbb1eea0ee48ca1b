"""Paths: the two routers, cleaning, escapes, and what each route's path reaches."""

from __future__ import annotations

import pytest

from heapfast.api import routes
from tests.unit.api.client import ask
from tests.unit.api.cluster import Cluster

MUX_404 = (404, "404 page not found\n", "nosniff")
RESTFUL_404 = (404, "404: Page Not Found", None)


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return Cluster()


@pytest.mark.parametrize(
    ("path", "outcome"),
    [
        ("/", MUX_404),
        ("/api", MUX_404),
        ("/api/v1", MUX_404),
        ("/api/v1/", MUX_404),
        ("/api/v2/model/nodes/", MUX_404),
        ("/apis/metrics", MUX_404),
        ("/healthz/", MUX_404),
        ("/healthz/nope", MUX_404),
        ("/metrics/", MUX_404),
        ("/debug", MUX_404),
        ("/debug/", MUX_404),
        ("/debug/targets/", MUX_404),
        ("/api/v1/modelx", MUX_404),
        ("/api/v1/historical/metrics/", MUX_404),
        ("/API/v1/model/nodes", MUX_404),
        ("/api/v1/model", RESTFUL_404),
        ("/api/v1/model/", RESTFUL_404),
        ("/api/v1/model/foo", RESTFUL_404),
        ("/api/v1/model/Nodes", RESTFUL_404),
        ("/api/v1/model/nodes/n1", RESTFUL_404),
        ("/api/v1/model/nodes/a%2Fb/metrics/", RESTFUL_404),
        ("/api/v1/model/namespaces/default/pod-list/a,b/metrics", RESTFUL_404),
        ("/api/v1/model/debug", RESTFUL_404),
        ("/api/v1/metric-export/x", RESTFUL_404),
        ("/apis/metrics/v1alpha1", RESTFUL_404),
        ("/apis/metrics/v1alpha1/namespaces", RESTFUL_404),
        ("/apis/metrics/v1alpha1/nodes/a/b", RESTFUL_404),
        ("/debug/pprof/", RESTFUL_404),
        ("/debug/pprof/heap", (404, "Unknown profile\n", "nosniff")),
        ("/api/v1/model/nodes/%/metrics/", (400, "400 Bad Request", None)),
        ("/api/v1/model/nodes/%2/metrics/", (400, "400 Bad Request", None)),
        ("*", (400, "400 Bad Request", None)),
    ],
)
async def test_unknown_paths(cluster: Cluster, path: str, outcome: tuple[int, str, str | None]) -> None:
    for _ in range(2):
        answer = await ask(cluster.app, path)
        assert (answer.status, answer.text, answer.headers.get("x-content-type-options")) == outcome
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/api/v1/model//metrics", "/api/v1/model/metrics"),
        ("//api/v1/model/nodes/", "/api/v1/model/nodes/"),
        ("/api/v1/model/nodes//metrics/cpu/usage_rate?a=b&c", "/api/v1/model/nodes/metrics/cpu/usage_rate?a=b&c"),
        ("/api/v1/./model/x/../nodes", "/api/v1/model/nodes"),
        ("/api/v1/model/%2F%2Fnodes", "/api/v1/model/nodes"),
        ("/a/../../..//", "/"),
        ("/nope//<b>%20é", "/nope/%3Cb%3E%20%C3%A9"),
        ("/debug/pprof", "/debug/pprof/"),
    ],
)
async def test_paths_are_cleaned_by_redirect(cluster: Cluster, target: str, location: str) -> None:
    answer = await ask(cluster.app, target)
    assert (answer.status, answer.headers["location"]) == (301, location)
    assert answer.text == f'<a href="{location.replace("&", "&amp;")}">Moved Permanently</a>.\n\n'
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    posted = await ask(cluster.app, target, "POST")
    assert (posted.status, posted.headers["location"], posted.raw) == (301, location, b"")


@pytest.mark.parametrize("path", ["/.well-known", "/...", "/api/v1/model/nodes/.hidden/metrics"])
async def test_dots_in_names_are_no_reason_to_redirect(cluster: Cluster, path: str) -> None:
    assert (await ask(cluster.app, path)).status != 301


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/model/nodes/node-1/metrics/cpu/usage_rate",
        "/api/v1/model/nodes/node-1/metrics/cpu/usage_rate/",
        "/api/v1/model/nodes/node-1/metrics/cpu%2Fusage_rate/",
        "/api/v1/model/nodes/node-1/metrics/cpu%2fusage_rate",
        "/api/v1/model%2Fnodes%2Fnode-1/metrics/cpu/usage_rate",
        "/api/v1/model/nodes/node%2D1/metrics/cpu/usage_rate",
        "/api/v1/model/nodes/node-1/metrics/cpu-usage",
    ],
)
async def test_one_series_under_many_paths(cluster: Cluster, path: str) -> None:
    answer = await ask(cluster.app, path)
    assert [point["value"] for point in answer.json["metrics"]] == [10_000, 10_000]


@pytest.mark.parametrize("container", ["system.slice%2Fdocker.service", "system.slice%2fdocker.service"])
async def test_a_containers_name_may_hold_encoded_slashes(cluster: Cluster, container: str) -> None:
    path = f"/api/v1/model/nodes/node-1/freecontainers/{container}/metrics/memory%2Fworking_set"
    assert [point["value"] for point in (await ask(cluster.app, path)).json["metrics"]] == [2048] * 3
    decoded = path.replace("%2F", "/").replace("%2f", "/")
    assert (await ask(cluster.app, decoded)).status == 404


async def test_an_encoded_slash_behind_containers_still_separates_where_nothing_else_fits(cluster: Cluster) -> None:
    path = "/api/v1/model/namespaces/default/pods/web-0/containers/nginx%2Fmetrics"
    assert "cpu/usage" in (await ask(cluster.app, path)).json


def test_every_row_of_the_tables_is_reached_by_its_own_path() -> None:
    cluster = Cluster(n_batches=0)
    router = cluster.app._router
    families = ((routes.MODEL_PREFIX, routes.MODEL), ("", routes.EXPORT), (routes.DASHBOARD_PREFIX, routes.DASHBOARD))
    for prefix, rows in (*families, (routes.METRICS_V1ALPHA1_PREFIX, routes.METRICS_V1ALPHA1)):
        for row in rows:
            path = (prefix + row.path).replace("{metric:*}", "cpu/usage_rate").replace("{", "").replace("}", "")
            request = type("Request", (), {"scope": {"raw_path": path.encode()}})()
            assert router.find(path, request)[3] == prefix + row.path
