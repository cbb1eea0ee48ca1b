"""Every route of the secure port, in one table.

In      the handlers
Out     a SecureRouter with all routes
Callers secure_app.py; tests walk the tables
Source  spec/metrics-k8s-io.md section 1
Never   says what a route does
"""

from __future__ import annotations

from typing import Final, NamedTuple

from heapfast.api.accept import JSON, OFFERED, OFFERED_LIST
from heapfast.api.cluster_metrics import CLUSTER_METRICS_PATH, ClusterMetrics
from heapfast.api.custom_metrics import CustomMetrics, api_resources
from heapfast.api.discovery import METRICS_RESOURCES, ApiGroup, ApiResource, Discovery, Version, root_index
from heapfast.api.kubernetes_monitoring import KubernetesMonitor, RouteLabels
from heapfast.api.kubernetes_responders import KubernetesResponders
from heapfast.api.metrics_k8s_io import MetricsK8sIo
from heapfast.api.openapi import OpenApi
from heapfast.api.probes import Probes
from heapfast.api.query import GROUP_NAME as QUERY_GROUP
from heapfast.api.query import QUERY, QUERY_PREFIX, Query
from heapfast.api.query_openapi import OPENAPI_PATH as QUERY_OPENAPI_PATH
from heapfast.api.query_openapi import put_query_document
from heapfast.api.responders import plain
from heapfast.api.secure_router import SecureRouter
from heapfast.api.secure_state import SecureState
from heapfast.api.self_metrics import CONTENT_TYPE_ESCAPING, SelfMetrics
from heapfast.api.why import WHY, WHY_PREFIX, Why
from heapfast.render.custom_metrics import GROUP as CUSTOM_GROUP
from heapfast.render.custom_metrics import VERSIONS as CUSTOM_VERSIONS
from heapfast.render.k8s_frames import GROUP
from heapfast.render.metrics_k8s_io import ResourceMetrics


class Route(NamedTuple):
    """One route of a version: path below it, method of its class, and how it is counted."""

    path: str
    handler: str
    is_list: bool
    resource: str
    scope: str


RESOURCES: Final = (
    Route("/nodes", "nodes", True, "nodes", "cluster"),
    Route("/nodes/{node}", "node", False, "nodes", "resource"),
    Route("/pods", "all_pods", True, "pods", "cluster"),
    Route("/namespaces/{namespace}/pods", "pods", True, "pods", "namespace"),
    Route("/namespaces/{namespace}/pods/{pod}", "pod", False, "pods", "resource"),
)

#: Of custom.metrics.k8s.io; what comes first beats a parameter in its place.
CUSTOM_RESOURCES: Final = (
    Route("/namespaces/{namespace}/metrics/{metric}", "namespaces", False, "namespaces", "resource"),
    Route("/namespaces/{namespace}/pods/{pod}/{metric}", "pods", False, "pods", "resource"),
    Route("/nodes/{node}/{metric}", "nodes", False, "nodes", "resource"),
    Route("/namespaces/{namespace}/{resource}/{name}/{metric}", "others", False, "others", "resource"),
    Route("/{resource}/{name}/{metric}", "others", False, "others", "resource"),
)

QUERY_RESOURCES: Final = (ApiResource("query", "QueryResult", True, ("create", "list")),)

GROUPS_PATH: Final = "/apis"
GROUP_PATH: Final = f"/apis/{GROUP}"
VERSION_PATH: Final = "/version"
METRICS_PATH: Final = "/metrics"
OPENAPI_V2_PATH: Final = "/openapi/v2"
OPENAPI_V3_PATH: Final = "/openapi/v3"
INDEX_PATHS: Final = ("/", "/index.html")


