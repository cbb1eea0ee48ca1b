"""The component custom-metrics: it registers what the daemon serves, and lets the autoscaler ask."""

from __future__ import annotations

import pytest

from heapfast.config.build import build_options
from heapfast.render.custom_metrics import GROUP, VERSIONS
from tests.unit.deploy.rendering import Objects, render_with_components


@pytest.fixture(scope="module")
def objects() -> Objects:
    return render_with_components("summary", "custom-metrics")


def test_the_daemon_is_told_to_serve_it(objects: Objects) -> None:
    options = build_options(objects.container["args"], {})
    assert options.notes == ()
    assert options.secure is not None
    assert options.secure.enable_custom_metrics
    assert options.source.kind == "summary"


def test_every_version_is_registered_and_the_preferred_one_comes_first(objects: Objects) -> None:
    services = [one["spec"] for one in objects.all if one["kind"] == "APIService" and one["spec"]["group"] == GROUP]
    services.sort(key=lambda spec: -spec["versionPriority"])
    assert [spec["version"] for spec in services] == list(VERSIONS)
    for spec in services:
        assert spec["service"] == objects.get("APIService", "v1.metrics.k8s.io")["spec"]["service"]
    assert {f"{version}.{GROUP}" for version in VERSIONS} <= objects.names("APIService")


def test_the_autoscalers_controller_may_ask_and_nobody_else(objects: Objects) -> None:
    role = objects.get("ClusterRole", "heapfast:custom-metrics-reader")
    assert role["rules"] == [{"apiGroups": [GROUP], "resources": ["*"], "verbs": ["get"]}]
    binding = objects.get("ClusterRoleBinding", role["metadata"]["name"])
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": "horizontal-pod-autoscaler", "namespace": "kube-system"}
    ]
