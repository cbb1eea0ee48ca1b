"""Discovery: which groups, versions and resources there are; and /version, and the index of all paths.

In      the groups, the port, the version
Out     documents as JSON, YAML and protobuf, aggregated ones with an ETag
Callers secure_routes.py; the aggregation layer, kubectl
Source  spec/metrics-k8s-io.md 2, 9.2 and 9.3
Never   changes after start: every document is written once
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import falcon.asgi

from heapfast.api.accept import OFFERED, Allows, allows_aggregated, allows_plain, negotiate
from heapfast.api.kubernetes_errors import not_transformed
from heapfast.api.kubernetes_responders import Answer, is_pretty_request
from heapfast.api.request import Request
from heapfast.api.responders import JSON, Handler, Responder
from heapfast.render.forms import Encoding
from heapfast.render.protobuf import LIST_META, bytes_field, envelope, int_field, text_field
from heapfast.render.yaml import to_yaml

_AGGREGATED_TYPE: Final = ";g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
#: Of the API server library whose behaviour is kept.
_LIBRARY: Final = ("1", "33")
_COMPATIBLE: Final = ("1", "32")


class ApiResource(NamedTuple):
    """What can be asked for.

    Attributes:
        name: plural; with what stands below it behind a slash.
        kind: of the answer.
    """

    name: str
    kind: str
    is_namespaced: bool
    verbs: tuple[str, ...] = ("get", "list")

    @property
    def scope(self) -> str:
        return "Namespaced" if self.is_namespaced else "Cluster"


class ApiGroup(NamedTuple):
    """What belongs together.

    Attributes:
        versions: the preferred one first; all have the same resources.
        resources: in the order of names.
    """

    name: str
    versions: tuple[str, ...]
    resources: tuple[ApiResource, ...]

    def group_version(self, version: str) -> str:
        return f"{self.name}/{version}"


#: Of metrics.k8s.io.
METRICS_RESOURCES: Final = (ApiResource("nodes", "NodeMetrics", False), ApiResource("pods", "PodMetrics", True))


class Document:
    """One object that never changes, in each encoding.

    Args:
        value: as JSON has it.
        raw: the object in protobuf, without an envelope.
    """

    def __init__(self, value: Mapping[str, Any], raw: bytes) -> None:
        compact = json.dumps(value, separators=(",", ":"))
        self.etag = f'"{hashlib.sha512(compact.encode()).hexdigest().upper()}"'
        self._bodies = {
            Encoding.JSON: f"{compact}\n".encode(),
            Encoding.YAML: to_yaml(value),
            Encoding.PROTOBUF: envelope(value.get("apiVersion", ""), value["kind"], raw),
        }
        self._pretty = json.dumps(value, indent=2).encode()

    def body(self, encoding: Encoding, *, is_pretty: bool) -> bytes:
        return self._pretty if is_pretty and encoding is Encoding.JSON else self._bodies[encoding]


class Discovery:
    """Handlers of the documents at `/apis`, at each group, and at each version.

    Args:
        groups: in the order in which they are listed.
        port: of the server.
    """

    def __init__(self, groups: Sequence[ApiGroup], port: int) -> None:
        self._groups = _group_list(groups, port)
        self._aggregated = _aggregated(groups)

    def groups(self, req: Request) -> Answer:
        """`/apis`: aggregated, if any of the accepted forms is that."""
        negotiated = negotiate(req.first_header(b"accept"), allows_aggregated)
        if negotiated is None:
            return _answer(req, self._groups)
        headers = (("vary", "Accept"), ("etag", self._aggregated.etag), ("cache-control", "public"))
        if req.first_header(b"if-none-match") == self._aggregated.etag:
            return Answer(b"", "", headers, 304)
        is_pretty = negotiated.is_indented or is_pretty_request(req)
        body = self._aggregated.body(negotiated.encoding, is_pretty=is_pretty)
        return Answer(body, negotiated.encoding.value + _AGGREGATED_TYPE, headers)

    def group(self, group: ApiGroup) -> Handler:
        """Make the handler of a group's document."""
        value = {"kind": "APIGroup", "apiVersion": "v1", **_group(group)}
        return _handler(Document(value, _group_message(group, b"")))

    def version(self, group: ApiGroup, version: str) -> Handler:
        """Make the handler of a version's document."""
        return _handler(_resource_list(group, version))


class Version:
    """Handler of /version: always for people."""

    def __init__(self, version: str) -> None:
        machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
        value = {
            "major": _LIBRARY[0],
            "minor": _LIBRARY[1],
            "emulationMajor": _LIBRARY[0],
            "emulationMinor": _LIBRARY[1],
            "minCompatibilityMajor": _COMPATIBLE[0],
            "minCompatibilityMinor": _COMPATIBLE[1],
            "gitVersion": f"v{version}",
            "gitCommit": "",
            "gitTreeState": "",
            "buildDate": "1970-01-01T00:00:00Z",
            "goVersion": f"python{platform.python_version()}",
            "compiler": platform.python_implementation().lower(),
            "platform": f"{platform.system().lower()}/{machine}",
        }
        self._body = json.dumps(value, indent=2).encode()

    def version(self, req: Request) -> Answer:
        return Answer(self._body, JSON)


