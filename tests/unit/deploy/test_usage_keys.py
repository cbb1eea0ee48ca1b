"""The component usage-keys: what it adds to usage, how often it is asked for, and the right that this takes."""

from __future__ import annotations

import pytest

from heapfast.config.build import build_options
from tests.unit.deploy.rendering import Objects, render_with_components


@pytest.fixture(scope="module")
def objects() -> Objects:
    return render_with_components("usage-keys")


def test_the_summary_is_scraped_beside_the_resource_metrics(objects: Objects) -> None:
    options = build_options(objects.container["args"], {})
    assert options.notes == ()
    assert options.store.usage_keys == ("swap", "ephemeral-storage", "network")
    assert options.source.kind == "resource"
    assert options.source.side_resolution_ns == 60 * 10**9
    assert options.source.side_resolution_ns > options.resolution_ns


def test_the_daemon_may_read_both(objects: Objects) -> None:
    rules = objects.get("ClusterRole", "system:metrics-server")["rules"]
    assert {"apiGroups": [""], "resources": ["nodes/metrics", "nodes/stats"], "verbs": ["get"]} in rules
