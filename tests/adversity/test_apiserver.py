"""What API servers do wrong: be away, at the start or later, forget, break off, and say what nobody expects.

Whatever it is, nodes that are known are scraped on, and all that was missed is made good afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from heapfast.sim.main import SimulatedCluster
from heapfast.sim.options import SimulateOptions
from tests.adversity.front import Edit, Front, Instead, in_front_of
from tests.integration.expectations import check_batch, expected_metrics
from tests.integration.running import RunningDaemon, SteppedClock, eventually, run_daemon

SMALL = SimulateOptions(nodes=3, pods_per_node=2, containers=2, seed=7)
KINDS = ("nodes", "namespaces", "pods")
#: Longer than any back-off.
LONG_SECONDS = 40


class Cluster:
    """A simulated cluster, the front of its API server, and a daemon that knows the front alone."""

    def __init__(self, sim: SimulatedCluster, front: Front, daemon: RunningDaemon) -> None:
        self.sim = sim
        self.front = front
        self.daemon = daemon

    async def check(self) -> None:
        """One tick, and every number exact."""
        check_batch(await self.daemon.tick(), expected_metrics(self.sim, self.daemon.clock.now_ms))

    async def is_watching(self, times: int = 1) -> None:
        """Waits until every kind has been watched so often."""
        await eventually(lambda: all(self.front.asked["watch", kind] >= times for kind in KINDS))

    async def errors(self, reason: str) -> list[float]:
        """How often lists and watches failed for a reason, by kind."""
        return [
            await self.daemon.metric(f'heapfast_kube_errors_total{{reason="{reason}",resource="{kind}"}}')
            for kind in KINDS
        ]

    async def errors_come(self, reason: str, times: int = 1) -> None:
        """Waits until every kind has failed so often."""
        for kind in KINDS:
            await self.daemon.until(f'heapfast_kube_errors_total{{reason="{reason}",resource="{kind}"}}', times)


@contextlib.asynccontextmanager
async def run_cluster(
    *, is_there: bool = True, instead: Instead | None = None, edit: Edit | None = None
) -> AsyncIterator[Cluster]:
    """Runs all three.

    Args:
        is_there: whether the front listens when the daemon starts.
        instead, edit: what the front does by then.
    """
    clock = SteppedClock()
    async with SimulatedCluster(SMALL, clock) as sim, in_front_of(sim.api.url) as front:
        front.instead, front.edit = instead, edit
        if is_there:
            await front.come()
        clock.moved = sim.advance
        source = f"kubernetes.summary_api:{front.url}?inClusterConfig=false&kubeletPort={sim.kubelets.port}"
        async with run_daemon(source, clock) as daemon:
            yield Cluster(sim, front, daemon)


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    """One that is known and watched, and whose rates are known."""
    async with run_cluster() as running:
        await running.daemon.is_synced()
        await running.is_watching()
        await running.daemon.tick()
        await running.check()
        yield running


async def test_a_daemon_that_comes_first_waits_and_serves() -> None:
    async with run_cluster(is_there=False) as cluster:
        daemon = cluster.daemon
        await cluster.errors_come("connect")
        assert await daemon.text("/readyz") == (
            500, "not ready: the API server's list of nodes, pods, namespaces is not complete\n",
        )  # fmt: skip
        assert (await daemon.text("/livez"))[0] == 200
        # Without nodes there are batches all the same, with nothing in them.
        check_batch(await daemon.tick(LONG_SECONDS), {})
        assert (await daemon.text("/healthz"))[0] == 200
        assert await daemon.get("/api/v1/model/nodes") == []
        await cluster.errors_come("connect", 2)

        await cluster.front.come()
        await daemon.tick(LONG_SECONDS)
        await daemon.is_synced()
        await daemon.tick()
        await cluster.check()


async def test_an_api_server_that_goes_costs_nothing_that_is_known(cluster: Cluster) -> None:
    await cluster.front.go()
    await cluster.errors_come("broken")
    for _ in range(3):
        await cluster.check()
    await cluster.errors_come("connect")
    assert (await cluster.daemon.text("/readyz"))[0] == 200
    # What happens meanwhile is made good afterwards.
    gone = cluster.sim.cluster.delete_pod(min(cluster.sim.cluster.pods.items))
    await cluster.front.come()
    await cluster.daemon.tick(LONG_SECONDS)
    await cluster.daemon.forgets(gone.key)
    await cluster.daemon.tick()
    await cluster.check()


async def test_a_version_that_is_forgotten_means_listing_again(cluster: Cluster) -> None:
    cluster.front.cut_watches()
    await cluster.errors_come("broken")
    gone = cluster.sim.cluster.delete_pod(min(cluster.sim.cluster.pods.items))
    for registry in (cluster.sim.cluster.nodes, cluster.sim.cluster.namespaces, cluster.sim.cluster.pods):
        registry.compact()
    await cluster.daemon.tick(LONG_SECONDS)
    await cluster.errors_come("status_410")
    await cluster.daemon.tick(LONG_SECONDS)
    await cluster.daemon.forgets(gone.key)
    assert [cluster.front.asked["list", kind] for kind in KINDS] == [2, 2, 2]
    await cluster.daemon.tick()
    await cluster.check()


@pytest.mark.parametrize(
    "end", [b'{"type":"MODIFIED","object":{"metadata":{"na', b'{"type":"MODI', b"\x00\xff", b'{"type":'],
    ids=["in-object", "in-type", "rubbish", "at-value"],
)  # fmt: skip
async def test_a_watch_that_ends_within_a_line_goes_on_from_the_line_before(cluster: Cluster, end: bytes) -> None:
    await cluster.front.say(end)
    cluster.front.cut_watches()
    gone = cluster.sim.cluster.delete_pod(min(cluster.sim.cluster.pods.items))
    await eventually(lambda: cluster.daemon.clock.n_sleeping > len(KINDS))
    await cluster.daemon.tick(LONG_SECONDS)
    await cluster.daemon.forgets(gone.key)
    assert [cluster.front.asked["list", kind] for kind in KINDS] == [1, 1, 1]
    await cluster.daemon.tick()
    await cluster.check()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"<html>\n", "decode"),
        (b"[]\n", "decode"),
        (b'{"type":"ERROR","object":{"kind":"Status","code":500,"message":"etcd"}}\n', "status_500"),
        (b'{"type":"ERROR","object":{"kind":"Status","code":410}}\n', "status_410"),
        (b'{"type":"ERROR","object":[]}\n', "decode"),
    ],
    ids=["html", "no-event", "error-500", "error-410", "error-without-status"],
)
async def test_a_watch_that_says_something_else_is_opened_anew(cluster: Cluster, line: bytes, reason: str) -> None:
    await cluster.front.say(line)
    await cluster.errors_come(reason)
    new = cluster.sim.cluster.create_pod(
        cluster.sim.cluster.workloads[0], 999, cluster.sim.cluster.hosts[0], cluster.daemon.clock.now_ms
    )
    await cluster.daemon.tick(LONG_SECONDS)
    await cluster.daemon.knows(new.key)
    await cluster.check()


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"PROMOTED","object":{"metadata":{"name":"x"}}}\n',
        b'{"type":"ADDED","object":{}}\n',
        b'{"type":"ADDED","object":{"metadata":{"name":7}}}\n',
        b'{"type":"MODIFIED","object":{"metadata":{"name":"x","labels":[]}}}\n',
        b'{"type":"DELETED","object":{"metadata":{"name":"never-seen","namespace":"shop"}}}\n',
        b'{"type":"BOOKMARK","object":{"metadata":{}}}\n',
    ],
    ids=["type", "no-metadata", "name-type", "label-type", "unknown", "bookmark"],
)
async def test_an_event_that_cannot_be_used_costs_itself(cluster: Cluster, line: bytes) -> None:
    await cluster.front.say(line)
    gone = cluster.sim.cluster.delete_pod(min(cluster.sim.cluster.pods.items))
    await cluster.daemon.forgets(gone.key)
    await cluster.check()
    assert [cluster.front.asked["watch", kind] for kind in KINDS] == [1, 1, 1]


def page(status: int, body: bytes = b"no", content_type: str = "text/plain") -> Instead:
    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(status=status, body=body, content_type=content_type)

    return answer


@pytest.mark.parametrize(
    ("instead", "reason"),
    [
        (page(401), "status_401"),
        (page(403, b'{"kind":"Status","code":403,"message":"nodes is forbidden"}', "application/json"), "status_403"),
        (page(404), "status_404"),
        (page(429), "status_429"),
        (page(500), "status_500"),
        (page(503, b"<html>", "text/html"), "status_503"),
        (page(302), "status_302"),
        (page(200, b"<html>Log in</html>", "text/html"), "decode"),
        (page(200, b""), "decode"),
        (page(200, b'{"metadata":{},"items":['), "decode"),
        (page(200, b'{"metadata":{},"items":{}}'), "decode"),
        (page(200, b"\xff\xfe"), "decode"),
    ],
    ids=["401", "403", "404", "429", "500", "503", "302", "html", "empty", "cut", "type", "utf8"],
)
async def test_lists_that_fail_are_asked_for_again(instead: Instead, reason: str) -> None:
    async with run_cluster(instead=instead) as cluster:
        await cluster.errors_come(reason)
        assert (await cluster.daemon.text("/readyz"))[0] == 500
        cluster.front.instead = None
        await cluster.daemon.tick(LONG_SECONDS)
        await cluster.daemon.is_synced()
        await cluster.daemon.tick()
        await cluster.check()


async def test_an_api_server_that_hangs_holds_up_nobody(cluster: Cluster) -> None:
    async def hang(request: web.BaseRequest) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    cluster.front.instead = hang
    cluster.front.cut_watches()
    await cluster.errors_come("broken")
    await cluster.daemon.tick(LONG_SECONDS)
    await cluster.is_watching(2)
    for _ in range(3):
        await cluster.check()
    assert (await cluster.daemon.text("/readyz"))[0] == 200


async def test_a_line_without_end_is_given_up(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("heapfast.kube.client.MAX_LINE_BYTES", 100_000)
    await cluster.front.say(b" " * 200_000)
    await cluster.errors_come("too_large")
    await cluster.daemon.tick(LONG_SECONDS)
    await cluster.is_watching(2)
    await cluster.check()


NODE = "node-0001"

#: One object of a kind, and how it is changed: members by path, or another value in its place; and what that
#: is counted as, None where nothing is wrong with it.
CHANGES: dict[str, tuple[str, Any, str | None]] = {
    "pod-without-spec": ("pods", {"spec": None}, None),
    "pod-without-status": ("pods", {"status": None}, None),
    "pod-without-labels": ("pods", {"metadata.labels": None}, None),
    "pod-with-wrong-labels": ("pods", {"metadata.labels": ["a"]}, "undecodable"),
    "pod-without-name": ("pods", {"metadata.name": None}, "undecodable"),
    "pod-without-metadata": ("pods", {"metadata": None}, "undecodable"),
    "pod-with-wrong-request": ("pods", {"spec.containers.0.resources": {"requests": {"cpu": "a lot"}}}, "partial"),
    "pod-with-wrong-start": ("pods", {"status.startTime": "yesterday"}, "undecodable"),
    "pod-that-is-text": ("pods", "pod", "undecodable"),
    "node-without-status": ("nodes", {"status": None}, None),
    "node-without-addresses": ("nodes", {"status.addresses": []}, None),
    "node-with-no-address": ("nodes", {"status.addresses": [{"type": "InternalIP", "address": "moon"}]}, None),
    "node-with-wrong-capacity": ("nodes", {"status.capacity.cpu": "many"}, "partial"),
    "node-without-name": ("nodes", {"metadata.name": ""}, "undecodable"),
    "node-that-is-a-number": ("nodes", 5, "undecodable"),
    "namespace-without-uid": ("namespaces", {"metadata.uid": None}, None),
    "namespace-that-is-null": ("namespaces", None, "undecodable"),
}
USAGE = ("cpu/usage_rate", "memory/usage")


class Victim:
    """Changes the first pod on NODE, NODE itself, or the namespace default.

    Attributes:
        name: of what was changed.
    """

    def __init__(self, kind: str, change: Any) -> None:
        self.name = ""
        self._kind = kind
        self._change = change

    def __call__(self, item: dict[str, Any], kind: str) -> Any:
        name = item["metadata"]["name"]
        if kind != self._kind or self.name not in ("", name) or not self._is_meant(item):
            return item
        self.name = name
        if not isinstance(self._change, dict):
            return self._change
        for path, value in self._change.items():
            _put(item, path, value)
        return item

    def _is_meant(self, item: dict[str, Any]) -> bool:
        if self._kind == "pods":
            return bool(item["spec"]["nodeName"] == NODE)
        return item["metadata"]["name"] in (NODE, "default")


def _put(item: Any, path: str, value: Any) -> None:
    *way, last = path.split(".")
    for step in way:
        item = item[int(step)] if step.isdigit() else item[step]
    item[last] = value


@pytest.mark.parametrize("case", CHANGES)
async def test_an_object_without_what_is_expected_costs_at_most_itself(case: str) -> None:
    kind, change, counted = CHANGES[case]
    victim = Victim(kind, change)
    async with run_cluster(edit=victim) as cluster:
        daemon = cluster.daemon
        await daemon.is_synced()
        await daemon.tick()
        batch = await daemon.tick()

        for reason in ("undecodable", "partial", "consumer"):
            series = f'heapfast_kube_bad_objects_total{{reason="{reason}",resource="{kind}"}}'
            assert await daemon.metric(series) == (reason == counted), reason
        is_scraped = (await daemon.targets()).get(NODE, {}).get("outcome") == "ok"
        assert is_scraped == (kind != "nodes" or counted == "partial")
        expected = expected_metrics(cluster.sim, daemon.clock.now_ms, without=[] if is_scraped else [NODE])
        sets = batch.sets()
        for entity, metrics in expected.items():
            if kind == "pods" and (victim.name in entity or "/" not in entity):
                # What it asks for is unknown; what it uses is known from its kubelet.
                wanted = {name: metrics[name] for name in USAGE}
            else:
                wanted = metrics
            found = sets[entity]["metrics"]
            assert {name: found.get(name) for name in wanted} == wanted, entity
        for path in ("/api/v1/metric-export", "/apis/metrics/v1alpha1/pods", "/apis/metrics/v1alpha1/nodes"):
            await daemon.get(path)
