"""The component query: it registers the group, and lets who may view a namespace ask there."""

from __future__ import annotations

import pytest

from heapfast.api.cluster_metrics import CLUSTER_METRICS_PATH
from heapfast.api.query import GROUP_NAME, QUERY_PREFIX
from heapfast.api.secure_routes import QUERY_RESOURCES
from tests.unit.deploy.rendering import Objects, render_chart, render_with_components


@pytest.fixture(scope="module")
def objects() -> Objects:
    return render_with_components("query")


def test_the_group_is_registered_where_metrics_are(objects: Objects) -> None:
    spec = objects.get("APIService", f"v1.{GROUP_NAME}")["spec"]
    assert f"/apis/{spec['group']}/{spec['version']}" == QUERY_PREFIX
    assert spec["service"] == objects.get("APIService", "v1beta1.metrics.k8s.io")["spec"]["service"]


def test_who_may_view_a_namespace_may_query_it(objects: Objects) -> None:
    role = objects.get("ClusterRole", "heapfast:query")
    (resource,) = QUERY_RESOURCES
    assert role["rules"] == [{"apiGroups": [GROUP_NAME], "resources": [resource.name], "verbs": list(resource.verbs)}]
    assert role["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-view"] == "true"


def test_there_is_a_role_for_prometheus(objects: Objects) -> None:
    role = objects.get("ClusterRole", "heapfast:cluster-metrics")
    assert role["rules"] == [{"nonResourceURLs": [CLUSTER_METRICS_PATH], "verbs": ["get"]}]


def test_helm_renders_the_same(objects: Objects) -> None:
    chart = render_chart("query.enabled=true")
    assert chart.get("APIService", "v1.heapfast")["spec"]["group"] == GROUP_NAME
    for name in ("query", "cluster-metrics"):
        wanted = objects.get("ClusterRole", f"heapfast:{name}")
        assert chart.get("ClusterRole", f"metrics-server-heapfast:{name}")["rules"] == wanted["rules"]
    assert "v1.heapfast" not in render_chart().names("APIService")
