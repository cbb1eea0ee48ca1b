"""What the HorizontalPodAutoscaler asks, and what it makes of the answer, in protobuf field by field."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from typing import NamedTuple

import aiohttp
import pytest

from heapfast.sim.options import SimulateOptions
from tests.integration.metrics_server import Aggregated, client_context, read_usage, run_aggregated
from tests.protobuf import all_of, integer, text, unwrap

OPTIONS = SimulateOptions(nodes=3, pods_per_node=6, containers=2, namespaces=3, seed=11)
ACCEPT = "application/vnd.kubernetes.protobuf, */*"


class PodMetrics(NamedTuple):
    """One item: millicores and bytes of its containers, as the autoscaler reads them."""

    timestamp_s: int
    window_ns: int
    containers: dict[str, tuple[int, int]]


def decode_list(body: bytes, version: str) -> dict[str, PodMetrics]:
    """A PodMetricsList by pod name."""
    raw = unwrap(body, f"metrics.k8s.io/{version}", "PodMetricsList")
    pods = {}
    for item in all_of(raw, 2):
        (metadata,), (time,), (window,) = all_of(item, 1), all_of(item, 2), all_of(item, 3)
        containers = {}
        for container in all_of(item, 4):
            usage = {text(entry, 1): text(all_of(entry, 2)[0], 1) for entry in all_of(container, 2)}
            assert usage.keys() == {"cpu", "memory"}
            containers[text(container, 1)] = read_usage(**usage)
        pods[text(metadata, 1)] = PodMetrics(integer(time, 1), integer(window, 1), containers)
    return pods


class Autoscaler:
    """Asks the API server as kube-controller-manager does."""

    def __init__(self, cluster: Aggregated, session: aiohttp.ClientSession, tls: ssl.SSLContext) -> None:
        self._cluster = cluster
        self._session = session
        self._tls = tls

    async def ask(self, namespace: str, selector: str, version: str = "v1") -> dict[str, PodMetrics]:
        async with self._session.get(
            f"{self._cluster.sim.api.url}/apis/metrics.k8s.io/{version}/namespaces/{namespace}/pods",
            params={"labelSelector": selector},
            headers={"Accept": ACCEPT, "User-Agent": "kube-controller-manager/v1.36.1 (linux/amd64)"},
            ssl=self._tls,
        ) as response:
            assert response.status == 200
            assert response.content_type == "application/vnd.kubernetes.protobuf"
            return decode_list(await response.read(), version)


@pytest.fixture
async def cluster() -> AsyncIterator[Aggregated]:
    async with run_aggregated(OPTIONS) as running:
        await running.daemon.tick(15)
        yield running


@pytest.fixture
async def autoscaler(cluster: Aggregated) -> AsyncIterator[Autoscaler]:
    files = cluster.sim.certificates
    assert files is not None
    tls = client_context(cluster.sim, (files.client_cert_file, files.client_key_file))
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        yield Autoscaler(cluster, session, tls)


def expected(cluster: Aggregated, namespace: str, app: str) -> dict[str, PodMetrics]:
    """What the last two scrapes give, 15 s apart."""
    pods = {}
    for pod in cluster.sim.cluster.pods.items.values():
        if (pod.workload.namespace, pod.labels["app"]) != (namespace, app):
            continue
        now, before = (
            cluster.sim.cluster.expected_pod(namespace, pod.name, at_ms).containers
            for at_ms in (cluster.now_ms, cluster.now_ms - 15_000)
        )
        earliest = min(now, key=lambda name: now[name].sample_ms)
        pods[pod.name] = PodMetrics(
            now[earliest].sample_ms // 1000,
            (now[earliest].sample_ms - before[earliest].sample_ms) * 1_000_000,
            {name: (values.cpu_millicores, values.working_set_bytes) for name, values in now.items()},
        )
    return pods


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
async def test_usage_time_and_window_are_true(cluster: Aggregated, autoscaler: Autoscaler, version: str) -> None:
    pods = await autoscaler.ask("shop", "app=worker", version)
    assert pods == expected(cluster, "shop", "worker")
    assert len(pods) == 6


async def test_selectors_of_scale_targets_are_understood(cluster: Aggregated, autoscaler: Autoscaler) -> None:
    pods = expected(cluster, "shop", "worker")
    for selector in ("app=worker,tier=backend", "app in (web,worker)", "tier,app!=web", ""):
        assert await autoscaler.ask("shop", selector) == pods, selector
    assert await autoscaler.ask("shop", "app=web") == {}
    assert await autoscaler.ask("nowhere", "app=worker") == {}


async def test_a_pod_that_goes_is_gone_before_the_next_scrape(cluster: Aggregated, autoscaler: Autoscaler) -> None:
    key = min(key for key in cluster.sim.cluster.pods.items if key.startswith("shop/"))
    cluster.sim.cluster.delete_pod(key)
    await cluster.daemon.forgets(key)
    pods = await autoscaler.ask("shop", "app=worker")
    assert pods == expected(cluster, "shop", "worker")
    assert len(pods) == 5


async def test_a_new_pod_counts_once_it_has_a_rate_of_its_own(cluster: Aggregated, autoscaler: Autoscaler) -> None:
    old = min(key for key in cluster.sim.cluster.pods.items if key.startswith("shop/"))
    new = cluster.sim.churn.replace(old, cluster.now_ms)
    await cluster.daemon.forgets(old)
    rounds = 0
    while new.name not in await autoscaler.ask("shop", "app=worker"):
        rounds += 1
        assert rounds <= 3, "a new pod waits for its second sample, not longer"
        await cluster.daemon.tick(15)
    assert rounds
    await cluster.daemon.tick(15)
    assert await autoscaler.ask("shop", "app=worker") == expected(cluster, "shop", "worker")
