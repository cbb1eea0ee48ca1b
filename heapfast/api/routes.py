"""Every route, in one table.

In      the families' handlers
Out     a Router with all routes
Callers app.py; tests walk the tables
Source  spec/heapster-rest.md section 4; names of handlers as they are counted: 11.2
Never   says what a route does

`{name}` is one path segment, `{name:*}` at the end one or more. A row without a counted name is not counted.
"""

from __future__ import annotations

from typing import NamedTuple

from heapfast.api.cluster_metrics import CLUSTER_METRICS_PATH, ClusterMetrics
from heapfast.api.dashboard import Dashboard
from heapfast.api.debug import Debug
from heapfast.api.errors import heapster_text
from heapfast.api.export import Export
from heapfast.api.health import Health
from heapfast.api.historical import Aggregates, Historical
from heapfast.api.metrics_v1alpha1 import MetricsV1Alpha1
from heapfast.api.model import Model
from heapfast.api.monitoring import HttpMonitor
from heapfast.api.query import QUERY, QUERY_PREFIX, Query
from heapfast.api.query_openapi import OPENAPI_PATH, put_query_document
from heapfast.api.responders import Responders, plain
from heapfast.api.router import Router
from heapfast.api.self_metrics import SelfMetrics
from heapfast.api.state import State
from heapfast.api.why import WHY, WHY_PREFIX, Why
from heapfast.history.memory import MemoryBackend


class Route(NamedTuple):
    """One route of a family: path below its prefix, method of its class, name in self-metrics."""

    path: str
    handler: str
    counted: str = ""


_NODE = "/nodes/{node}"
_FREE = "/nodes/{node}/freecontainers/{container}"
_NAMESPACE = "/namespaces/{namespace}"
_POD = "/namespaces/{namespace}/pods/{pod}"
_CONTAINER = "/namespaces/{namespace}/pods/{pod}/containers/{container}"

EXPORT_PREFIXES = ("/api/v1/metric-export", "/api/v1/metric-export-schema")
EXPORT = (
    Route(EXPORT_PREFIXES[0], "batch"),
    Route(EXPORT_PREFIXES[1], "schema"),
)

MODEL_PREFIX = "/api/v1/model"
MODEL = (
    Route("/metrics", "cluster_names", "availableClusterMetrics"),
    Route("/metrics/{metric:*}", "cluster_series", "clusterMetrics"),
    Route("/nodes", "nodes", "nodeList"),
    Route(f"{_NODE}/metrics", "node_names", "availableNodeMetrics"),
    Route(f"{_NODE}/metrics/{{metric:*}}", "node_series", "nodeMetrics"),
    Route(f"{_NODE}/freecontainers", "free_containers", "systemContainerList"),
    Route(f"{_FREE}/metrics", "free_container_names", "availableMetrics"),
    Route(f"{_FREE}/metrics/{{metric:*}}", "free_container_series", "freeContainerMetrics"),
    Route("/namespaces", "namespaces", "namespaceList"),
    Route(f"{_NAMESPACE}/metrics", "namespace_names", "availableNamespaceMetrics"),
    Route(f"{_NAMESPACE}/metrics/{{metric:*}}", "namespace_series", "namespaceMetrics"),
    Route(f"{_NAMESPACE}/pods", "pods", "namespacePodList"),
    Route(f"{_NAMESPACE}/pod-list/{{pods}}/metrics/{{metric:*}}", "pod_list_series", "podListMetric"),
    Route(f"{_POD}/metrics", "pod_names", "availablePodMetrics"),
    Route(f"{_POD}/metrics/{{metric:*}}", "pod_series", "podMetrics"),
    Route(f"{_POD}/containers", "containers", "podContainerList"),
    Route(f"{_CONTAINER}/metrics", "container_names", "availableContainerMetrics"),
    Route(f"{_CONTAINER}/metrics/{{metric:*}}", "container_series", "podContainerMetrics"),
    Route("/debug/allkeys", "all_keys", "debugAllKeys"),
)

_BY_ENTITY = (
    ("", "cluster", "clusterMetrics"),
    (_NODE, "node", "nodeMetrics"),
    (_FREE, "free_container", "freeContainerMetrics"),
    (_NAMESPACE, "namespace", "namespaceMetrics"),
    (f"{_NAMESPACE}/pod-list/{{pods}}", "pod_list", "podListAggregations"),
    (_POD, "pod", "podMetrics"),
    (_CONTAINER, "container", "podContainerMetrics"),
)
_AGGREGATED = "/metrics-aggregated/{aggregations}/{metric:*}"

#: What Heapster had for history only.
MODEL_AGGREGATES = tuple(Route(path + _AGGREGATED, f"{entity}_aggregates", name) for path, entity, name in _BY_ENTITY)

