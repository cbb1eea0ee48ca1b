"""Error bodies against recorded ones, byte for byte, and in forms that were not recorded."""

import base64
import json
from typing import Any

import pytest

from heapfast.render.forms import Encoding
from heapfast.render.status import Cause, Details, Status, render_status
from tests.shared import shared_path


def status_of(value: dict[str, Any]) -> Status:
    details = value.get("details")
    return Status(
        code=value["code"],
        reason=value["reason"],
        message=value["message"],
        details=None
        if details is None
        else Details(
            name=details.get("name", ""),
            group=details.get("group", ""),
            kind=details.get("kind", ""),
            causes=tuple(Cause(**cause) for cause in details.get("causes", ())),
            retry_after_seconds=details.get("retryAfterSeconds", 0),
        ),
    )


def recorded() -> list[tuple[str, str, dict[str, Any]]]:
    vectors = shared_path("conformance/metrics-server/plain/vectors.jsonl").read_text().splitlines()
    return [
        (vector["id"], vector["request"]["path"], vector["response"])
        for vector in map(json.loads, vectors)
        if vector["response"]["status"] >= 400
    ]


def test_json_errors_are_the_recorded_ones() -> None:
    compared = 0
    for id_, path, answer in recorded():
        if answer["headers"].get("content-type") != "application/json":
            continue
        if "body_json" in answer:
            want = json.dumps(answer["body_json"], separators=(",", ":"), ensure_ascii=False) + "\n"
        else:
            want = answer.get("body", "")
        if '"Status"' not in want:
            continue
        status = status_of(json.loads(want))
        assert render_status(status, is_indented="\n " in want).decode() == want, f"{id_} {path}"
        compared += 1
    assert compared > 30


@pytest.mark.parametrize(
    ("encoding", "status"),
    [
        (
            Encoding.PROTOBUF,
            Status(404, "NotFound", 'node "nope" not found', Details(name="nope", kind="node")),
        ),
        (
            Encoding.YAML,
            Status(404, "NotFound", 'node "nope" not found', Details(name="nope", kind="node")),
        ),
        (
            Encoding.PROTOBUF,
            Status(
                405, "MethodNotAllowed", "the server does not allow this method on the requested resource", Details()
            ),
        ),
        (
            Encoding.PROTOBUF,
            Status(400, "BadRequest", "found '=', expected: !, identifier, or 'end of string'"),
        ),
        (
            Encoding.YAML,
            Status(404, "NotFound", "the server could not find the requested resource", Details()),
        ),
    ],
    ids=[
        "protobuf, details",
        "yaml, details",
        "protobuf, empty details",
        "protobuf, no details",
        "yaml, empty details",
    ],
)
def test_other_errors_are_among_the_recorded_ones(encoding: Encoding, status: Status) -> None:
    bodies = {
        base64.b64decode(answer["body_base64"]) if "body_base64" in answer else answer.get("body", "").encode()
        for _, _, answer in recorded()
        if answer["headers"].get("content-type") == encoding.value
    }
    assert render_status(status, encoding) in bodies


def test_causes_and_retry_after_are_in_the_protobuf_form() -> None:
    details = Details(causes=(Cause("FieldValueForbidden", "no", "f"),), retry_after_seconds=1)
    body = render_status(Status(422, "Invalid", "m", details), Encoding.PROTOBUF)
    cause = b"\x22\x1c\x0a\x13FieldValueForbidden\x12\x02no\x1a\x01f"
    want = b"\x0a\x00\x12\x00\x1a\x00" + cause + b"\x28\x01\x32\x00"
    assert b"\x2a" + bytes([len(want)]) + want + b"\x30\xa6\x03" in body


def test_what_is_special_in_html_is_escaped_in_json() -> None:
    body = render_status(Status(403, "Forbidden", '<a href="x">&\u2028é'))
    assert rb'"message":"\u003ca href=\"x\"\u003e\u0026\u2028' in body
    assert "é".encode() in body
    assert json.loads(body)["message"] == '<a href="x">&\u2028é'


def test_an_error_without_a_reason_leaves_it_out() -> None:
    assert json.loads(render_status(Status(500, "", "m"))) == {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "m", "code": 500,
    }  # fmt: skip
