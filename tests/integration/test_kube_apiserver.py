"""The daemon behind a real kube-apiserver: registered by deploy/base, with the rights that this gives it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from heapfast.sim.main import SimulatedCluster
from heapfast.sim.options import SimulateOptions
from tests.integration.control_plane import MERGE, ControlPlane, find_assets, run_control_plane
from tests.integration.metrics_server import (
    Aggregated,
    Prepared,
    Printed,
    client_context,
    kubectl_at,
    needs_kubectl,
    read_quantity,
    read_usage,
    run_aggregated,
)

#: The first test waits for the programs to start.
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

OPTIONS = SimulateOptions(nodes=2, pods_per_node=4, containers=2, namespaces=2, seed=5)
VERSIONS = ("v1", "v1beta1")


class Real(NamedTuple):
    """A control plane with a daemon registered in it, whose kubelets are simulated."""

    plane: ControlPlane
    cluster: Aggregated
    cache: Path

    async def kubectl(self, *words: str) -> Printed:
        return await kubectl_at(self.plane.kubeconfig, self.cache, *words)

    async def get(self, path: str) -> Any:
        """What the API server answers, which has it from the daemon."""
        return await self.plane.call("GET", path)

    async def ask_daemon(self, token: str, path: str = "/apis/metrics.k8s.io/v1/nodes") -> int:
        """The status of what the daemon itself says to a bearer of a token."""
        url, stranger = self.cluster.daemon.url + path, client_context(self.cluster.sim)
        headers = {"Authorization": f"Bearer {token}"}
        # Not the cluster's session, which shows a certificate of the simulated authority.
        async with self.plane.session.get(url, headers=headers, ssl=stranger) as response:
            return response.status


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def real(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Real]:
    assets, directory = find_assets(), tmp_path_factory.mktemp("control-plane")
    async with run_control_plane(assets, directory) as plane:

        async def prepare(sim: SimulatedCluster, port: int) -> Prepared:
            await plane.copy(sim)
            await plane.install(port)
            files = sim.certificates
            assert files is not None
            flags = [
                f"--kubeconfig={plane.write_kubeconfig(await plane.account_token())}",
                # The simulated kubelets know nothing of the real server's accounts.
                f"--kubelet-client-certificate={files.client_cert_file}",
                f"--kubelet-client-key={files.client_key_file}",
                f"--kubelet-certificate-authority={files.ca_file}",
            ]
            return Prepared(flags, plane.administrator)

        async with run_aggregated(OPTIONS, "--enable-custom-metrics", prepare=prepare) as cluster:
            await cluster.daemon.tick(15)
            for version in VERSIONS:
                await plane.is_available(version, "metrics.k8s.io")
            yield Real(plane, cluster, directory / "cache")


@pytest.mark.parametrize("version", VERSIONS)
async def test_nodes_have_the_numbers_of_their_kubelets(real: Real, version: str) -> None:
    items = (await real.get(f"/apis/metrics.k8s.io/{version}/nodes"))["items"]
    model, now_ms = real.cluster.sim.cluster, real.cluster.now_ms
    expected = {host.name: model.expected_node(host.name, now_ms).total for host in model.hosts}
    assert {item["metadata"]["name"]: read_usage(**item["usage"]) for item in items} == {
        name: (values.cpu_millicores, values.working_set_bytes) for name, values in expected.items()
    }


async def test_a_selector_reaches_the_daemon(real: Real) -> None:
    pods = real.cluster.sim.cluster.pods.items.values()
    app = next(iter(pods)).labels["app"]
    wanted = {pod.name for pod in pods if pod.labels["app"] == app}
    items = (await real.get(f"/apis/metrics.k8s.io/v1beta1/pods?labelSelector=app={app}"))["items"]
    assert {item["metadata"]["name"] for item in items} == wanted


@needs_kubectl
async def test_kubectl_top_shows_every_node_and_pod(real: Real) -> None:
    nodes = await real.kubectl("top", "nodes")
    assert {row[0] for row in nodes.rows} == {host.name for host in real.cluster.sim.cluster.hosts}
    pods = await real.kubectl("top", "pods", "-A", "--containers")
    assert len(pods.rows) == OPTIONS.nodes * OPTIONS.pods_per_node * OPTIONS.containers


@needs_kubectl
async def test_kubectl_knows_the_kinds_by_discovery(real: Real) -> None:
    tables = [await real.kubectl("get", kind, *where) for kind, where in (("nodemetrics", ()), ("podmetrics", ("-A",)))]
    assert [len(table.rows) for table in tables] == [OPTIONS.nodes, OPTIONS.nodes * OPTIONS.pods_per_node]


@needs_kubectl
async def test_who_may_only_see_one_namespace_sees_no_other(real: Real) -> None:
    mine, other = sorted({pod.workload.namespace for pod in real.cluster.sim.cluster.pods.items.values()})
    binding = {
        "metadata": {"name": "viewer", "namespace": mine},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "system:aggregated-metrics-reader",
        },
        "subjects": [{"kind": "User", "name": "viewer"}],
    }
    await real.plane.call("POST", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{mine}/rolebindings", binding)
    assert (await real.kubectl("top", "pods", "-n", mine, "--as=viewer")).rows
    refused = await real.kubectl("top", "pods", "-n", other, "--as=viewer")
    assert (refused.code, "Forbidden" in refused.err) == (1, True)


async def test_the_daemon_itself_asks_who_a_token_is_and_what_it_may(real: Real) -> None:
    token = await real.plane.account_token()
    assert await real.ask_daemon("not-a-token") == 401
    assert await real.ask_daemon(token) == 403
    assert await real.ask_daemon(token, "/readyz") == 200
    binding = {
        "metadata": {"name": "the-account-reads-metrics"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "system:aggregated-metrics-reader",
        },
        "subjects": [{"kind": "ServiceAccount", "name": "metrics-server", "namespace": "kube-system"}],
    }
    await real.plane.call("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
    # A refusal is remembered for ten seconds.
    await real.cluster.daemon.tick(15)
    assert await real.ask_daemon(token) == 200


async def test_a_pod_that_is_deleted_there_is_gone_here(real: Real) -> None:
    path = "/apis/metrics.k8s.io/v1/pods"
    before = {(item["metadata"]["namespace"], item["metadata"]["name"]) for item in (await real.get(path))["items"]}
    namespace, name = min(before)
    await real.plane.call("DELETE", f"/api/v1/namespaces/{namespace}/pods/{name}", {"gracePeriodSeconds": 0})
    await real.cluster.daemon.forgets(f"{namespace}/{name}")
    after = {(item["metadata"]["namespace"], item["metadata"]["name"]) for item in (await real.get(path))["items"]}
    assert after == before - {(namespace, name)}


async def test_a_real_autoscaler_reads_cpu_and_a_custom_metric(real: Real) -> None:
    pods = real.cluster.sim.cluster.pods.items.values()
    first = min(pods, key=lambda pod: pod.name)
    namespace, labels = first.workload.namespace, {"app": first.labels["app"]}
    # Nothing runs here that would make a pod; this one says how many there are, and which.
    n_pods = sum(pod.labels["app"] == labels["app"] for pod in pods)
    apps = f"/apis/apps/v1/namespaces/{namespace}/replicasets"
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "none"}]}}
    metadata = {"name": "scaled", "namespace": namespace}
    spec = {"replicas": n_pods, "selector": {"matchLabels": labels}, "template": template}
    await real.plane.call("POST", apps, {"metadata": metadata, "spec": spec})
    await real.plane.call("PATCH", f"{apps}/scaled/status", {"status": {"replicas": n_pods}}, MERGE)
    autoscalers = f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers"
    target = {"type": "AverageValue", "averageValue": "1"}
    metrics = [
        {"type": "Resource", "resource": {"name": "cpu", "target": target}},
        {"type": "Pods", "pods": {"metric": {"name": "memory_working_set"}, "target": target}},
    ]
    scaled = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "scaled"}
    await real.plane.call(
        "POST",
        autoscalers,
        {"metadata": metadata, "spec": {"scaleTargetRef": scaled, "maxReplicas": 100, "metrics": metrics}},
    )
    model, now_ms = real.cluster.sim.cluster, real.cluster.now_ms
    used = [
        model.expected_pod(namespace, pod.name, now_ms).containers.values()
        for pod in pods
        if pod.labels["app"] == labels["app"]
    ]
    cpu = sum(container.cpu_millicores for pod in used for container in pod)
    memory = sum(container.working_set_bytes for pod in used for container in pod)
    async with real.plane.autoscaling():
        await real.plane.until(f"{autoscalers}/scaled", lambda scaler: len(_current(scaler)) == len(metrics))
    found = _current(await real.get(f"{autoscalers}/scaled"))
    assert found == {
        "cpu": Fraction(cpu // n_pods, 1000),
        "memory_working_set": Fraction(1000 * memory // n_pods, 1000),
    }


async def test_the_aggregation_layer_reads_the_openapi_documents(real: Real) -> None:
    wanted = {f"apis/metrics.k8s.io/{version}" for version in VERSIONS}
    await real.plane.until("/openapi/v3", lambda index: wanted <= index["paths"].keys())
    document = await real.get("/openapi/v3/apis/metrics.k8s.io/v1")
    assert "io.k8s.metrics.pkg.apis.metrics.v1.NodeMetricsList" in document["components"]["schemas"]
    await real.plane.until("/openapi/v2", lambda document: "/apis/metrics.k8s.io/v1/nodes" in document["paths"])


def _current(autoscaler: Any) -> dict[str, Fraction]:
    """What the controller has read, by metric."""
    current = {}
    for metric in autoscaler.get("status", {}).get("currentMetrics") or ():
        if metric.get("type"):
            value = metric["resource"] if metric["type"] == "Resource" else metric["pods"]
            name = value["name"] if metric["type"] == "Resource" else value["metric"]["name"]
            current[name] = read_quantity(value["current"]["averageValue"])
    return current
