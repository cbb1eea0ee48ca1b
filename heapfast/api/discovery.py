"""Discovery: which group, versions and resources there are; and /version, and the index of all paths.

In      the port, the version
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
from typing import Any, Final

import falcon.asgi

from heapfast.api.accept import OFFERED, Allows, allows_aggregated, allows_plain, negotiate
from heapfast.api.kubernetes_errors import GROUP, not_transformed
from heapfast.api.kubernetes_responders import Answer, is_pretty_request
from heapfast.api.request import Request
from heapfast.api.responders import JSON, Responder
from heapfast.render.forms import Encoding
from heapfast.render.protobuf import LIST_META, bytes_field, envelope, int_field, text_field
from heapfast.render.yaml import to_yaml

_AGGREGATED_TYPE: Final = ";g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_VERBS: Final = ("get", "list")
#: Name, kind, whether it lives in a namespace; in the order of names.
_RESOURCES: Final = (("nodes", "NodeMetrics", False), ("pods", "PodMetrics", True))

#: Of the API server library whose behaviour is kept.
_LIBRARY: Final = ("1", "33")
_COMPATIBLE: Final = ("1", "32")


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
    """Handlers of the documents at `/apis`, at the group, and at each version.

    Args:
        versions: the preferred one first.
        port: of the server.
    """

    def __init__(self, versions: Sequence[str], port: int) -> None:
        self._groups = _group_list(versions, port)
        self._aggregated = _aggregated(versions)
        group = {"kind": "APIGroup", "apiVersion": "v1", **_group(versions)}
        self._group = Document(group, _group_message(versions, b""))
        self._versions = {version: _resource_list(version) for version in versions}

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

    def group(self, req: Request) -> Answer:
        return _answer(req, self._group)

    def version(self, version: str) -> Any:
        """Make the handler of a version's document."""
        document = self._versions[version]

        def resources(req: Request) -> Answer:
            return _answer(req, document)

        return resources


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


def _group_version(version: str) -> dict[str, str]:
    return {"groupVersion": f"{GROUP}/{version}", "version": version}


def _group_version_message(version: str) -> bytes:
    return text_field(1, f"{GROUP}/{version}") + text_field(2, version)


def _group(versions: Sequence[str]) -> dict[str, Any]:
    return {
        "name": GROUP,
        "versions": [_group_version(version) for version in versions],
        "preferredVersion": _group_version(versions[0]),
    }


def _group_message(versions: Sequence[str], addresses: bytes) -> bytes:
    messages = b"".join(bytes_field(2, _group_version_message(version)) for version in versions)
    return text_field(1, GROUP) + messages + bytes_field(3, _group_version_message(versions[0])) + addresses


def _group_list(versions: Sequence[str], port: int) -> Document:
    cidr, address = "0.0.0.0/0", f":{port}"
    group = {**_group(versions), "serverAddressByClientCIDRs": [{"clientCIDR": cidr, "serverAddress": address}]}
    message = _group_message(versions, bytes_field(4, text_field(1, cidr) + text_field(2, address)))
    return Document({"kind": "APIGroupList", "groups": [group]}, bytes_field(1, message))


def _resource_list(version: str) -> Document:
    resources = [
        {"name": name, "singularName": "", "namespaced": is_namespaced, "kind": kind, "verbs": list(_VERBS)}
        for name, kind, is_namespaced in _RESOURCES
    ]
    messages = [
        text_field(1, name)
        + int_field(2, is_namespaced)
        + text_field(3, kind)
        + bytes_field(4, b"".join(text_field(1, verb) for verb in _VERBS))
        + b"".join(text_field(number, "") for number in (6, 8, 9, 10))
        for name, kind, is_namespaced in _RESOURCES
    ]
    group_version = f"{GROUP}/{version}"
    return Document(
        {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources},
        text_field(1, group_version) + b"".join(bytes_field(2, message) for message in messages),
    )


def _aggregated(versions: Sequence[str]) -> Document:
    resources = [
        {
            "resource": name,
            # Old clients crash when it is null.
            "responseKind": {"group": "", "version": "", "kind": kind},
            "scope": "Namespaced" if is_namespaced else "Cluster",
            "singularResource": "",
            "verbs": list(_VERBS),
        }
        for name, kind, is_namespaced in _RESOURCES
    ]
    messages = b"".join(
        bytes_field(
            2,
            text_field(1, name)
            + bytes_field(2, text_field(1, "") + text_field(2, "") + text_field(3, kind))
            + text_field(3, "Namespaced" if is_namespaced else "Cluster")
            + text_field(4, "")
            + b"".join(text_field(5, verb) for verb in _VERBS),
        )
        for name, kind, is_namespaced in _RESOURCES
    )
    values = [{"version": version, "resources": resources, "freshness": "Current"} for version in versions]
    version_messages = b"".join(
        bytes_field(2, text_field(1, version) + messages + text_field(3, "Current")) for version in versions
    )
    metadata = {"name": GROUP, "creationTimestamp": None}
    return Document(
        {
            "kind": "APIGroupDiscoveryList",
            "apiVersion": "apidiscovery.k8s.io/v2",
            "metadata": {},
            "items": [{"metadata": metadata, "versions": values}],
        },
        LIST_META + bytes_field(2, bytes_field(1, text_field(1, GROUP) + bytes_field(8, b"")) + version_messages),
    )
