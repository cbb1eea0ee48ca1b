"""The config map in which the cluster tells add-on API servers whom to trust.

In      ConfigMapObject, as the API server states it
Out     AuthConfig: its data as plain texts
Callers watch (through AUTH_CONFIG); secure_port.py, which fetches it once before anything is served
Source  spec/metrics-k8s-io.md 11.1
Never   reads what the texts say: auth/config_map.py does
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from heapfast.errors import KubeError
from heapfast.kube.client import KubeClient
from heapfast.kube.objects import Metadata
from heapfast.kube.resource import Resource

NAMESPACE: Final = "kube-system"
NAME: Final = "extension-apiserver-authentication"

_PATH: Final = f"/api/v1/namespaces/{NAMESPACE}/configmaps"


class ConfigMapObject(Struct, frozen=True, gc=False):
    """A ConfigMap, as far as it is read."""

    metadata: Metadata = Metadata()
    data: dict[str, str] | None = None


class AuthConfig(Struct, frozen=True, gc=False, kw_only=True):
    """One config map, known by namespace and name."""

    namespace: str
    name: str
    data: dict[str, str]
    faults: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"


def read_auth_config(config_map: ConfigMapObject) -> AuthConfig:
    """Turn a config map into plain data; a ValueError says that it has no name."""
    metadata = config_map.metadata
    if not metadata.name or not metadata.namespace:
        raise ValueError("a config map without name or namespace")
    return AuthConfig(namespace=metadata.namespace, name=metadata.name, data=config_map.data or {})


#: Its list and watch are of one object: add-ons may read this config map and no other.
AUTH_CONFIG: Final = Resource(
    "authentication config", f"{_PATH}?fieldSelector=metadata.name%3D{NAME}", ConfigMapObject, read_auth_config
)


async def fetch_auth_config(client: KubeClient) -> AuthConfig:
    """Fetch it as it is now.

    Raises:
        KubeError: no answer, one that is not 200, or one that is no config map.
    """
    body = await client.get(f"{_PATH}/{NAME}")
    try:
        return AUTH_CONFIG.decode(body)
    except (msgspec.DecodeError, ValueError) as error:
        raise KubeError(f"cannot get {_PATH}/{NAME}: got no config map ({error})", reason="decode") from error
