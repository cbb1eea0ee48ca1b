"""The config map that tells add-on API servers whom to trust.

In      the certificates of a cluster with TLS
Out     ConfigMap kube-system/extension-apiserver-authentication
Callers main puts it into the cluster; resources shows it
Source  spec/metrics-k8s-io.md 11.1
Never   contains a key: both authorities are stated by their certificates alone
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from heapfast.sim.certificates import FRONT_PROXY_NAME, Certificates

if TYPE_CHECKING:
    from heapfast.sim.cluster import Cluster

NAMESPACE: Final = "kube-system"
NAME: Final = "extension-apiserver-authentication"


class ConfigMap:
    """One version of a config map."""

    __slots__ = ("data", "name", "namespace", "resource_version")

    def __init__(self, namespace: str, name: str, data: dict[str, str]) -> None:
        self.namespace = namespace
        self.name = name
        self.data = data
        self.resource_version = 0


def publish_trust(cluster: Cluster, certificates: Certificates) -> None:
    """Tells add-ons of the cluster's authorities; again, when these have changed."""
    data = {
        "client-ca-file": certificates.client_ca_file.read_text(),
        "requestheader-client-ca-file": certificates.front_proxy_ca_file.read_text(),
        "requestheader-allowed-names": _strings(FRONT_PROXY_NAME),
        "requestheader-username-headers": _strings("X-Remote-User"),
        "requestheader-uid-headers": _strings("X-Remote-Uid"),
        "requestheader-group-headers": _strings("X-Remote-Group"),
        "requestheader-extra-headers-prefix": _strings("X-Remote-Extra-"),
    }
    cluster.config_maps.put(f"{NAMESPACE}/{NAME}", ConfigMap(NAMESPACE, NAME, data))


def config_map_metadata(config_map: ConfigMap, version: int) -> dict[str, Any]:
    return {"name": config_map.name, "namespace": config_map.namespace, "resourceVersion": str(version)}


def config_map_object(config_map: ConfigMap, version: int) -> dict[str, Any]:
    return {"metadata": config_map_metadata(config_map, version), "data": config_map.data}


def _strings(*texts: str) -> str:
    return msgspec.json.encode(texts).decode()
