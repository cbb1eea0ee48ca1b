"""Kubernetes objects of the simulated cluster as JSON bytes.

In      a Node, Pod or Namespace and the version to state
Out     the object without `kind` and `apiVersion` (as in lists), or with them; its metadata alone
Callers resources.py
Source  the API's own field names; only what clients of metrics read is there
Never   keeps an object's bytes: 150,000 pods would take 250 MB. A pod is its workload's template
        with a dozen texts put in, some 8 us
"""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from heapfast.sim import shapes
from heapfast.sim.loads import MASK_64

if TYPE_CHECKING:
    from heapfast.sim.cluster import Cluster, Namespace, Node, Pod
    from heapfast.sim.shapes import ContainerSpec, Workload

KUBELET_VERSION: Final = "v1.32.4"
_OWNER_KIND: Final = {"Deployment": "ReplicaSet", "StatefulSet": "StatefulSet"}


def encode(value: Any) -> bytes:
    return msgspec.json.encode(value)


@functools.lru_cache(maxsize=1024)
def _date(day: int) -> str:
    return time.strftime("%Y-%m-%dT", time.gmtime(day * 86_400))


def rfc3339(unix_ms: int) -> str:
    day, second = divmod(unix_ms // 1000, 86_400)
    minute, second = divmod(second, 60)
    return f"{_date(day)}{minute // 60:02d}:{minute % 60:02d}:{second:02d}Z"


class _Template(NamedTuple):
    """What all pods of a workload share, as bytes with slots."""

    metadata: bytes  # name, uid, resourceVersion, creationTimestamp, further labels
    rest: bytes  # nodeName, status
    running: bytes  # start, hostIP, pod IP (three numbers), start, then start and id of each container


class PodObjects:
    """Renders pods. One template a workload, made when it is first needed."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._templates: dict[int, _Template] = {}

    def metadata(self, pod: Pod, version: int) -> bytes:
        """The object `metadata`."""
        return self._metadata(self._template(pod.workload), pod, version, self._cluster.pod_uid_halves(pod))

    def item(self, pod: Pod, version: int) -> bytes:
        """The whole object, without kind and apiVersion."""
        template = self._template(pod.workload)
        halves = self._cluster.pod_uid_halves(pod)
        rest = template.rest % (pod.node.name.encode(), _status(template, pod, halves[0]))
        return b'{"metadata":%b,%b' % (self._metadata(template, pod, version, halves), rest)

    def _template(self, workload: Workload) -> _Template:
        template = self._templates.get(workload.number)
        if template is None:
            template = self._templates[workload.number] = _Template(
                _metadata_template(self._cluster, workload), _rest_template(workload), _running_template(workload)
            )
        return template

    def _metadata(self, template: _Template, pod: Pod, version: int, halves: tuple[int, int]) -> bytes:
        extra = b""
        if pod.workload.is_stateful:
            extra = b',"apps.kubernetes.io/pod-index":"%d","statefulset.kubernetes.io/pod-name":"%b"' % (
                pod.ordinal,
                pod.name.encode(),
            )
        uid = shapes.uid_text(*halves).encode()
        return template.metadata % (pod.name.encode(), uid, version, rfc3339(pod.created_ms).encode(), extra)


def _status(template: _Template, pod: Pod, uid_high: int) -> bytes:
    if not pod.start_ms:
        return b'{"phase":"Pending","conditions":[{"type":"Ready","status":"False"}],"qosClass":"Burstable"}'
    started = rfc3339(pod.start_ms).encode()
    serial = pod.serial
    values: list[bytes | int] = [
        started, pod.node.host.address.encode(), serial >> 16 & 255, serial >> 8 & 255, serial & 255, started,
    ]  # fmt: skip
    for index in range(len(pod.workload.containers)):
        # The bits of Cluster.container_id_bits, and the text of them that _lines.pxd prints.
        bits = (uid_high + 1 + index) & MASK_64
        values += (started, b"%016x" % bits * 4)
    return template.running % tuple(values)


def _metadata_template(cluster: Cluster, workload: Workload) -> bytes:
    owner = workload.name if workload.is_stateful else f"{workload.name}-{workload.template_hash}"
    labels = encode(workload.labels)[:-1]
    owners = encode(
        [
            {
                "apiVersion": "apps/v1",
                "kind": _OWNER_KIND[workload.kind],
                "name": owner,
                "uid": shapes.uid_text(*shapes.uid_halves(cluster.seed, 4, workload.number)),
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ]
    )
    return (
        b'{"name":"%%b","generateName":"%b-","namespace":"%b","uid":"%%b","resourceVersion":"%%d",'
        b'"creationTimestamp":"%%b","labels":%b%%b},"ownerReferences":%b}'
        % (owner.encode(), workload.namespace.encode(), labels, owners)
    )


def _rest_template(workload: Workload) -> bytes:
    containers = encode([_container(spec) for spec in workload.containers])
    return (
        b'"spec":{"containers":%b,"restartPolicy":"Always","serviceAccountName":"default","nodeName":"%%b",'
        b'"schedulerName":"default-scheduler"},"status":%%b}' % containers
    )


def _running_template(workload: Workload) -> bytes:
    statuses = b",".join(
        b'{"name":"%b","state":{"running":{"startedAt":"%%b"}},"lastState":{},"ready":true,"restartCount":0,'
        b'"image":"%b","imageID":"","containerID":"containerd://%%b","started":true}'
        % (spec.name.encode(), spec.image.encode())
        for spec in workload.containers
    )
    return (
        b'{"phase":"Running","conditions":[{"type":"Ready","status":"True","lastTransitionTime":"%%b"}],'
        b'"hostIP":"%%b","podIP":"10.%%d.%%d.%%d","startTime":"%%b","containerStatuses":[%b],'
        b'"qosClass":"Burstable"}' % statuses
    )


def _container(spec: ContainerSpec) -> dict[str, Any]:
    resources: dict[str, dict[str, str]] = {}
    for name, cpu, memory in (
        ("requests", spec.cpu_request_millicores, spec.memory_request_bytes),
        ("limits", spec.cpu_limit_millicores, spec.memory_limit_bytes),
    ):
        if cpu:
            resources[name] = {"cpu": f"{cpu}m", "memory": f"{memory // shapes.MIB}Mi"}
    return {"name": spec.name, "image": spec.image, "resources": resources, "imagePullPolicy": "IfNotPresent"}


def node_metadata(cluster: Cluster, node: Node, version: int) -> dict[str, Any]:
    return {
        "name": node.name,
        "uid": cluster.node_uid(node),
        "resourceVersion": str(version),
        "creationTimestamp": rfc3339(node.host.boot_ms),
        "labels": node.labels,
        "annotations": {"node.alpha.kubernetes.io/ttl": "0"},
    }


def node_object(cluster: Cluster, node: Node, version: int, kubelet_port: int) -> dict[str, Any]:
    """A node. Its externalID is the Heapster era's host id; the Hostname of every third node is not its name."""
    host = node.host
    hostname = f"{host.name}.example.internal" if node.index % 3 == 2 else host.name
    memory_ki = host.memory_bytes // 1024
    spec: dict[str, Any] = {"externalID": f"i-{node.index:08x}", "providerID": f"sim:///{host.name}"}
    if node.unschedulable:
        spec["unschedulable"] = True
        spec["taints"] = [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]
    return {
        "metadata": node_metadata(cluster, node, version),
        "spec": spec,
        "status": {
            "capacity": {"cpu": str(host.cores), "memory": f"{memory_ki}Ki", "pods": "110"},
            "allocatable": {"cpu": f"{host.cores * 1000 - 200}m", "memory": f"{memory_ki - 524288}Ki", "pods": "110"},
            "conditions": [
                {
                    "type": "Ready",
                    "status": "True" if node.ready else "False",
                    "lastHeartbeatTime": rfc3339(host.boot_ms),
                    "lastTransitionTime": rfc3339(host.boot_ms),
                    "reason": "KubeletReady" if node.ready else "KubeletNotReady",
                }
            ],
            "addresses": [
                {"type": "InternalIP", "address": host.address},
                {"type": "Hostname", "address": hostname},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet_port}},
            "nodeInfo": {
                "machineID": cluster.node_uid(node).replace("-", ""),
                "systemUUID": cluster.node_uid(node),
                "bootID": cluster.node_uid(node),
                "kernelVersion": "6.8.0",
                "osImage": "Simulated Linux",
                "containerRuntimeVersion": "containerd://2.0.0",
                "kubeletVersion": KUBELET_VERSION,
                "kubeProxyVersion": KUBELET_VERSION,
                "operatingSystem": "linux",
                "architecture": node.labels["kubernetes.io/arch"],
            },
        },
    }


def namespace_metadata(namespace: Namespace, version: int) -> dict[str, Any]:
    return {
        "name": namespace.name,
        "uid": namespace.uid,
        "resourceVersion": str(version),
        "creationTimestamp": rfc3339(namespace.created_ms),
        "labels": {"kubernetes.io/metadata.name": namespace.name},
    }


def namespace_object(namespace: Namespace, version: int) -> dict[str, Any]:
    return {
        "metadata": namespace_metadata(namespace, version),
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }
