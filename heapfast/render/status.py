"""Status: the body of every error of a Kubernetes API.

In      code, reason, message and details, as api/ decided them
Out     bytes of JSON, YAML or protobuf
Callers api/
Source  spec/metrics-k8s-io.md 7.2 and 8
Never   chooses a code or words a message
"""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from heapfast.render.forms import Encoding
from heapfast.render.protobuf import LIST_META, bytes_field, envelope, int_field, text_field
from heapfast.render.yaml import to_yaml

#: Go's JSON writer escapes these inside strings, so that a body may stand in HTML.
_HTML_SAFE: Final = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


class Cause(NamedTuple):
    """One of several faults of a request."""

    reason: str
    message: str
    field: str


class Details(NamedTuple):
    """What the error is about. Written even when all of it is empty; leave out with None."""

    name: str = ""
    group: str = ""
    kind: str = ""
    causes: tuple[Cause, ...] = ()
    retry_after_seconds: int = 0


class Status(NamedTuple):
    """An error as Kubernetes clients decode it.

    Attributes:
        code: the HTTP status.
        reason: one CamelCase word, or empty.
        message: for people.
        details: None leaves them out.
    """

    code: int
    reason: str
    message: str
    details: Details | None = None


def render_status(status: Status, encoding: Encoding = Encoding.JSON, *, is_indented: bool = False) -> bytes:
    """Render an error body.

    Args:
        status: the error.
        encoding: as negotiated; JSON when negotiation itself failed.
        is_indented: by two spaces a depth; JSON only.
    """
    if encoding is Encoding.PROTOBUF:
        return envelope("v1", "Status", _message(status))
    value = _value(status)
    if encoding is Encoding.YAML:
        return to_yaml(value)
    if is_indented:
        text = json.dumps(value, ensure_ascii=False, indent=2)
    else:
        # Only the compact layout ends with a newline.
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"
    # Outside of strings none of these occurs.
    return text.translate(_HTML_SAFE).encode()


def _value(status: Status) -> dict[str, Any]:
    value: dict[str, Any] = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": status.message,
        "reason": status.reason,
    }
    if status.details is not None:
        value["details"] = _without_empty(
            name=status.details.name,
            group=status.details.group,
            kind=status.details.kind,
            causes=[_without_empty(**cause._asdict()) for cause in status.details.causes],
            retryAfterSeconds=status.details.retry_after_seconds,
        )
    value["code"] = status.code
    return _without_empty_texts(value)


def _without_empty(**members: Any) -> dict[str, Any]:
    return {name: member for name, member in members.items() if member}


def _without_empty_texts(value: dict[str, Any]) -> dict[str, Any]:
    # `metadata` and `details` stay when they are empty.
    return {name: member for name, member in value.items() if member != ""}


def _message(status: Status) -> bytes:
    parts = [LIST_META, text_field(2, "Failure"), text_field(3, status.message), text_field(4, status.reason)]
    if status.details is not None:
        parts.append(bytes_field(5, _details_message(status.details)))
    parts.append(int_field(6, status.code))
    return b"".join(parts)


def _details_message(details: Details) -> bytes:
    causes = [
        bytes_field(4, text_field(1, cause.reason) + text_field(2, cause.message) + text_field(3, cause.field))
        for cause in details.causes
    ]
    uid = text_field(6, "")
    return b"".join(
        (
            text_field(1, details.name),
            text_field(2, details.group),
            text_field(3, details.kind),
            *causes,
            int_field(5, details.retry_after_seconds),
            uid,
        )
    )
