"""Who asks, what, and how often: load profiles as data, and the streams that they become on a cluster.

In      a Model, a Dialect
Out     streams by profile
Callers bench/macro, bench/compare
Source  spec/metrics-k8s-io.md 13 for what clients really send; spec/heapster-rest.md for Heapster's paths
Never   asks two servers different things under one name: what a dialect lacks is left out
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import msgspec

from bench.load.plan import Question, Stream

if TYPE_CHECKING:
    from bench.load.model import Model


class Dialect(enum.Enum):
    """Whose API a server speaks."""

    METRICS_K8S_IO = "metrics.k8s.io"
    HEAPSTER = "heapster"
    #: None: it only scrapes.
    SCRAPER = "scraper"

    @property
    def prefix(self) -> str:
        """Of the API of newest usages, which both have."""
        return "/apis/metrics/v1alpha1" if self is Dialect.HEAPSTER else "/apis/metrics.k8s.io/v1beta1"


_GZIP: Final = "accept-encoding: gzip"
#: The autoscaler and kubectl both prefer protobuf; Heapster's API has JSON alone.
_AUTOSCALER: Final = (
    "accept: application/vnd.kubernetes.protobuf, */*",
    "user-agent: kube-controller-manager/v1.36.1 (linux/amd64) kubernetes/abcdef/horizontal-pod-autoscaler",
    _GZIP,
)
_KUBECTL: Final = (
    "accept: application/vnd.kubernetes.protobuf, */*",
    "user-agent: kubectl/v1.36.1 (linux/amd64) kubernetes/abcdef",
    _GZIP,
)
_BROWSER: Final = ("accept: application/json", "user-agent: dashboard/2.7", _GZIP)
_PROMETHEUS: Final = ("accept: text/plain;version=0.0.4;q=0.5,*/*;q=0.1", "user-agent: Prometheus/3.5", _GZIP)

#: So many pods a question of a list of pods by name, and so many questions of a kind.
PODS_A_LIST: Final = 20
QUESTIONS: Final = 50

Both: Final = (Dialect.METRICS_K8S_IO, Dialect.HEAPSTER)


class StreamSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of client.

    Attributes:
        asks: a name in ASKS.
        every_seconds: each question again after so long (a controller); or else
        per_second: questions at random moments (people).
        dialects: that can be asked this.
    """

    name: str
    asks: str
    headers: tuple[str, ...]
    every_seconds: float = 0.0
    per_second: float = 0.0
    dialects: tuple[Dialect, ...] = Both


#: One HorizontalPodAutoscaler a workload, each at its own moment of the 15 s that the controller lets pass.
AUTOSCALERS: Final = StreamSpec(name="autoscalers", asks="selectors", headers=_AUTOSCALER, every_seconds=15.0)
ONE_POD: Final = StreamSpec(name="one pod", asks="pods", headers=_KUBECTL, per_second=20.0)
TOP_NAMESPACE: Final = StreamSpec(name="top pods", asks="namespaces", headers=_KUBECTL, per_second=2.0)
TOP_NODES: Final = StreamSpec(name="top nodes", asks="nodes", headers=_KUBECTL, per_second=0.5)
TOP_ALL: Final = StreamSpec(name="top pods -A", asks="everything", headers=_KUBECTL, per_second=0.1)
DASHBOARD_LISTS: Final = StreamSpec(
    name="dashboard: pod lists", asks="pod lists", headers=_BROWSER, per_second=2.0, dialects=(Dialect.HEAPSTER,)
)
DASHBOARD_SERIES: Final = StreamSpec(
    name="dashboard: node series", asks="node series", headers=_BROWSER, per_second=5.0, dialects=(Dialect.HEAPSTER,)
)
EXPORT: Final = StreamSpec(
    name="metric export", asks="export", headers=_BROWSER, every_seconds=30.0, dialects=(Dialect.HEAPSTER,)
)
PROMETHEUS: Final = StreamSpec(name="self-metrics", asks="self-metrics", headers=_PROMETHEUS, every_seconds=15.0)

