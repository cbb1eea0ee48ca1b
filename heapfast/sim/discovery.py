"""What a client must know before it asks: groups, resources, version.

In      nothing
Out     documents by path
Callers apiserver.py
Source  spec/metrics-k8s-io.md 2; `kubectl` falls back to these from aggregated discovery
Never   says anything of metrics.k8s.io but that it is there: its own document comes from the daemon
"""

from __future__ import annotations

from typing import Any

from heapfast.sim.objects import KUBELET_VERSION

_READ = ["get", "list", "watch"]


def _group(name: str, *versions: str) -> dict[str, Any]:
    entries = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": entries, "preferredVersion": entries[0]}


def _resource(
    name: str, singular: str, kind: str, namespaced: bool, verbs: list[str], short: str = ""
) -> dict[str, Any]:
    entry = {"name": name, "singularName": singular, "namespaced": namespaced, "kind": kind, "verbs": verbs}
    if short:
        entry["shortNames"] = [short]
    return entry


def _resources(group_version: str, *resources: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": list(resources)}


DOCUMENTS: dict[str, Any] = {
    "/version": {
        "major": "1",
        "minor": "32",
        "gitVersion": KUBELET_VERSION,
        "gitCommit": "0" * 40,
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": "none",
        "platform": "linux/amd64",
    },
    "/api": {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []},
    "/apis": {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [
            _group("authentication.k8s.io", "v1"),
            _group("authorization.k8s.io", "v1"),
            _group("metrics.k8s.io", "v1", "v1beta1"),
        ],
    },
    "/api/v1": _resources(
        "v1",
        _resource("configmaps", "configmap", "ConfigMap", True, _READ, "cm"),
        _resource("namespaces", "namespace", "Namespace", False, _READ, "ns"),
        _resource("nodes", "node", "Node", False, _READ, "no"),
        _resource("pods", "pod", "Pod", True, _READ, "po"),
    ),
    "/apis/authentication.k8s.io/v1": _resources(
        "authentication.k8s.io/v1", _resource("tokenreviews", "tokenreview", "TokenReview", False, ["create"])
    ),
    "/apis/authorization.k8s.io/v1": _resources(
        "authorization.k8s.io/v1",
        _resource("subjectaccessreviews", "subjectaccessreview", "SubjectAccessReview", False, ["create"]),
    ),
}
