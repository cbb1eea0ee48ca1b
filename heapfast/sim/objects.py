"""Kubernetes objects of the simulated cluster as JSON bytes.

In      a Node, Pod or Namespace and the version to state
Out     the object without `kind` and `apiVersion` (as in lists), or with them; its metadata alone
Callers resources.py
Source  the API's own field names; only what clients of metrics read is there
Never   keeps an object's bytes: 150,000 pods would take 250 MB. A pod is its workload's template
        with a dozen texts put in, some 6 us
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from heapfast.sim import shapes

if TYPE_CHECKING:
    from heapfast.sim.cluster import Cluster, Namespace, Node, Pod
    from heapfast.sim.shapes import ContainerSpec, Workload

KUBELET_VERSION: Final = "v1.32.4"
_OWNER_KIND: Final = {"Deployment": "ReplicaSet", "StatefulSet": "StatefulSet"}


def encode(value: Any) -> bytes:
    return msgspec.json.encode(value)


def rfc3339(unix_ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(unix_ms // 1000))


def container_id(bits: int) -> str:
    """As _bodies prints it: one word four times, turned."""
    words = []
    for _ in range(4):
        words.append(f"{bits:016x}")
        bits = (bits << 17 | bits >> 47) & 0xFFFFFFFFFFFFFFFF
    return "".join(words)


class PodObjects:
    """Renders pods. One template a workload, made when it is first needed."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._metadata: dict[int, bytes] = {}
        self._rest: dict[int, bytes] = {}

    def metadata(self, pod: Pod, version: int) -> bytes:
        """The object `metadata`."""
        workload = pod.workload
        template = self._metadata.get(workload.number)
        if template is None:
            template = self._metadata[workload.number] = _metadata_template(self._cluster, workload)
        extra = b""
        if workload.is_stateful:
            extra = (
                b',"apps.kubernetes.io/pod-index":"%d","statefulset.kubernetes.io/pod-name":"%b"'
                % (pod.ordinal, pod.name.encode())
            )  # fmt: skip
        uid = self._cluster.pod_uid(pod)
        return template % (pod.name.encode(), uid.encode(), version, rfc3339(pod.created_ms).encode(), extra)

    def item(self, pod: Pod, version: int) -> bytes:
        """The whole object, without kind and apiVersion."""
        template = self._rest.get(pod.workload.number)
        if template is None:
            template = self._rest[pod.workload.number] = _rest_template(pod.workload)
        rest = template % (pod.node.name.encode(), self._status(pod))
        return b'{"metadata":%b,%b' % (self.metadata(pod, version), rest)

    def _status(self, pod: Pod) -> bytes:
        host = pod.node.host
        if not pod.start_ms:
            return b'{"phase":"Pending","conditions":[{"type":"Ready","status":"False"}],"qosClass":"Burstable"}'
        started = rfc3339(pod.start_ms).encode()
        statuses = b",".join(
            b'{"name":"%b","state":{"running":{"startedAt":"%b"}},"lastState":{},"ready":true,"restartCount":0,'
            b'"image":"%b","imageID":"","containerID":"containerd://%b","started":true}'
            % (
                spec.name.encode(),
                started,
                spec.image.encode(),
                container_id(self._cluster.container_id_bits(pod, index)).encode(),
            )
            for index, spec in enumerate(pod.workload.containers)
        )
        serial = pod.serial
        return (
            b'{"phase":"Running","conditions":[{"type":"Ready","status":"True","lastTransitionTime":"%b"}],'
            b'"hostIP":"%b","podIP":"10.%d.%d.%d","startTime":"%b","containerStatuses":[%b],"qosClass":"Burstable"}'
            % (
                started,
                host.address.encode(),
                serial >> 16 & 255,
                serial >> 8 & 255,
                serial & 255,
                started,
                statuses,
            )
        )


def _metadata_template(cluster: Cluster, workload: Workload) -> bytes:
    """Slots: name, uid, resourceVersion, creationTimestamp, further labels."""
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
    """Slots: nodeName, status."""
    containers = encode([_container(spec) for spec in workload.containers])
    return (
        b'"spec":{"containers":%b,"restartPolicy":"Always","serviceAccountName":"default","nodeName":"%%b",'
        b'"schedulerName":"default-scheduler"},"status":%%b}' % containers
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
