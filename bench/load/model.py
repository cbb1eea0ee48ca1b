"""The simulated cluster once more, in the bench: what is there, and what every number must be.

In      the options that the simulator was started with
Out     pods and workloads to ask for; whether an answer is right; how old the number in it is
Callers profiles.py, bench/compare
Source  heapfast/sim: the seed decides everything but the moment of the start
Never   believes a time that a server states

Every container's memory moves on at each of the kubelet's samples, and comes back to the same value after 16 of them.
So the value alone says which sample it is, and the simulator's model says when that sample was taken. This is how the
age of a number is measured: not from the timestamp beside it, which is the server's own word.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from fractions import Fraction
from typing import Any, Final, NamedTuple

import msgspec

from bench.load.quantity import parse_quantity
from heapfast.sim import loads
from heapfast.sim.cluster import Cluster, Pod
from heapfast.sim.loads import MEMORY_STEPS, PAGE_BYTES, ContainerLoad
from heapfast.sim.options import SimulateOptions

#: Of CPU: samples are whole milliseconds, quantities whole nanocores or millicores.
CPU_TOLERANCE_MILLICORES: Final = 1.0


class Age(NamedTuple):
    """Of one number, in ms.

    Attributes:
        since_sample_ms: from the moment at which the kubelet sampled it to the moment at which it was read.
        overdue_ms: for how long the kubelet had had a newer one by then; 0 when it was the newest.
    """

    since_sample_ms: float
    overdue_ms: float


class Usage(NamedTuple):
    """One container, as an answer states it."""

    cpu_millicores: float
    memory_bytes: int


class WrongAnswer(Exception):
    """A server that says what is not so is not measured."""


class TooOld(WrongAnswer):
    """A number that was right once: a server that is still catching up has some."""


class _Container(msgspec.Struct):
    name: str
    usage: dict[str, str] = {}


class _PodMetrics(msgspec.Struct):
    metadata: dict[str, Any]
    containers: list[_Container] = []


class _PodMetricsList(msgspec.Struct):
    items: list[_PodMetrics] | None = None


PodUsages = dict[tuple[str, str], dict[str, Usage]]


class Model:
    """One cluster.

    Attributes:
        replaced: keys of pods that the bench has had replaced: they have another name now.
    """

    def __init__(self, options: SimulateOptions) -> None:
        self.cluster = Cluster(options, now_ms=0)
        self.replaced: set[str] = set()

    @property
    def sampling_ms(self) -> int:
        return self.cluster.sampling_ms

    def draw_pods(self, count: int, seed: int) -> list[Pod]:
        """So many pods of Deployments, by chance: those whose name is not used again by another pod."""
        pods = [
            pod
            for pod in self.cluster.pods.items.values()
            if not pod.workload.is_stateful and pod.key not in self.replaced and self._teller(pod) is not None
        ]
        return random.Random(seed).sample(pods, min(count, len(pods)))

    def workloads(self) -> list[tuple[str, str, int]]:
        """Namespace, value of the label `app`, and how many pods it selects: of every workload that has some."""
        counts: dict[tuple[str, str], int] = {}
        for pod in self.cluster.pods.items.values():
            key = (pod.workload.namespace, pod.workload.labels["app"])
            counts[key] = counts.get(key, 0) + 1
        return [(namespace, app, count) for (namespace, app), count in counts.items()]

    def age(self, pod: Pod, usage: dict[str, Usage], read_ms: float) -> Age | None:
        """How old the numbers of a pod are; None when they are no numbers of its model."""
        index = self._teller(pod)
        assert index is not None, "BUG: only pods that tell are drawn"
        name = pod.workload.containers[index].name
        return None if name not in usage else self.container_age(pod, index, usage[name].memory_bytes, read_ms)

    def container_age(self, pod: Pod, index: int, memory_bytes: int, read_ms: float) -> Age | None:
        """The same of one container, by its memory."""
        load = self.cluster.container_load(pod, index)
        pages, odd = divmod(memory_bytes, PAGE_BYTES)
        step, rest = divmod(pages - load.working_set_pages, load.step_pages)
        if odd or rest or not 0 <= step < MEMORY_STEPS:
            return None
        newest_ms = self._newest_ms(pod, index, read_ms)
        behind = (newest_ms // self.sampling_ms + load.memory_phase - step) % MEMORY_STEPS
        sample_ms = newest_ms - behind * self.sampling_ms
        overdue_ms = 0.0 if not behind else read_ms - (sample_ms + self.sampling_ms)
        return Age(read_ms - sample_ms, overdue_ms)

    def check(self, usages: PodUsages, read_ms: float, oldest_ms: float) -> None:
        """Compares every pod of a list of all with what it must be.

        Args:
            oldest_ms: a number may be so old.

        Raises:
            WrongAnswer: the first one that is wrong.
        """
        pods = self.cluster.pods.items
        missing = len(pods.keys() - self.replaced - {f"{namespace}/{name}" for namespace, name in usages})
        if missing:
            raise WrongAnswer(f"{missing} of {len(pods)} pods are not in the answer")
        unknown = 0
        for (namespace, name), containers in usages.items():
            pod = pods.get(f"{namespace}/{name}")
            if pod is None or pod.key in self.replaced:
                unknown += 1
                if unknown > len(self.replaced):
                    raise WrongAnswer(f"{namespace}/{name} is in the answer, and not in the cluster")
                continue
            names = [spec.name for spec in pod.workload.containers]
            if sorted(containers) != sorted(names):
                raise WrongAnswer(f"{namespace}/{name}: got containers {sorted(containers)}, want {sorted(names)}")
            for index, container in enumerate(names):
                self._check_container(pod, index, containers[container], read_ms, oldest_ms)

    def _check_container(self, pod: Pod, index: int, usage: Usage, read_ms: float, oldest_ms: float) -> None:
        load: ContainerLoad = self.cluster.container_load(pod, index)
        where = f"{pod.key}, container {index}"
        if abs(usage.cpu_millicores - load.cpu_millicores) > CPU_TOLERANCE_MILLICORES:
            raise WrongAnswer(f"{where}: got {usage.cpu_millicores} millicores, want {load.cpu_millicores}")
        if not load.step_pages:
            want = PAGE_BYTES * load.working_set_pages
            if usage.memory_bytes != want:
                raise WrongAnswer(f"{where}: got {usage.memory_bytes} bytes, want {want}")
            return
        age = self.container_age(pod, index, usage.memory_bytes, read_ms)
        if age is None:
            raise WrongAnswer(f"{where}: {usage.memory_bytes} bytes is at no sample what it uses")
        if age.since_sample_ms > oldest_ms:
            raise TooOld(f"{where}: the number is {age.since_sample_ms:.0f} ms old, want at most {oldest_ms:.0f}")

    def _teller(self, pod: Pod) -> int | None:
        """Which container's memory says when it was sampled; None when no container's does."""
        for index in range(len(pod.workload.containers)):
            if self.cluster.container_load(pod, index).step_pages:
                return index
        return None

    def _newest_ms(self, pod: Pod, index: int, at_ms: float) -> int:
        offset_ms = self.cluster.container_offset_ms(pod.node.host, pod, index)
        return loads.sample_ms(int(at_ms), offset_ms, self.sampling_ms)


def read_pods(body: bytes) -> PodUsages:
    """What a list of pods says, of metrics.k8s.io or of Heapster's metrics API, which have the same members.

    Raises:
        WrongAnswer: it is none.
    """
    try:
        items = msgspec.json.decode(body, type=_PodMetricsList).items or []
        return dict(_pods(items))
    except (msgspec.DecodeError, KeyError, ValueError) as error:
        raise WrongAnswer(f"cannot read a list of pods: {error}") from error


def read_pod(body: bytes) -> dict[str, Usage]:
    """The same of one pod. Raises WrongAnswer."""
    try:
        ((_, usages),) = _pods([msgspec.json.decode(body, type=_PodMetrics)])
        return usages
    except (msgspec.DecodeError, KeyError, ValueError) as error:
        raise WrongAnswer(f"cannot read a pod: {error}") from error


def _pods(items: Iterable[_PodMetrics]) -> Iterable[tuple[tuple[str, str], dict[str, Usage]]]:
    for item in items:
        yield (
            (item.metadata["namespace"], item.metadata["name"]),
            {container.name: _usage(container.usage) for container in item.containers},
        )


def _usage(usage: dict[str, str]) -> Usage:
    return Usage(
        cpu_millicores=float(parse_quantity(usage["cpu"]) * Fraction(1000)),
        memory_bytes=int(parse_quantity(usage["memory"])),
    )