#: By name.
PROFILES: Final[dict[str, tuple[StreamSpec, ...]]] = {
    "autoscalers": (AUTOSCALERS,),
    "one-pod": (ONE_POD,),
    "crowd": (TOP_NAMESPACE, TOP_NODES, TOP_ALL, ONE_POD),
    "dashboard": (DASHBOARD_LISTS, DASHBOARD_SERIES),
    "export": (EXPORT,),
    "prometheus": (PROMETHEUS,),
    "everyone": (
        AUTOSCALERS,
        ONE_POD,
        TOP_NAMESPACE,
        TOP_NODES,
        TOP_ALL,
        DASHBOARD_LISTS,
        DASHBOARD_SERIES,
        EXPORT,
        PROMETHEUS,
    ),
}


def streams_of(profile: str, model: Model, dialect: Dialect, seed: int) -> list[Stream]:
    """What the clients of a profile ask of one cluster."""
    return [
        Stream(
            name=spec.name,
            questions=[Question(target, spec.headers) for target in ASKS[spec.asks](model, dialect, seed)],
            arrival="periodic" if spec.every_seconds else "poisson",
            every_seconds=spec.every_seconds,
            per_second=spec.per_second,
        )
        for spec in PROFILES[profile]
        if dialect in spec.dialects
    ]


def pod_target(dialect: Dialect, namespace: str, name: str) -> str:
    """The newest usage of one pod."""
    return f"{dialect.prefix}/namespaces/{namespace}/pods/{name}"


def selector_target(dialect: Dialect, namespace: str, app: str) -> str:
    """The newest usages of one workload."""
    return f"{dialect.prefix}/namespaces/{namespace}/pods?labelSelector={quote(f'app={app}', safe='')}"


def _selectors(model: Model, dialect: Dialect, seed: int) -> list[str]:
    return [selector_target(dialect, namespace, app) for namespace, app, _ in model.workloads()]


def _pods(model: Model, dialect: Dialect, seed: int) -> list[str]:
    return [pod_target(dialect, pod.workload.namespace, pod.name) for pod in model.draw_pods(QUESTIONS, seed)]


def _namespaces(model: Model, dialect: Dialect, seed: int) -> list[str]:
    return [f"{dialect.prefix}/namespaces/{name}/pods" for name in sorted({name for name, _, _ in model.workloads()})]


def _pod_lists(model: Model, dialect: Dialect, seed: int) -> list[str]:
    by_namespace: dict[str, list[str]] = {}
    for pod in model.cluster.pods.items.values():
        by_namespace.setdefault(pod.workload.namespace, []).append(pod.name)
    return [
        f"/api/v1/model/namespaces/{namespace}/pod-list/{','.join(names[:PODS_A_LIST])}/metrics/{metric}"
        for namespace, names in list(by_namespace.items())[:QUESTIONS]
        for metric in ("cpu/usage_rate", "memory/usage")
    ]


def _node_series(model: Model, dialect: Dialect, seed: int) -> list[str]:
    return [
        f"/api/v1/model/nodes/{host.name}/metrics/{metric}"
        for host in model.cluster.hosts[:QUESTIONS]
        for metric in ("cpu/usage_rate", "memory/usage")
    ]


ASKS: Final[dict[str, Callable[[Model, Dialect, int], list[str]]]] = {
    "selectors": _selectors,
    "pods": _pods,
    "namespaces": _namespaces,
    "nodes": lambda model, dialect, seed: [f"{dialect.prefix}/nodes"],
    "everything": lambda model, dialect, seed: [f"{dialect.prefix}/pods"],
    "pod lists": _pod_lists,
    "node series": _node_series,
    "export": lambda model, dialect, seed: ["/api/v1/metric-export"],
    "self-metrics": lambda model, dialect, seed: ["/metrics"],
}
