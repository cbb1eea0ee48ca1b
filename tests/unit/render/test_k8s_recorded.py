"""Answers of metrics.k8s.io against recorded ones, byte for byte.

The recordings' inputs go in: labels from the lists, the kubelets' bodies. What form is asked for is
read from the recorded answer, so that negotiation, which is api/'s, plays no part.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from heapfast.render.forms import Encoding, Form, RowObject, Shape
from heapfast.units import datetime_to_ns
from heapfast.wire._resource import parse_resource
from heapfast.wire._rows import Rows
from tests.shared import load_matcher, shared_path
from tests.unit.render.usage import Usage

PREFIX: Final = "/apis/metrics.k8s.io/v1beta1/"

#: Parameters that choose what is listed, or how; all others leave the answer as it is.
SELECTING: Final = {"labelSelector", "fieldSelector", "pretty", "watch", "timeout", "limit", "continue"}

Vector = dict[str, Any]


@pytest.fixture(scope="module")
def match() -> ModuleType:
    """The recordings' own program that compares."""
    return load_matcher("conformance/metrics-server")


class Recorded:
    """One scenario: its cluster as it was when its vectors were asked."""

    def __init__(self, scenario: str, usage: Usage) -> None:
        folder = shared_path(f"conformance/metrics-server/{scenario}")
        self.usage = usage
        self.nodes: dict[str, int] = {}
        self.pods: dict[tuple[str, str], int] = {}
        with gzip.open(folder / "inputs.jsonl.gz", "rt") as lines:
            for line in lines:
                self._take(json.loads(line))
        self.vectors = [vector for vector in _load(folder / "vectors.jsonl") if _is_ours(vector)]

    def _take(self, given: dict[str, Any]) -> None:
        if given["kind"] == "kubelet":
            rows = Rows()
            parse_resource(given["body"].encode(), rows)
            self.usage.ingest(rows, self.nodes[given["node"]], int(given["at"] * 1e9))
            return
        for item in given["items"]:
            metadata = item["metadata"]
            labels = metadata.get("labels", {})
            if given["resource"] == "nodes":
                self.nodes[metadata["name"]] = self.usage.put_node(metadata["name"], labels)
            else:
                key = (metadata["namespace"], metadata["name"])
                self.pods[key] = self.usage.put_pod(*key, labels)

    def render(self, path: str, form: Form, now_ns: int) -> bytes:
        match unquote(urlsplit(path).path).removeprefix(PREFIX).strip("/").split("/"):
            case ["nodes"]:
                return b"".join(self.usage.list_nodes(list(self.nodes.values()), form, now_ns))
            case ["nodes", name]:
                return self.usage.get_node(self.nodes[name], form, now_ns)
            case ["pods"]:
                return b"".join(self.usage.list_pods(list(self.pods.values()), form, now_ns))
            case ["namespaces", namespace, "pods"]:
                slots = [slot for (owner, _), slot in self.pods.items() if namespace in ("", owner)]
                return b"".join(self.usage.list_pods(slots, form, now_ns))
            case ["namespaces", namespace, "pods", name]:
                return self.usage.get_pod(self.pods[namespace, name], form, now_ns)
        raise AssertionError(f"BUG: {path} is not a resource")


def _load(path: Path) -> Iterator[Vector]:
    """The vectors, with bodies that are kept once put back in (match.load leaves its file open)."""
    bodies: dict[str, str] = {}
    for line in path.read_text().splitlines():
        vector = json.loads(line)
        answer = vector["response"]
        if "body_of" in answer:
            answer["body"] = bodies[answer["body_of"]]
        elif "body_json" in answer:
            answer["body"] = json.dumps(answer["body_json"], separators=(",", ":"), ensure_ascii=False) + "\n"
        bodies[vector["id"]] = answer.get("body", "")
        yield vector


def _is_ours(vector: Vector) -> bool:
    url = urlsplit(vector["request"]["path"])
    answer = vector["response"]
    resource = url.path.removeprefix(PREFIX)
    return (
        answer["status"] == 200
        and vector["after_step"] > 0
        and vector["request"]["method"] == "GET"
        and url.path.startswith(PREFIX)
        and resource.startswith(("nodes", "pods", "namespaces/"))
        and not SELECTING & set(parse_qs(url.query)) - {"pretty"}
        and bool(answer.keys() & {"body", "body_base64"})
    )


