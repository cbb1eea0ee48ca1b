"""What stands around the items of a metrics.k8s.io answer: kinds, versions, table headers.

In      the kind of entity, a form
Out     the answer's kind and apiVersion; JSON before and after its items
Callers metrics_k8s_io.py; GROUP: api/
Source  spec/metrics-k8s-io.md 3.3 and 6
Never   sees an item
"""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

import msgspec

from heapfast.catalog.keys import Kind
from heapfast.render._k8s_items import CONTENT_METADATA, CONTENT_NONE, CONTENT_WHOLE
from heapfast.render.forms import Form, RowObject, Shape

GROUP: Final = "metrics.k8s.io"

_OBJECT_KIND: Final = {Kind.NODE: "NodeMetrics", Kind.POD: "PodMetrics"}

_ROW_CONTENT: Final = {
    RowObject.NONE: CONTENT_NONE,
    RowObject.METADATA: CONTENT_METADATA,
    RowObject.WHOLE: CONTENT_WHOLE,
}

#: Name, type is always "string", format, description. The middle ones are the usage keys, sorted.
_COLUMNS: Final = (
    ("Name", "name", "Name of the resource"),
    ("cpu", "quantity", ""),
    ("memory", "quantity", ""),
    ("Window", "duration", ""),
)


class ObjectType(NamedTuple):
    """What an object says it is."""

    api_version: str
    kind: str


class ItemForm(NamedTuple):
    """How JsonItems is to write each item.

    Attributes:
        type_meta: the first members of the object, or nothing.
        content: CONTENT_* of _k8s_items: which other members it has.
        is_row: whether the object is part of a table's row.
    """

    type_meta: bytes
    content: int
    is_row: bool


class JsonFrame(NamedTuple):
    """Compact JSON around items.

    Attributes:
        head: before the first item.
        tail: after the last one.
        empty: the whole body when there is no item.
        member: of the body that holds the items; empty when the item is the body.
    """

    head: bytes
    tail: bytes
    empty: bytes
    member: str = ""


@cache
def object_type(kind: int, form: Form, *, is_list: bool) -> ObjectType:
    """What the answer as a whole is."""
    if form.shape is Shape.TABLE:
        return ObjectType(f"meta.k8s.io/{form.meta_version}", Shape.TABLE.value)
    content = CONTENT_METADATA if form.shape is Shape.METADATA else CONTENT_WHOLE
    api_version, name = _type_of_content(content, kind, form)
    return ObjectType(api_version, f"{name}List" if is_list else name)


@cache
def item_form(kind: int, form: Form, *, is_list: bool) -> ItemForm:
    """What each item is, or the one object that was asked for."""
    is_row = form.shape is Shape.TABLE
    if is_row:
        content = _ROW_CONTENT[form.row_object]
    else:
        content = CONTENT_METADATA if form.shape is Shape.METADATA else CONTENT_WHOLE
    # Only items of a plain list do without: the list says what they are.
    has_type = content == CONTENT_METADATA or (content == CONTENT_WHOLE and (is_row or not is_list))
    type_meta = _members(_type_of_content(content, kind, form)) + b"," if has_type else b""
    return ItemForm(type_meta, content, is_row)


@cache
def json_frame(kind: int, form: Form, *, is_list: bool) -> JsonFrame:
    """What stands around the items, or around the one object."""
    if form.shape is not Shape.TABLE and not is_list:
        return JsonFrame(b"", b"\n", b"")
    start = b"{" + _members(object_type(kind, form, is_list=is_list)) + b',"metadata":{},'
    if form.shape is not Shape.TABLE:
        return _frame(start + b'"items":[', start + b'"items":[]}\n', "items")
    columns = [
        {"name": name, "type": "string", "format": layout, "description": description, "priority": 0}
        for name, layout, description in _COLUMNS
    ]
    head = start + b'"columnDefinitions":' + msgspec.json.encode(columns) + b',"rows":['
    return _frame(head, start + b'"columnDefinitions":null,"rows":null}\n', "rows")


def with_continue(frame: JsonFrame, continue_token: str) -> JsonFrame:
    """Say in a list's metadata that it goes on behind the token, whose characters need no escapes in JSON."""
    metadata = b'"metadata":{"continue":"%s"}' % continue_token.encode()
    head, empty = (part.replace(b'"metadata":{}', metadata, 1) for part in (frame.head, frame.empty))
    return frame._replace(head=head, empty=empty)


def _frame(head: bytes, empty: bytes, member: str) -> JsonFrame:
    return JsonFrame(head, b"]}\n", empty, member)


def _type_of_content(content: int, kind: int, form: Form) -> ObjectType:
    if content == CONTENT_METADATA:
        return ObjectType(f"meta.k8s.io/{form.meta_version}", Shape.METADATA.value)
    return ObjectType(f"{GROUP}/{form.version}", _OBJECT_KIND[Kind(kind)])


def _members(of: ObjectType) -> bytes:
    return f'"kind":"{of.kind}","apiVersion":"{of.api_version}"'.encode()
