"""The OpenAPI description of /apis/heapfast/v1: every parameter, and what an answer looks like.

In      the tables of query/question.py
Out     one document of OpenAPI 3.0, always the same
Callers routes.py and secure_routes.py, at OPENAPI_PATH
Source  OpenAPI 3.0.3; docs/query.md
Never   is listed by /openapi/v3, which says what metrics-server's does
"""

from __future__ import annotations

import json
from typing import Any, Final

import falcon.asgi

from heapfast import __version__
from heapfast.api.query import QUERY, QUERY_PREFIX
from heapfast.api.query_form import FORM
from heapfast.api.request import Request
from heapfast.api.responders import JSON, put_plain
from heapfast.catalog.metrics import CATALOG, CUSTOM_PREFIX
from heapfast.catalog.prometheus_names import KIND_NAMES
from heapfast.query.question import FORMATS, FUNCTION_PATTERN, MAX_TOP, PARAMETERS, RESOURCE_LABELS
from heapfast.render.arrow import ARROW_TYPE

OPENAPI_PATH: Final = f"/openapi/v3{QUERY_PREFIX}"

_DURATION: Final = "A number and its unit, such as 15m or 90s."
_METRICS: Final = "|".join(metric.name for metric in CATALOG)
_LABELS: Final = ", ".join(RESOURCE_LABELS)

#: Parameter -> what it is for, and what it may be.
_PARAMETERS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "metric": (
        "A metric of the catalogue, or one of a container's own behind custom/.",
        {"type": "string", "pattern": f"^({_METRICS}|{CUSTOM_PREFIX}.+)$", "example": "cpu/usage_rate"},
    ),
    "kind": (
        "Kind of the entities, or of whose filesystems, disks or accelerators: pod, or container for the last two.",
        {"type": "string", "enum": list(KIND_NAMES.values())},
    ),
    "labelSelector": (
        "Conditions on labels, in Kubernetes' grammar: of pods (kind pod, container) or nodes (the other two).",
        {"type": "string", "example": "app=search,tier in (front,back)"},
    ),
    "fieldSelector": (
        f"Conditions, by = and !=, on metadata.name, metadata.namespace, spec.nodeName, container.name, {_LABELS}.",
        {"type": "string", "example": "metadata.namespace=shop"},
    ),
    "groupBy": (
        f"What makes groups, joined by commas: namespace, node, pod, container, label:KEY, {_LABELS}; none: one.",
        {"type": "string", "example": "namespace,label:app"},
    ),
    "across": (
        "The function that makes one value of a group's entities at each tick.",
        {"type": "string", "pattern": f"^({FUNCTION_PATTERN})$", "default": "sum"},
    ),
    "over": (
        "Functions, joined by commas, each of which makes one value of the ticks of a bucket; last is one, too.",
        {
            "type": "string",
            "pattern": f"^({FUNCTION_PATTERN}|last)(,({FUNCTION_PATTERN}|last))*$",
            "default": "average",
        },
    ),
    "pooled": (
        "Functions, joined by commas, of all samples of a group in a bucket at once; in place of across and over.",
        {"type": "string", "pattern": f"^({FUNCTION_PATTERN})(,({FUNCTION_PATTERN}))*$"},
    ),
    "rate": ("Take the change a second in place of each sample.", {"type": "boolean", "default": False}),
    "start": ("Where the time begins, itself left out; in place of window.", {"type": "string", "format": "date-time"}),
    "end": (
        "Where it ends, itself taken in; without it, at the newest tick.",
        {"type": "string", "format": "date-time"},
    ),
    "window": (f"How far back from the end. {_DURATION}", {"type": "string", "example": "15m"}),
    "bucket": (
        "One row for each so much time, aligned to the clock: a whole number of ms, s, m, h or d.",
        {"type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$", "example": "1m"},
    ),
    "top": ("Only so many groups, the first by value.", {"type": "integer", "minimum": 1, "maximum": MAX_TOP}),
    "order": (
        "Order of the groups by value; without it and without top, they come by name.",
        {"type": "string", "enum": ["asc", "desc"]},
    ),
    "format": ("Form of the answer, in place of the header Accept.", {"type": "string", "enum": list(FORMATS)}),
}

