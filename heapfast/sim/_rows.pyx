"""Rows without an answer: what a target might have said, said in dicts.

In      dicts in the shape of Rows.to_dicts(); absent members count as empty or unknown
Out     Rows, such that rows_of(dicts).to_dicts() gives the dicts back
Callers tests and bench, which want to state rows that no single kind of body can hold
Source  wire/_rows.pxd
Never   makes rows unique; who passes two of one key gets two
"""
from heapfast._types cimport N_STANDARD, span_t, time_zero, uint8_t, uint32_t
from heapfast.wire._cursor cimport cursor_t
from heapfast.wire._rows cimport Rows, custom_row_t, resource_row_t, row_t

from heapfast.catalog.keys import TYPE_LABEL
from heapfast.catalog.metrics import CATALOG
from heapfast.wire._rows import (
    ACCELERATOR_VALUES,
    CUSTOM_TYPES,
    DISK_VALUES,
    FILESYSTEM_VALUES,
    RESOURCE_TYPES,
)

cdef dict KIND_OF = {label: int(kind) for kind, label in TYPE_LABEL.items()}
cdef dict STANDARD_ID = {metric.name: metric.id for metric in CATALOG[:N_STANDARD]}
cdef dict VALUES_OF = {
    "filesystem": FILESYSTEM_VALUES,
    "volume": FILESYSTEM_VALUES,
    "disk": DISK_VALUES,
    "accelerator": ACCELERATOR_VALUES,
}
cdef tuple ROW_TEXTS = ("name", "namespace", "pod", "uid", "image")
cdef tuple RESOURCE_TEXTS = ("id", "make", "model")


def rows_of(list dicts):
    """Makes Rows of dicts."""
    cdef Rows rows = Rows()
    cdef cursor_t unused
    cdef dict where = {}
    rows.reset(_body(dicts, where), &unused)
    for entry in dicts:
        _add_row(rows, entry, where)
    return rows


cdef bytes _body(list dicts, dict where):
    """All texts of all rows one after the other; `where` gets the offset of each."""
    cdef bytearray body = bytearray()
    for row in dicts:
        texts = [row.get(member, "") for member in ROW_TEXTS]
        texts += [resource.get(member, "") for resource in row.get("resources", ()) for member in RESOURCE_TEXTS]
        texts += [custom["name"] for custom in row.get("custom", ())]
        for text in texts:
            if text not in where:
                where[text] = len(body)
                body += text.encode()
    return bytes(body)


cdef span_t _span(Rows rows, dict where, str text):
    cdef span_t span
    span.len = <uint32_t> len(text.encode())
    span.ptr = rows.text + <size_t> where[text] if span.len else NULL
    return span


cdef int _add_row(Rows rows, dict entry, dict where) except -1:
    cdef row_t* row = rows.add_row(KIND_OF[entry["kind"]])
    if row == NULL:
        raise MemoryError
    row.name = _span(rows, where, entry["name"])
    row.namespace = _span(rows, where, entry.get("namespace", ""))
    row.pod = _span(rows, where, entry.get("pod", ""))
    row.uid = _span(rows, where, entry.get("uid", ""))
    row.has_swap = "swap" in entry
    row.swap_bytes = entry.get("swap", 0)
    row.has_image = "image" in entry
    row.image = _span(rows, where, entry.get("image", ""))
    start_ns, sample_ns = entry.get("start_ns"), entry.get("sample_ns")
    row.start_ns = time_zero() if start_ns is None else start_ns
    row.sample_ns = time_zero() if sample_ns is None else sample_ns
    for metric, value in entry.get("metrics", {}).items():
        row.value[<int> STANDARD_ID[metric]] = value
        row.present |= 1u << <uint32_t> STANDARD_ID[metric]
    resources, customs = entry.get("resources", ()), entry.get("custom", ())
    row.resource_count = <uint32_t> len(resources)
    row.custom_count = <uint32_t> len(customs)
    for resource in resources:
        _add_resource(rows, resource, where)
    for custom in customs:
        _add_custom(rows, custom, where)
    return 0


cdef int _add_resource(Rows rows, dict entry, dict where) except -1:
    cdef resource_row_t* resource = rows.add_resource(RESOURCE_TYPES.index(entry["type"]))
    if resource == NULL:
        raise MemoryError
    resource.id = _span(rows, where, entry["id"])
    resource.make = _span(rows, where, entry.get("make", ""))
    resource.model = _span(rows, where, entry.get("model", ""))
    for i, name in enumerate(VALUES_OF[entry["type"]]):
        if name in entry:
            resource.value[<int> i] = entry[name]
            resource.present |= <uint8_t> (1 << <int> i)
    return 0


cdef int _add_custom(Rows rows, dict entry, dict where) except -1:
    cdef custom_row_t* custom = rows.add_custom()
    if custom == NULL:
        raise MemoryError
    custom.name = _span(rows, where, entry["name"])
    custom.type = CUSTOM_TYPES.index(entry["type"])
    custom.is_float = type(entry["value"]) is float
    if custom.is_float:
        custom.f64 = entry["value"]
    else:
        custom.i64 = entry["value"]
    return 0
