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
from heapfast.api.discovery import Discovery, Version, root_index
from heapfast.api.kubernetes_errors import GROUP
from heapfast.api.kubernetes_monitoring import KubernetesMonitor, RouteLabels
from heapfast.api.kubernetes_responders import KubernetesResponders
from heapfast.api.metrics_k8s_io import MetricsK8sIo
from heapfast.api.openapi import OpenApi
from heapfast.api.probes import Probes
from heapfast.api.responders import plain
from heapfast.api.secure_router import SecureRouter
from heapfast.api.secure_state import SecureState
from heapfast.api.self_metrics import CONTENT_TYPE_ESCAPING, SelfMetrics
from heapfast.api.why import WHY, WHY_PREFIX, Why
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
    discovery = Discovery(state.versions, state.port)
    for path in (GROUPS_PATH, f"{GROUPS_PATH}/"):
        router.add_exact(path, responders.restful(discovery.groups, OFFERED))
    router.add_prefix(GROUP_PATH)
    router.add(GROUP_PATH, responders.restful(discovery.group, OFFERED))
    for version in state.versions:
        prefix = f"{GROUP_PATH}/{version}"
        index.append(prefix)
        router.add(prefix, responders.restful(discovery.version(version), OFFERED))
        family = MetricsK8sIo(state, metrics, version)
        for route in RESOURCES:
            verb = "LIST" if route.is_list else "GET"
            counter = monitor.route(RouteLabels(verb, GROUP, version, route.resource, route.scope))
            produced = OFFERED_LIST if route.is_list else OFFERED
            router.add(prefix + route.path, responders.restful(getattr(family, route.handler), produced, counter))
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
    _add_openapi(router, state)
    _add_why(router, state)
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


def _add_openapi(router: SecureRouter, state: SecureState) -> None:
    openapi = OpenApi(state.versions, state.version, state.clock)
    router.add_exact(OPENAPI_V2_PATH, plain(openapi.v2))
    router.add_exact(OPENAPI_V3_PATH, plain(openapi.index))
    for path in openapi.paths:
        router.add_exact(f"{OPENAPI_V3_PATH}/{path}", plain(openapi.v3(path)))
    router.add_below(f"{OPENAPI_V3_PATH}/", plain(openapi.nothing))