_STATUS: Final = {
    "description": "What is wrong with the question, or why there is no answer.",
    "content": {JSON: {"schema": {"$ref": "#/components/schemas/Status"}}},
}
_SCHEMAS: Final[dict[str, Any]] = {
    "QueryResult": {
        "type": "object",
        "required": ["kind", "apiVersion", "metric", "unit", "window", "items"],
        "properties": {
            "kind": {"type": "string", "enum": ["QueryResult"]},
            "apiVersion": {"type": "string", "enum": ["heapfast/v1"]},
            "metric": {"type": "string"},
            "unit": {"type": "string", "description": "Of the metric; empty for plain numbers."},
            "window": {"$ref": "#/components/schemas/Window"},
            "items": {"type": "array", "items": {"$ref": "#/components/schemas/Row"}},
        },
    },
    "Window": {
        "type": "object",
        "description": "Which ticks counted.",
        "required": ["first", "last", "ticks", "isComplete"],
        "properties": {
            "first": {"type": "string", "format": "date-time", "nullable": True},
            "last": {"type": "string", "format": "date-time", "nullable": True},
            "ticks": {"type": "integer"},
            "isComplete": {"type": "boolean", "description": "The memory reaches back as far as was asked."},
        },
    },
    "Row": {
        "type": "object",
        "description": "One group in one bucket: its keys, by the names in groupBy, and values, by names of functions.",
        "required": ["time"],
        "properties": {"time": {"type": "string", "format": "date-time"}},
        "additionalProperties": {
            "anyOf": [{"type": "string", "nullable": True, "description": "A key."}, {"type": "number"}]
        },
    },
    "Status": {
        "type": "object",
        "required": ["kind", "apiVersion", "status", "message", "code"],
        "properties": {
            "kind": {"type": "string", "enum": ["Status"]},
            "apiVersion": {"type": "string", "enum": ["v1"]},
            "status": {"type": "string", "enum": ["Failure"]},
            "message": {"type": "string"},
            "reason": {"type": "string"},
            "code": {"type": "integer"},
            "metadata": {"type": "object", "properties": {}},
        },
    },
}


def query_document() -> dict[str, Any]:
    """Write the document."""
    return {
        "openapi": "3.0.3",
        "info": {"title": "heapfast", "version": __version__},
        "paths": {QUERY_PREFIX + path: {"get": _get(path), "post": _post(path)} for path in QUERY},
        "components": {"schemas": _SCHEMAS},
    }


async def put_query_document(req: Request, resp: falcon.asgi.Response) -> None:
    """Answer with the document; every method is welcome, as for the others of OpenAPI."""
    put_plain(resp, 200, _BODY, content_type=JSON)


def _get(path: str) -> dict[str, Any]:
    operation = _operation(path)
    operation["parameters"] += [_parameter(name) for name in PARAMETERS]
    return operation


def _post(path: str) -> dict[str, Any]:
    """The same question in a form. What its URL says of it is not described: one place is enough."""
    operation = _operation(path)
    operation["operationId"] += "ByForm"
    operation["description"] = (
        "For selectors that are too long for a URL. It makes nothing, and needs the permission to list. A parameter "
        "may stand in the URL in place of the form, but not in both; pretty and timeout stand in the URL only."
    )
    form = {
        "type": "object",
        "required": ["metric"],
        "properties": {name: {"description": text} | schema for name, (text, schema) in _PARAMETERS.items()},
        "additionalProperties": False,
    }
    operation["requestBody"] = {"required": True, "content": {FORM: {"schema": form}}}
    operation["responses"] |= {"413": _STATUS, "415": _STATUS}
    return operation


def _operation(path: str) -> dict[str, Any]:
    is_namespaced = "{namespace}" in path
    place = {"name": "namespace", "in": "path", "required": True, "schema": {"type": "string"}}
    return {
        "operationId": "queryNamespace" if is_namespaced else "query",
        "summary": "Aggregate one metric of many entities" + (" of a namespace." if is_namespaced else "."),
        "parameters": [place] if is_namespaced else [],
        "responses": {
            "200": {
                "description": "One row a group and bucket that has samples.",
                "content": {
                    JSON: {"schema": {"$ref": "#/components/schemas/QueryResult"}},
                    "text/csv": {"schema": {"type": "string"}},
                    ARROW_TYPE: {"schema": {"type": "string", "format": "binary"}},
                },
            },
            "400": _STATUS,
            "406": _STATUS,
            "503": _STATUS,
            "504": _STATUS,
        },
    }


def _parameter(name: str) -> dict[str, Any]:
    description, schema = _PARAMETERS[name]
    described = {"name": name, "in": "query", "description": description, "schema": schema}
    return described | {"required": True} if name == "metric" else described


_BODY: Final = json.dumps(query_document(), separators=(",", ":")).encode()
