"""What it costs to learn of 150,000 pods: time, memory, and how long the loop is held.

In      a number of pods
Out     figures
Callers `python -m bench.micro.kube [PODS]`, bench/micro/command.py
Never   opens a socket: pages are made in memory, one at a time, so that memory is the reflector's alone

The consumer drops what it hears. What stays is what the reflector keeps: one key a pod.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import uvloop
from prometheus_client import CollectorRegistry

from bench.figures import Budgets, Figures, Scale, main
from heapfast.kube.access import ApiAccess
from heapfast.kube.client import KubeClient
from heapfast.kube.monitoring import KubeMonitoring, ResourceMonitoring
from heapfast.kube.pods import PODS, Pod
from heapfast.kube.watch import PAGE_OBJECTS, Reflector

SCALE = Scale(full=150_000, quick=5_000, unit="pods")
#: No budget of its own; a loop that is held shows in what requests wait for.
BUDGETS: Budgets = {}
#: Stands in a page for its number; as wide as that is printed.
PAGE_MARK = "@@@@@@"


def make_pod(number: int) -> dict[str, object]:
    """A pod as a current API server states it: two containers, and the weight of managed fields."""
    name = f"checkout-web-{PAGE_MARK}-{number:05d}"
    containers = [
        {
            "name": container,
            "image": f"registry.example.com/shop/{container}:2024.11.3",
            "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
            "env": [{"name": f"SETTING_{i}", "value": f"value-{i}"} for i in range(6)],
            "resources": {"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"memory": "512Mi"}},
            "volumeMounts": [{"name": "token", "readOnly": True, "mountPath": "/var/run/secrets/kubernetes.io/sa"}],
            "imagePullPolicy": "IfNotPresent",
        }
        for container in ("web", "proxy")
    ]
    statuses = [
        {
            "name": container,
            "state": {"running": {"startedAt": "2024-11-20T10:00:03Z"}},
            "lastState": {},
            "ready": True,
            "restartCount": 0,
            "image": f"registry.example.com/shop/{container}:2024.11.3",
            "imageID": "sha256:" + "9e" * 32,
            "containerID": "containerd://" + "4b" * 32,
        }
        for container in ("web", "proxy")
    ]
    fields: dict[str, object] = {
        "f:status": {f"k:{{type:{i}}}": {".": {}, "f:lastProbeTime": {}, "f:status": {}} for i in range(30)}
    }
    return {
        "metadata": {
            "name": name,
            "namespace": "shop-checkout",
            "uid": f"00000000-0000-4000-{number:04d}-000000{PAGE_MARK}",
            "resourceVersion": "123456789",
            "creationTimestamp": "2024-11-20T10:00:00Z",
            "labels": {"app": "checkout", "tier": "web", "pod-template-hash": "6d4cf56db6", "team": "payments"},
            "managedFields": [{"manager": "kubelet", "operation": "Update", "fieldsV1": fields}],
        },
        "spec": {"nodeName": f"node-{number:05d}", "containers": containers, "restartPolicy": "Always"},
        "status": {
            "phase": "Running",
            "conditions": [{"type": kind, "status": "True"} for kind in ("Ready", "Initialized", "PodScheduled")],
            "startTime": "2024-11-20T10:00:01Z",
            "containerStatuses": statuses,
        },
    }


async def _no_lines() -> AsyncIterator[bytes]:
    nothing: tuple[bytes, ...] = ()
    for line in nothing:
        yield line


class Pages(KubeClient):
    """An API server of so many pods, without the network."""

    def __init__(self, n_pods: int) -> None:
        super().__init__(ApiAccess(server="http://127.0.0.1:1"))
        self._n_pages = -(-n_pods // PAGE_OBJECTS)
        items = [make_pod(number) for number in range(PAGE_OBJECTS)]
        page = {"metadata": {"resourceVersion": "7", "continue": f"t{PAGE_MARK}"}, "items": items}
        self._page = msgspec.json.encode(page)

    @property
    def bytes_per_pod(self) -> float:
        return len(self._page) / PAGE_OBJECTS

    @asynccontextmanager
    async def watch(
        self, path: str, params: Mapping[str, str], *, timeout_seconds: int
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        await asyncio.Event().wait()  # nothing changes; a real session would only add the cost of its TLS context
        yield _no_lines()

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> bytes:
        number = int((params or {}).get("continue", "t0")[1:])
        await asyncio.sleep(0)  # as reading a socket would give the loop to others
        page = self._page.replace(PAGE_MARK.encode(), b"%06d" % (number + 1))
        return page if number + 1 < self._n_pages else page.replace(b'"continue":"t', b'"ended":"t', 1)


class Counter:
    """A consumer that counts, and that tells when the list is complete."""

    def __init__(self) -> None:
        self.n_pods = 0
        self.n_containers = 0
        self.is_synced = asyncio.Event()

    def upsert(self, pod: Pod) -> None:
        self.n_pods += 1
        self.n_containers += len(pod.containers)

    def delete(self, key: str) -> None:
        raise AssertionError(f"nothing was deleted, got {key}")

    def synced(self) -> None:
        self.is_synced.set()


class Holds:
    """How long the loop was not to be had, each time, in CPU time: other processes do not count."""

    def __init__(self) -> None:
        self._seconds: list[float] = []

    async def run(self) -> None:
        before = time.thread_time()
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            self._seconds.append(now - before)
            before = now

    def quantile(self, share: float) -> float:
        return sorted(self._seconds)[min(int(share * len(self._seconds)), len(self._seconds) - 1)]


def rss_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def run(n_pods: int) -> Figures:
    return uvloop.run(_measure(n_pods))


async def _measure(n_pods: int) -> Figures:
    """List so many pods, rounded up to whole pages, once to check and to warm up and once to measure."""
    await _list(Pages(PAGE_OBJECTS), ResourceMonitoring(KubeMonitoring(CollectorRegistry()), "pods"))
    pages = Pages(n_pods)
    before = rss_bytes()
    counter, holds, seconds, cpu_seconds, reflector = await _list(
        pages, ResourceMonitoring(KubeMonitoring(CollectorRegistry()), "pods")
    )
    kept = rss_bytes() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    assert counter.n_pods == -(-n_pods // PAGE_OBJECTS) * PAGE_OBJECTS
    assert counter.n_containers == 2 * counter.n_pods
    del reflector
    return {
        "JSON, bytes a pod": pages.bytes_per_pod,
        "listing, seconds": seconds,
        "listing, us of CPU a pod": cpu_seconds / counter.n_pods * 1e6,
        "kept, bytes of RSS a pod": kept / counter.n_pods,
        "peak of RSS, MB": peak / 1e6,
        "turn of the loop, p99, ms of CPU": holds.quantile(0.99) * 1e3,
        "longest turn of the loop, ms of CPU": holds.quantile(1.0) * 1e3,
    }


async def _list(pages: Pages, monitoring: ResourceMonitoring) -> tuple[Counter, Holds, float, float, Reflector[Pod]]:
    counter, holds = Counter(), Holds()
    reflector = Reflector(PODS, pages, counter, monitoring)
    watching = asyncio.create_task(holds.run())
    started, cpu_started = time.perf_counter(), time.process_time()
    listing = asyncio.create_task(reflector.run())
    await counter.is_synced.wait()
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    for task in (listing, watching):
        task.cancel()
    await asyncio.gather(listing, watching, return_exceptions=True)
    await pages.close()
    return counter, holds, seconds, cpu_seconds, reflector


if __name__ == "__main__":
    sys.exit(main(__doc__, run, SCALE, BUDGETS))