def build_router(
    state: SecureState, metrics: ResourceMetrics, responders: KubernetesResponders, monitor: KubernetesMonitor
) -> SecureRouter:
    """Join the tables above with the handlers."""
    router = SecureRouter(responders)
    index = [GROUPS_PATH, GROUP_PATH, VERSION_PATH, METRICS_PATH, OPENAPI_V2_PATH, OPENAPI_V3_PATH]
    group = ApiGroup(GROUP, state.versions, METRICS_RESOURCES)
    custom = ApiGroup(CUSTOM_GROUP, CUSTOM_VERSIONS, api_resources())
    discovery = Discovery((group, custom) if state.enable_custom_metrics else (group,), state.port)
    for path in (GROUPS_PATH, f"{GROUPS_PATH}/"):
        router.add_exact(path, responders.restful(discovery.groups, OFFERED))
    _add_discovery(router, responders, discovery, group)
    for version in state.versions:
        prefix = f"{GROUP_PATH}/{version}"
        index.append(prefix)
        family = MetricsK8sIo(state, metrics, version)
        for route in RESOURCES:
            verb = "LIST" if route.is_list else "GET"
            counter = monitor.route(RouteLabels(verb, GROUP, version, route.resource, route.scope))
            produced = OFFERED_LIST if route.is_list else OFFERED
            router.add(prefix + route.path, responders.restful(getattr(family, route.handler), produced, counter))
    if state.enable_custom_metrics:
        _add_discovery(router, responders, discovery, custom)
        index.extend(_add_custom_metrics(router, responders, state, monitor))
    router.add_prefix(VERSION_PATH)
    router.add(VERSION_PATH, responders.restful(Version(state.version).version, (JSON,)))

    probes = Probes(state)
    for name, checks in probes.checks.items():
        router.add_exact(f"/{name}", plain(probes.probe(name)))
        index.append(f"/{name}")
        for check in checks:
            router.add_exact(f"/{name}/{check.name}", plain(probes.single(check)))
            index.append(f"/{name}/{check.name}")

    self_metrics = SelfMetrics(state.registry, content_type=CONTENT_TYPE_ESCAPING)
    router.add_exact(METRICS_PATH, plain(self_metrics.metrics))
    cluster_metrics = ClusterMetrics(state.store, state.running, responders.run)
    router.add_exact(CLUSTER_METRICS_PATH, plain(cluster_metrics.metrics))
    _add_openapi(router, state)
    _add_why(router, state)
    # Known to who asks for it, so that it can be registered; but /apis says what metrics-server's does.
    _add_discovery(router, responders, discovery, ApiGroup(QUERY_GROUP, ("v1",), QUERY_RESOURCES))
    _add_query(router, state)
    index.append(f"{OPENAPI_V3_PATH}/")
    for path in INDEX_PATHS:
        router.add_exact(path, plain(root_index(index, 200)))
    router.add_otherwise(plain(root_index(index, 404)))
    return router


# Not in the index, which says what metrics-server's does.
def _add_why(router: SecureRouter, state: SecureState) -> None:
    why = Why(state)
    router.add_prefix(WHY_PREFIX)
    for route in WHY:
        router.add(WHY_PREFIX + route.path, plain(getattr(why, route.handler)))


def _add_query(router: SecureRouter, state: SecureState) -> None:
    query = Query(state.store, state.running, state.nodes, state.query_limits, state.query_monitoring)
    for path in QUERY:
        router.add(QUERY_PREFIX + path, plain(query.query))
    router.add_exact(QUERY_OPENAPI_PATH, plain(put_query_document))


def _add_discovery(
    router: SecureRouter, responders: KubernetesResponders, discovery: Discovery, group: ApiGroup
) -> None:
    path = f"{GROUPS_PATH}/{group.name}"
    router.add_prefix(path)
    router.add(path, responders.restful(discovery.group(group), OFFERED))
    for version in group.versions:
        router.add(f"{path}/{version}", responders.restful(discovery.version(group, version), OFFERED))


def _add_custom_metrics(
    router: SecureRouter, responders: KubernetesResponders, state: SecureState, monitor: KubernetesMonitor
) -> list[str]:
    """Add the routes of every version; returns what the index lists."""
    group_path = f"{GROUPS_PATH}/{CUSTOM_GROUP}"
    for version in CUSTOM_VERSIONS:
        family = CustomMetrics(state, version)
        for route in CUSTOM_RESOURCES:
            counter = monitor.route(RouteLabels("GET", CUSTOM_GROUP, version, route.resource, route.scope))
            handler = getattr(family, route.handler)
            router.add(f"{group_path}/{version}{route.path}", responders.restful(handler, OFFERED, counter))
    return [group_path, *(f"{group_path}/{version}" for version in CUSTOM_VERSIONS)]


def _add_openapi(router: SecureRouter, state: SecureState) -> None:
    openapi = OpenApi(state.versions, state.version, state.clock)
    router.add_exact(OPENAPI_V2_PATH, plain(openapi.v2))
    router.add_exact(OPENAPI_V3_PATH, plain(openapi.index))
    for path in openapi.paths:
        router.add_exact(f"{OPENAPI_V3_PATH}/{path}", plain(openapi.v3(path)))
    router.add_below(f"{OPENAPI_V3_PATH}/", plain(openapi.nothing))
