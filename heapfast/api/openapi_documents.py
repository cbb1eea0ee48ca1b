"""OpenAPI documents, v2 and v3, of discovery, the group and /version.

In      schemas, the versions of the group
Out     JSON values
Callers openapi.py
Source  spec/metrics-k8s-io.md section 10
Never   serves anything
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from heapfast.api.accept import JSON, OFFERED, OFFERED_LIST
from heapfast.api.openapi_schemas import (
    GROUP,
    GROUP_LIST,
    RESOURCE_LIST,
    SHARED,
    VERSION_INFO,
    Field,
    Schema,
    metrics_name,
    metrics_schemas,
)
from heapfast.render.k8s_frames import GROUP as GROUP_NAME

_TITLE: Final = "Kubernetes metrics-server"
_DEFAULTS: Final = {"string": "", "boolean": False}


class _Parameter(NamedTuple):
    name: str
    type: str
    place: str = "query"


_PRETTY: Final = _Parameter("pretty", "string")
_NAME: Final = _Parameter("name", "string", "path")
_NAMESPACE: Final = _Parameter("namespace", "string", "path")
_OF_LISTS: Final = (
    _Parameter("allowWatchBookmarks", "boolean"),
    _Parameter("continue", "string"),
    _Parameter("fieldSelector", "string"),
    _Parameter("labelSelector", "string"),
    _Parameter("limit", "integer"),
    _PRETTY,
    _Parameter("resourceVersion", "string"),
    _Parameter("resourceVersionMatch", "string"),
    _Parameter("sendInitialEvents", "boolean"),
    _Parameter("timeoutSeconds", "integer"),
    _Parameter("watch", "boolean"),
)


class _Operation(NamedTuple):
    """One path, which takes GET alone.

    Attributes:
        schema: of the answer, by its full name.
        kind: (action, version, kind) of those that are about objects.
    """

    path: str
    id: str
    tag: str
    schema: str
    produces: tuple[str, ...] = OFFERED
    parameters: tuple[_Parameter, ...] = ()
    kind: tuple[str, str, str] | None = None


def documents(versions: Iterable[str], server_version: str) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Write all documents.

    Returns:
        The one of v2; those of v3, by their path below /openapi/v3/.
    """
    about = {"title": _TITLE, "version": f"v{server_version}"}
    parts = {
        "apis": ((_Operation("/apis/", "getAPIVersions", "apis", GROUP_LIST),), SHARED),
        f"apis/{GROUP_NAME}": (
            (_Operation(f"/apis/{GROUP_NAME}/", "getMetricsAPIGroup", "metrics", GROUP),),
            SHARED,
        ),
        **{
            f"apis/{GROUP_NAME}/{version}": (_operations(version), {**SHARED, **metrics_schemas(version)})
            for version in versions
        },
        "version": ((_Operation("/version/", "getCodeVersion", "version", VERSION_INFO, (JSON,)),), SHARED),
    }
    v3 = {path: _document_v3(about, *part) for path, part in parts.items()}
    operations = tuple(operation for part, _ in parts.values() for operation in part)
    schemas = {name: schema for _, part in parts.values() for name, schema in part.items()}
    return _document_v2(about, operations, schemas), v3


def _operations(version: str) -> tuple[_Operation, ...]:
    prefix = f"/apis/{GROUP_NAME}/{version}"
    short = f"Metrics{version.capitalize()}"
    tag = f"metrics_{version}"

    def operation(path: str, name: str, action: str, kind: str, parameters: tuple[_Parameter, ...]) -> _Operation:
        is_list = action == "list"
        schema = metrics_name(version, f"{kind}List" if is_list else kind)
        produces = OFFERED_LIST if is_list else OFFERED
        return _Operation(prefix + path, name, tag, schema, produces, parameters, (action, version, kind))

    namespaced = "/namespaces/{namespace}/pods"
    in_namespace = tuple(sorted((*_OF_LISTS, _NAMESPACE)))
    return (
        _Operation(f"{prefix}/", f"get{short}APIResources", tag, RESOURCE_LIST),
        operation(namespaced, f"list{short}NamespacedPodMetrics", "list", "PodMetrics", in_namespace),
        operation(
            f"{namespaced}/{{name}}",
            f"read{short}NamespacedPodMetrics",
            "get",
            "PodMetrics",
            (_NAME, _NAMESPACE, _PRETTY),
        ),
        operation("/nodes", f"list{short}NodeMetrics", "list", "NodeMetrics", _OF_LISTS),
        operation("/nodes/{name}", f"read{short}NodeMetrics", "get", "NodeMetrics", (_NAME, _PRETTY)),
        operation("/pods", f"list{short}PodMetricsForAllNamespaces", "list", "PodMetrics", _OF_LISTS),
    )


# -- version 2 --