def expected_body(vector: Vector) -> bytes:
    answer = vector["response"]
    return base64.b64decode(answer["body_base64"]) if "body_base64" in answer else answer["body"].encode()


def value_of(body: bytes, encoding: Encoding, match: ModuleType) -> dict[str, Any]:
    """The answer as a JSON value, with its kind and apiVersion, as far as `form_of` needs it."""
    if encoding is Encoding.PROTOBUF:
        value: dict[str, Any] = match.protobuf(body)
        return value | {"kind": value["$kind"], "apiVersion": value["$apiVersion"]}
    if encoding is Encoding.JSON:
        return dict(json.loads(body))
    lines = body.decode().splitlines()
    return {line.partition(":")[0]: line.partition(": ")[2] for line in lines if not line.startswith((" ", "-"))}


def form_of(vector: Vector, encoding: Encoding, value: dict[str, Any]) -> Form:
    kind = value["kind"].removesuffix("List")
    asked = parse_qs(urlsplit(vector["request"]["path"]).query).get("includeObject", ["Metadata"])[0]
    return Form(
        encoding=encoding,
        is_indented=encoding is Encoding.JSON and b"\n " in expected_body(vector),
        shape=Shape(kind) if kind in ("Table", "PartialObjectMetadata") else Shape.WHOLE,
        meta_version=value["apiVersion"].removeprefix("meta.k8s.io/"),
        row_object=RowObject(asked) if kind == "Table" else RowObject.METADATA,
    )


def creation_ns(body: bytes, encoding: Encoding, match: ModuleType) -> int:
    """When the recorded answer was built; any moment will do where it does not say."""
    text = json.dumps(match.protobuf(body)) if encoding is Encoding.PROTOBUF else body.decode()
    _, found, rest = text.partition("creationTimestamp")
    if not found:
        return 0
    return datetime_to_ns(datetime.fromisoformat(rest[rest.index("2026") :][:20]))


def with_sorted_containers(body: bytes, form: Form) -> bytes:
    """The recorded JSON with containers by name, which the reference gives in random order."""
    value = json.loads(body)
    items = [value, *(value.get("items") or ()), *(row["object"] or {} for row in value.get("rows") or ())]
    for item in items:
        if "containers" in item:
            item["containers"].sort(key=lambda container: container["name"])
    layout: dict[str, Any] = {"indent": 2} if form.is_indented else {"separators": (",", ":")}
    return json.dumps(value, ensure_ascii=False, **layout).encode() + (b"\n" if body.endswith(b"\n") else b"")


@pytest.mark.parametrize("scenario", ["plain", "large"])
def test_answers_are_the_recorded_ones(scenario: str, match: ModuleType) -> None:
    recorded = Recorded(scenario, Usage())
    seen: dict[tuple[Encoding, Shape, bool], int] = {}
    for vector in recorded.vectors:
        encoding = Encoding(vector["response"]["headers"]["content-type"])
        want = expected_body(vector)
        form = form_of(vector, encoding, value_of(want, encoding, match))
        got = recorded.render(vector["request"]["path"], form, creation_ns(want, encoding, match))
        about = f"{vector['id']} {vector['request']['path']} {form}"
        headers = {"content-type": encoding.value}
        assert match.differences(vector, 200, vector["response"]["headers"] | headers, got, strict=True) == [], about
        if encoding is Encoding.JSON:
            assert got == with_sorted_containers(want, form), about
        elif b"containers" not in want and "/pods" not in vector["request"]["path"]:
            assert got == want, about
        kind = (encoding, form.shape, form.is_indented)
        seen[kind] = seen.get(kind, 0) + 1
    if scenario == "plain":
        assert {(encoding, shape) for encoding, shape, _ in seen} == {
            (encoding, shape) for encoding in Encoding for shape in Shape
        } - {(Encoding.PROTOBUF, Shape.TABLE)}
        assert (Encoding.JSON, Shape.WHOLE, True) in seen


def test_protobuf_of_a_pod_with_one_container_is_equal_byte_for_byte(match: ModuleType) -> None:
    recorded = Recorded("large", Usage())
    compared = 0
    for vector in recorded.vectors:
        if vector["response"]["headers"]["content-type"] == Encoding.PROTOBUF.value:
            want = expected_body(vector)
            form = Form(encoding=Encoding.PROTOBUF)
            assert recorded.render(vector["request"]["path"], form, creation_ns(want, form.encoding, match)) == want
            compared += 1
    assert compared > 0
