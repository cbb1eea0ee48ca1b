"""How an answer of a Kubernetes API is to look: what a client and the server have agreed on.

In      what api/ negotiated: media type, transformation, version, `pretty`, `includeObject`
Out     Form, the one argument that says it all
Callers api/metrics_k8s_io.py makes them; metrics_k8s_io.py and status.py beside it obey them; Encoding: all of api/
Source  spec/metrics-k8s-io.md 5 and 6
Never   negotiates: a form that cannot be is refused in api/
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Encoding(Enum):
    """How the value is written; the value of a member is its media type."""

    JSON = "application/json"
    YAML = "application/yaml"
    PROTOBUF = "application/vnd.kubernetes.protobuf"


class Shape(Enum):
    """What is made of the object or list that was asked for."""

    WHOLE = ""
    METADATA = "PartialObjectMetadata"
    TABLE = "Table"


class RowObject(Enum):
    """What the rows of a table carry besides their cells (`includeObject`)."""

    METADATA = "Metadata"
    NONE = "None"
    WHOLE = "Object"


class Form(NamedTuple):
    """The form of one answer.

    Attributes:
        encoding: a table in PROTOBUF does not exist and raises ValueError.
        is_indented: JSON by two spaces a depth; the others have one layout only.
        version: of metrics.k8s.io, "v1beta1" or "v1".
        shape: METADATA is for lists a PartialObjectMetadataList.
        meta_version: of meta.k8s.io, "v1" or "v1beta1"; for shapes other than WHOLE.
        row_object: for tables only.
    """

    encoding: Encoding = Encoding.JSON
    is_indented: bool = False
    version: str = "v1beta1"
    shape: Shape = Shape.WHOLE
    meta_version: str = "v1"
    row_object: RowObject = RowObject.METADATA
