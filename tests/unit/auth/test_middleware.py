"""The rule in front of the app: every route but the probes."""

from __future__ import annotations

import pytest

from heapfast.auth.client_cert import ClientRule
from tests.unit.api.client import ask
from tests.unit.api.cluster import Cluster
from tests.unit.auth.test_client_cert import NOW_NS, certificate


@pytest.fixture(scope="module")
def guarded() -> Cluster:
    cluster = Cluster({"client_rule": ClientRule(frozenset(("bob",)))})
    cluster.clock.set_ns(NOW_NS)
    return cluster


@pytest.mark.parametrize("path", ["/api/v1/model/nodes/", "/metrics", "/nope", "/version", "/debug/targets"])
async def test_guards_what_is_not_a_probe(guarded: Cluster, path: str) -> None:
    for certificates, status, text in (
        (None, 401, "Unauthorized\n"),
        ([], 401, "Unauthorized\n"),
        ([certificate("mallory")], 403, "Forbidden\n"),
    ):
        answer = await ask(guarded.app, path, certificates=certificates)
        assert (answer.status, answer.text) == (status, text)
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert (await ask(guarded.app, path, certificates=[certificate("bob")])).status in (200, 404)


@pytest.mark.parametrize("path", ["/healthz", "/healthz/healthz", "/livez", "/readyz"])
async def test_probes_need_no_certificate(guarded: Cluster, path: str) -> None:
    assert (await ask(guarded.app, path)).status not in (401, 403)