def root_index(paths: Sequence[str], status: int) -> Responder:
    """Make the responder that lists all paths: at `/`, and with 404 where there is nothing.

    Args:
        paths: in any order.
        status: of the answer.
    """
    body = json.dumps({"paths": sorted(paths)}, indent=2).encode()

    async def index(req: Request, resp: falcon.asgi.Response) -> None:
        resp.status = status
        resp.content_type = JSON
        resp.data = body

    return index


def _answer(req: Request, document: Document, allows: Allows = allows_plain) -> Answer:
    negotiated = negotiate(req.first_header(b"accept"), allows)
    if negotiated is None:
        raise not_transformed(OFFERED)
    is_pretty = negotiated.is_indented or is_pretty_request(req)
    return Answer(document.body(negotiated.encoding, is_pretty=is_pretty), negotiated.encoding.value)


def _handler(document: Document) -> Handler:
    def show(req: Request) -> Answer:
        return _answer(req, document)

    return show


def _group_version(group: ApiGroup, version: str) -> dict[str, str]:
    return {"groupVersion": group.group_version(version), "version": version}


def _group_version_message(group: ApiGroup, version: str) -> bytes:
    return text_field(1, group.group_version(version)) + text_field(2, version)


def _group(group: ApiGroup) -> dict[str, Any]:
    return {
        "name": group.name,
        "versions": [_group_version(group, version) for version in group.versions],
        "preferredVersion": _group_version(group, group.versions[0]),
    }


def _group_message(group: ApiGroup, addresses: bytes) -> bytes:
    messages = b"".join(bytes_field(2, _group_version_message(group, version)) for version in group.versions)
    preferred = bytes_field(3, _group_version_message(group, group.versions[0]))
    return text_field(1, group.name) + messages + preferred + addresses


def _group_list(groups: Sequence[ApiGroup], port: int) -> Document:
    cidr, address = "0.0.0.0/0", f":{port}"
    addresses = [{"clientCIDR": cidr, "serverAddress": address}]
    values = [{**_group(group), "serverAddressByClientCIDRs": addresses} for group in groups]
    addresses_message = bytes_field(4, text_field(1, cidr) + text_field(2, address))
    messages = b"".join(bytes_field(1, _group_message(group, addresses_message)) for group in groups)
    return Document({"kind": "APIGroupList", "groups": values}, messages)


def _resource_list(group: ApiGroup, version: str) -> Document:
    resources = [
        {
            "name": resource.name,
            "singularName": "",
            "namespaced": resource.is_namespaced,
            "kind": resource.kind,
            "verbs": list(resource.verbs),
        }
        for resource in group.resources
    ]
    messages = [
        text_field(1, resource.name)
        + int_field(2, resource.is_namespaced)
        + text_field(3, resource.kind)
        + bytes_field(4, b"".join(text_field(1, verb) for verb in resource.verbs))
        + b"".join(text_field(number, "") for number in (6, 8, 9, 10))
        for resource in group.resources
    ]
    group_version = group.group_version(version)
    return Document(
        {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources},
        text_field(1, group_version) + b"".join(bytes_field(2, message) for message in messages),
    )


def _aggregated(groups: Sequence[ApiGroup]) -> Document:
    items = [_aggregated_group(group) for group in groups]
    return Document(
        {
            "kind": "APIGroupDiscoveryList",
            "apiVersion": "apidiscovery.k8s.io/v2",
            "metadata": {},
            "items": [value for value, _ in items],
        },
        LIST_META + b"".join(bytes_field(2, message) for _, message in items),
    )


def _aggregated_group(group: ApiGroup) -> tuple[dict[str, Any], bytes]:
    # What stands below a resource that is not served itself has no place in this form; a version may be empty.
    served = [resource for resource in group.resources if "/" not in resource.name]
    resources = [
        {
            "resource": resource.name,
            # Old clients crash when it is null.
            "responseKind": {"group": "", "version": "", "kind": resource.kind},
            "scope": resource.scope,
            "singularResource": "",
            "verbs": list(resource.verbs),
        }
        for resource in served
    ]
    messages = b"".join(
        bytes_field(
            2,
            text_field(1, resource.name)
            + bytes_field(2, text_field(1, "") + text_field(2, "") + text_field(3, resource.kind))
            + text_field(3, resource.scope)
            + text_field(4, "")
            + b"".join(text_field(5, verb) for verb in resource.verbs),
        )
        for resource in served
    )
    versions = [{"version": version, "resources": resources, "freshness": "Current"} for version in group.versions]
    version_messages = b"".join(
        bytes_field(2, text_field(1, version) + messages + text_field(3, "Current")) for version in group.versions
    )
    metadata = {"name": group.name, "creationTimestamp": None}
    message = bytes_field(1, text_field(1, group.name) + bytes_field(8, b"")) + version_messages
    return {"metadata": metadata, "versions": versions}, message