def _document_v2(
    about: Mapping[str, Any], operations: Iterable[_Operation], schemas: Mapping[str, Schema]
) -> dict[str, Any]:
    return {
        "swagger": "2.0",
        "info": about,
        "paths": {operation.path: _path_v2(operation) for operation in operations},
        "definitions": {name: _schema_v2(schemas[name]) for name in sorted(schemas)},
    }


def _path_v2(operation: _Operation) -> dict[str, Any]:
    get: dict[str, Any] = {
        "consumes": ["*/*"] if operation.kind else list(operation.produces),
        "produces": list(operation.produces),
        "schemes": ["https"],
        "tags": [operation.tag],
        "operationId": operation.id,
        "responses": {"200": {"description": "OK", "schema": _ref_v2(operation.schema)}},
        **_about_objects(operation),
    }
    path: dict[str, Any] = {"get": get}
    if operation.parameters:
        path["parameters"] = [
            {"uniqueItems": True, "type": parameter.type, **_parameter(parameter)} for parameter in operation.parameters
        ]
    return path


def _ref_v2(name: str) -> dict[str, Any]:
    return {"$ref": f"#/definitions/{name}"}


def _schema_v2(schema: Schema) -> dict[str, Any]:
    if schema.fields is None:
        return dict(schema.scalar or {})
    return _object(schema, {name: _property_v2(field) for name, field in sorted(schema.fields.items())})


def _property_v2(field: Field) -> dict[str, Any]:
    return _many(field, _scalar(field.type) or _ref_v2(field.type))


# -- version 3 --


def _document_v3(
    about: Mapping[str, Any], operations: Iterable[_Operation], schemas: Mapping[str, Schema]
) -> dict[str, Any]:
    operations = tuple(operations)
    used = _used_by([operation.schema for operation in operations], schemas)
    return {
        "openapi": "3.0.0",
        "info": about,
        "paths": {operation.path: _path_v3(operation) for operation in operations},
        "components": {"schemas": {name: _schema_v3(schemas[name]) for name in sorted(used)}},
    }


def _used_by(names: Iterable[str], schemas: Mapping[str, Schema]) -> set[str]:
    used: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in schemas and name not in used:
            used.add(name)
            waiting.extend(field.type for field in (schemas[name].fields or {}).values())
    return used


def _path_v3(operation: _Operation) -> dict[str, Any]:
    content = {media_type: {"schema": _ref_v3(operation.schema)} for media_type in sorted(operation.produces)}
    get: dict[str, Any] = {
        "tags": [operation.tag],
        "operationId": operation.id,
        "responses": {"200": {"description": "OK", "content": content}},
        **_about_objects(operation),
    }
    path: dict[str, Any] = {"get": get}
    if operation.parameters:
        path["parameters"] = [
            {**_parameter(parameter), "schema": {"type": parameter.type, "uniqueItems": True}}
            for parameter in operation.parameters
        ]
    return path


def _ref_v3(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _schema_v3(schema: Schema) -> dict[str, Any]:
    if schema.fields is None:
        return dict(schema.scalar_v3 or schema.scalar or {})
    return _object(schema, {name: _property_v3(field) for name, field in sorted(schema.fields.items())})


def _property_v3(field: Field) -> dict[str, Any]:
    one = _scalar(field.type)
    if one is None:
        one = {"allOf": [_ref_v3(field.type)]}
        if not field.is_optional_ref:
            # A duration is a number where defaults are concerned.
            one = {"default": 0 if field.type.endswith(".Duration") else {}} | one
    elif (field.many or field.is_required) and field.type in _DEFAULTS:
        one["default"] = _DEFAULTS[field.type]
    return _many(field, one)


# -- both --


def _about_objects(operation: _Operation) -> dict[str, Any]:
    if operation.kind is None:
        return {}
    action, version, kind = operation.kind
    return {
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": {"group": GROUP_NAME, "version": version, "kind": kind},
    }


def _parameter(parameter: _Parameter) -> dict[str, Any]:
    of_path = {"required": True} if parameter.place == "path" else {}
    return {"name": parameter.name, "in": parameter.place, **of_path}


def _scalar(type_: str) -> dict[str, Any] | None:
    if type_ == "integer":
        return {"type": "integer", "format": "int64"}
    return {"type": type_} if type_ in _DEFAULTS else None


def _many(field: Field, one: dict[str, Any]) -> dict[str, Any]:
    if field.many == "array":
        one = {"type": "array", "items": one}
    elif field.many == "map":
        one = {"type": "object", "additionalProperties": one}
    return {**one, **field.extensions}


def _object(schema: Schema, properties: dict[str, Any]) -> dict[str, Any]:
    value: dict[str, Any] = {"type": "object"}
    required = [name for name, field in (schema.fields or {}).items() if field.is_required]
    if required:
        value["required"] = required
    if properties:
        value["properties"] = properties
    if schema.kind is not None:
        group, version, kind = schema.kind
        value["x-kubernetes-group-version-kind"] = [{"group": group, "kind": kind, "version": version}]
    return {**value, **schema.extensions}
