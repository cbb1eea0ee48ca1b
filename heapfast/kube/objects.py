"""The API server's JSON, as far as heapfast reads it.

In      JSON of v1 Node, Pod, Namespace, of lists of them, of watch events and Status
Out     frozen structs; members that are absent or null are None, all others are skipped unread
Callers watch, client; nodes, pods and namespaces turn objects into plain data
Source  the Kubernetes API, v1, from 1.0 on (recordings of many releases are among the tests)
Never   judges: a quantity is still text here, an address may be no address

A member of the wrong type raises msgspec.DecodeError (ValidationError). Lists and events
therefore hold their objects as msgspec.Raw: each is decoded by itself, and costs only itself.

Every struct is untracked by the collector (gc=False): decoded JSON is a tree, it has no cycles.
"""

from __future__ import annotations

from datetime import datetime

from msgspec import Raw, Struct, field


class _Json(Struct, frozen=True, gc=False, rename="camel"):
    """Members are named as in Kubernetes, in camel case."""


class Metadata(_Json, frozen=True):
    name: str | None = None
    namespace: str | None = None
    uid: str | None = None
    labels: dict[str, str] | None = None


class NodeMetadata(Metadata, frozen=True):
    annotations: dict[str, str] | None = None


class Amounts(_Json, frozen=True):
    """A resource list. The API server writes text; a bare number is legal too."""

    cpu: str | int | float | None = None
    memory: str | int | float | None = None


# ---- nodes -----------------------------------------------------------------------------------


class NodeAddress(_Json, frozen=True):
    type: str | None = None
    address: str | None = None


class NodeCondition(_Json, frozen=True):
    type: str | None = None
    status: str | None = None


class NodeSystemInfo(_Json, frozen=True):
    kubelet_version: str | None = None


class DaemonEndpoint(_Json, frozen=True):
    port: int | None = field(default=None, name="Port")


class NodeDaemonEndpoints(_Json, frozen=True):
    kubelet_endpoint: DaemonEndpoint | None = None


class NodeObjectSpec(_Json, frozen=True):
    external_id: str | None = field(default=None, name="externalID")
    unschedulable: bool | None = None


class NodeObjectStatus(_Json, frozen=True):
    addresses: list[NodeAddress] | None = None
    conditions: list[NodeCondition] | None = None
    capacity: Amounts | None = None
    allocatable: Amounts | None = None
    node_info: NodeSystemInfo | None = None
    daemon_endpoints: NodeDaemonEndpoints | None = None


class NodeObject(_Json, frozen=True):
    metadata: NodeMetadata = NodeMetadata()
    spec: NodeObjectSpec | None = None
    status: NodeObjectStatus | None = None


# ---- pods ------------------------------------------------------------------------------------


class ResourceRequirements(_Json, frozen=True):
    requests: Amounts | None = None
    limits: Amounts | None = None


class ContainerObject(_Json, frozen=True):
    name: str
    image: str | None = None
    resources: ResourceRequirements | None = None


class ContainerStateTerminated(_Json, frozen=True):
    """Only that it is there counts."""


class ContainerState(_Json, frozen=True):
    terminated: ContainerStateTerminated | None = None


class ContainerStatus(_Json, frozen=True):
    name: str
    restart_count: int | None = None
    state: ContainerState | None = None


class PodObjectSpec(_Json, frozen=True):
    node_name: str | None = None
    containers: list[ContainerObject] | None = None


class PodObjectStatus(_Json, frozen=True):
    phase: str | None = None
    start_time: datetime | None = None
    container_statuses: list[ContainerStatus] | None = None


class PodObject(_Json, frozen=True):
    metadata: Metadata = Metadata()
    spec: PodObjectSpec | None = None
    status: PodObjectStatus | None = None


# ---- namespaces ------------------------------------------------------------------------------


class NamespaceObject(_Json, frozen=True):
    metadata: Metadata = Metadata()


# ---- what carries them -----------------------------------------------------------------------


class ListMetadata(_Json, frozen=True):
    resource_version: str | None = None
    continue_token: str | None = field(default=None, name="continue")


class ObjectList(_Json, frozen=True):
    """One page of a list. `items` borrow from the page's bytes and keep them alive."""

    items: list[Raw] | None
    metadata: ListMetadata = ListMetadata()


class WatchEvent(_Json, frozen=True):
    """One line of a watch; `object` borrows from the line."""

    type: str
    object: Raw


class ObjectIdentity(_Json, frozen=True):
    """Who an object is, for when the rest of it does not matter or does not decode."""

    name: str | None = None
    namespace: str | None = None
    resource_version: str | None = None


class AnyObject(_Json, frozen=True):
    metadata: ObjectIdentity = ObjectIdentity()


class StatusDetails(_Json, frozen=True):
    retry_after_seconds: int | None = None


class Status(_Json, frozen=True):
    """The API server's error body."""

    code: int | None = None
    reason: str | None = None
    message: str | None = None
    details: StatusDetails | None = None

    @property
    def retry_after_seconds(self) -> int | None:
        """How long the server wants to be left alone, None when it does not say."""
        return self.details.retry_after_seconds if self.details else None