HISTORICAL_PREFIX = "/api/v1/historical"
_BY_POD_ID = (
    ("/pod-id/{pod_id}", "pod_id", "podMetrics"),
    ("/pod-id/{pod_id}/containers/{container}", "pod_id_container", "podContainerMetrics"),
    ("/pod-id-list/{pod_ids}", "pod_id_list", "podListAggregations"),
)
HISTORICAL = (
    *(route for route in MODEL if route.handler != "all_keys"),
    *MODEL_AGGREGATES,
    *(Route(f"{path}/metrics/{{metric:*}}", f"{entity}_series", name) for path, entity, name in _BY_POD_ID),
    *(Route(path + _AGGREGATED, f"{entity}_aggregates", name) for path, entity, name in _BY_POD_ID),
)

DASHBOARD_PREFIX = "/api/v1/dashboard"
DASHBOARD = (
    Route(f"{_NODE}/metrics/{{metric}}/{{rest}}", "node"),
    Route(f"{_NAMESPACE}/pod-list/{{pods}}/metrics/{{metric}}/{{rest}}", "pods"),
)

METRICS_V1ALPHA1_PREFIX = "/apis/metrics/v1alpha1"
METRICS_V1ALPHA1 = (
    Route("/nodes", "nodes"),
    Route("/nodes/{node}", "node"),
    Route("/pods", "all_pods"),
    Route("/namespaces/{namespace}/pods", "pods"),
    Route("/namespaces/{namespace}/pods/{pod}", "pod"),
)

# Exact paths: no trailing slash, any method.
HEALTH = (
    Route("/healthz", "healthz"),
    Route("/healthz/healthz", "healthz_check"),
    Route("/livez", "livez"),
    Route("/readyz", "readyz"),
    Route("/version", "version"),
)
DEBUG_TARGETS = Route("/debug/targets", "targets")
SELF_METRICS = Route("/metrics", "metrics", "prometheus")
CLUSTER_METRICS = Route(CLUSTER_METRICS_PATH, "metrics", "clusterExposition")

#: Where Go's profiles were, of which there are none here.
PPROF_PREFIX = "/debug/pprof"
PPROF = Route("/{name:*}", "profile")


def build_router(state: State, responders: Responders, monitor: HttpMonitor) -> Router:
    """Join the tables above with the families' handlers."""
    router = Router(responders)

    def add_family(prefix: str, routes: tuple[Route, ...], family: object) -> None:
        for route in routes:
            counter = monitor.handler(route.counted) if route.counted else None
            methods = responders.restful(getattr(family, route.handler), heapster_text, counter)
            router.add(prefix + route.path, methods)

    for prefix in EXPORT_PREFIXES:
        router.add_prefix(prefix)
    add_family("", EXPORT, Export(state, responders))
    if not state.disable_metric_sink:
        router.add_prefix(MODEL_PREFIX)
        add_family(MODEL_PREFIX, MODEL, Model(state, responders))
        add_family(MODEL_PREFIX, MODEL_AGGREGATES, Aggregates(state, MemoryBackend(state.store)))
        router.add_prefix(DASHBOARD_PREFIX)
        add_family(DASHBOARD_PREFIX, DASHBOARD, Dashboard(state))
    if state.history is not None:
        router.add_prefix(HISTORICAL_PREFIX)
        add_family(HISTORICAL_PREFIX, HISTORICAL, Historical(state, responders, state.history))
    router.add_prefix(METRICS_V1ALPHA1_PREFIX)
    add_family(METRICS_V1ALPHA1_PREFIX, METRICS_V1ALPHA1, MetricsV1Alpha1(state, responders))

    health = Health(state)
    for route in HEALTH:
        router.add_exact(route.path, plain(getattr(health, route.handler)))
    self_metrics = SelfMetrics(state.registry, monitor.handler(SELF_METRICS.counted))
    router.add_exact(SELF_METRICS.path, plain(self_metrics.metrics))
    exposition = monitor.handler(CLUSTER_METRICS.counted)
    cluster_metrics = ClusterMetrics(state.store, state.pods, responders.run, exposition)
    router.add_exact(CLUSTER_METRICS.path, plain(cluster_metrics.metrics))

    query = Query(state.store, state.pods, state.nodes, state.query_limits, state.query_monitoring)
    router.add_prefix(QUERY_PREFIX)
    for path in QUERY:
        router.add(QUERY_PREFIX + path, plain(query.query))
    router.add_exact(OPENAPI_PATH, plain(put_query_document))

    debug = Debug(state)
    router.add_exact(DEBUG_TARGETS.path, plain(debug.targets))
    why = Why(state)
    router.add_prefix(WHY_PREFIX)
    for row in WHY:
        router.add(WHY_PREFIX + row.path, plain(getattr(why, row.handler)))
    router.add_prefix(PPROF_PREFIX)
    router.add_slash(PPROF_PREFIX)
    router.add(PPROF_PREFIX + PPROF.path, plain(debug.profile))
    return router
