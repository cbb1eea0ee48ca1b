"""Schemas of what the secure port serves: the tables that both versions of OpenAPI are written from.

In      nothing
Out     SHARED, and the schemas of each version of the group
Callers openapi_documents.py
Source  spec/metrics-k8s-io.md section 10; names, types and extensions are those of Kubernetes' own schemas, since the
        aggregation layer merges them with its own
Never   says how a version of OpenAPI writes it
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from heapfast.render.k8s_frames import GROUP as GROUP_NAME

_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1."
_METRICS: Final = "io.k8s.metrics.pkg.apis.metrics."


@dataclass(frozen=True)
class Field:
    """One property.

    Attributes:
        type: "string", "boolean", "integer" (of 64 bits), or the full name of a schema.
        many: "" for one, "array", or "map" with texts as keys.
        is_required: it is always there.
        is_optional_ref: a reference that may be null: it has no default.
        extensions: of the property.
    """

    type: str
    many: str = ""
    is_required: bool = False
    is_optional_ref: bool = False
    extensions: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Schema:
    """One definition: an object with properties, or a scalar.

    Attributes:
        fields: by name; None for a scalar.
        scalar: of OpenAPI v2; of v3 unless that says otherwise.
        scalar_v3: None for the same.
        kind: (group, version, kind) of objects that stand alone.
        extensions: of the definition.
    """

    fields: dict[str, Field] | None = None
    scalar: dict[str, Any] | None = None
    scalar_v3: dict[str, Any] | None = None
    kind: tuple[str, str, str] | None = None
    extensions: dict[str, Any] = field(default_factory=dict)


_ATOMIC: Final = {"x-kubernetes-list-type": "atomic"}
_TEXT: Final = Field("string")
_NEEDED: Final = Field("string", is_required=True)
_INT: Final = Field("integer")
_BOOL: Final = Field("boolean")
_TYPE_META: Final = {"apiVersion": _TEXT, "kind": _TEXT}

QUANTITY: Final = "io.k8s.apimachinery.pkg.api.resource.Quantity"
VERSION_INFO: Final = "io.k8s.apimachinery.pkg.version.Info"
GROUP_LIST: Final = f"{_META}APIGroupList"
GROUP: Final = f"{_META}APIGroup"
RESOURCE_LIST: Final = f"{_META}APIResourceList"


def _list_of(name: str, *, is_required: bool = False) -> Field:
    return Field(_META + name, "array", is_required, extensions=_ATOMIC)


SHARED: Final[dict[str, Schema]] = {
    QUANTITY: Schema(scalar={"type": "string"}, scalar_v3={"oneOf": [{"type": "string"}, {"type": "number"}]}),
    GROUP: Schema(
        {
            **_TYPE_META,
            "name": _NEEDED,
            "preferredVersion": Field(f"{_META}GroupVersionForDiscovery"),
            "serverAddressByClientCIDRs": _list_of("ServerAddressByClientCIDR"),
            "versions": _list_of("GroupVersionForDiscovery", is_required=True),
        },
        kind=("", "v1", "APIGroup"),
    ),
    GROUP_LIST: Schema(
        {**_TYPE_META, "groups": _list_of("APIGroup", is_required=True)}, kind=("", "v1", "APIGroupList")
    ),
    f"{_META}APIResource": Schema(
        {
            "name": _NEEDED,
            "singularName": _NEEDED,
            "namespaced": Field("boolean", is_required=True),
            "kind": _NEEDED,
            "verbs": Field("string", "array", is_required=True),
            "categories": Field("string", "array", extensions=_ATOMIC),
            "group": _TEXT,
            "shortNames": Field("string", "array", extensions=_ATOMIC),
            "storageVersionHash": _TEXT,
            "version": _TEXT,
        }
    ),
    RESOURCE_LIST: Schema(
        {**_TYPE_META, "groupVersion": _NEEDED, "resources": _list_of("APIResource", is_required=True)},
        kind=("", "v1", "APIResourceList"),
    ),
    f"{_META}Duration": Schema(scalar={"type": "string"}),
    f"{_META}FieldsV1": Schema({}),
    f"{_META}GroupVersionForDiscovery": Schema({"groupVersion": _NEEDED, "version": _NEEDED}),
    f"{_META}ListMeta": Schema(
        {"continue": _TEXT, "remainingItemCount": _INT, "resourceVersion": _TEXT, "selfLink": _TEXT}
    ),
    f"{_META}ManagedFieldsEntry": Schema(
        {
            "apiVersion": _TEXT,
            "fieldsType": _TEXT,
            "fieldsV1": Field(f"{_META}FieldsV1", is_optional_ref=True),
            "manager": _TEXT,
            "operation": _TEXT,
            "subresource": _TEXT,
            "time": Field(f"{_META}Time", is_optional_ref=True),
        }
    ),
    f"{_META}ObjectMeta": Schema(
        {
            "annotations": Field("string", "map"),
            "creationTimestamp": Field(f"{_META}Time"),
            "deletionGracePeriodSeconds": _INT,
            "deletionTimestamp": Field(f"{_META}Time", is_optional_ref=True),
            "finalizers": Field(
                "string",
                "array",
                extensions={"x-kubernetes-list-type": "set", "x-kubernetes-patch-strategy": "merge"},
            ),
            "generateName": _TEXT,
            "generation": _INT,
            "labels": Field("string", "map"),
            "managedFields": _list_of("ManagedFieldsEntry"),
            "name": _TEXT,
            "namespace": _TEXT,
            "ownerReferences": Field(
                f"{_META}OwnerReference",
                "array",
                extensions={
                    "x-kubernetes-list-map-keys": ["uid"],
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-patch-merge-key": "uid",
                    "x-kubernetes-patch-strategy": "merge",
                },
            ),
            "resourceVersion": _TEXT,
            "selfLink": _TEXT,
            "uid": _TEXT,
        }
    ),
    f"{_META}OwnerReference": Schema(
        {
            "apiVersion": _NEEDED,
            "kind": _NEEDED,
            "name": _NEEDED,
            "uid": _NEEDED,
            "blockOwnerDeletion": _BOOL,
            "controller": _BOOL,
        },
        extensions={"x-kubernetes-map-type": "atomic"},
    ),
    f"{_META}ServerAddressByClientCIDR": Schema({"clientCIDR": _NEEDED, "serverAddress": _NEEDED}),
    f"{_META}Time": Schema(scalar={"type": "string", "format": "date-time"}),
    VERSION_INFO: Schema(
        {
            "major": _NEEDED,
            "minor": _NEEDED,
            "gitVersion": _NEEDED,
            "gitCommit": _NEEDED,
            "gitTreeState": _NEEDED,
            "buildDate": _NEEDED,
            "goVersion": _NEEDED,
            "compiler": _NEEDED,
            "platform": _NEEDED,
            "emulationMajor": _TEXT,
            "emulationMinor": _TEXT,
            "minCompatibilityMajor": _TEXT,
            "minCompatibilityMinor": _TEXT,
        }
    ),
}


def metrics_name(version: str, kind: str) -> str:
    """Return the full name of a schema of the group."""
    return f"{_METRICS}{version}.{kind}"


def metrics_schemas(version: str) -> dict[str, Schema]:
    """Return the schemas of one version of the group."""
    about = {
        **_TYPE_META,
        "metadata": Field(f"{_META}ObjectMeta"),
        "timestamp": Field(f"{_META}Time", is_required=True),
        "window": Field(f"{_META}Duration", is_required=True),
    }
    usage = Field(QUANTITY, "map", is_required=True)
    containers = Field(metrics_name(version, "ContainerMetrics"), "array", is_required=True, extensions=_ATOMIC)
    schemas = {metrics_name(version, "ContainerMetrics"): Schema({"name": _NEEDED, "usage": usage})}
    for kind, fields in (("NodeMetrics", {"usage": usage}), ("PodMetrics", {"containers": containers})):
        name = metrics_name(version, kind)
        items = Field(name, "array", is_required=True)
        schemas[name] = Schema({**about, **fields}, kind=(GROUP_NAME, version, kind))
        schemas[f"{name}List"] = Schema(
            {**_TYPE_META, "metadata": Field(f"{_META}ListMeta"), "items": items},
            kind=(GROUP_NAME, version, f"{kind}List"),
        )
    return schemas
