"""The one table of the embedded store: its columns, and a batch as rows of it.

In      a closed batch
Out     Arrow tables, one a group of rows, with the same columns in all of them
Callers history/parts.py
Source  docs/history.md, which is the promise to whoever reads the files
Never   writes a file

    time | type  namespace_name  pod_name  container_name  nodename  pod_id | resource_id  make  model  accelerator_id
         | one column a metric

A row is one entity at one time; the filesystems, volumes, disks and accelerators of an entity have rows of their own,
which name their resource. Labels and metrics are called as in Heapster. Where samples were thinned, a metric's column
has averages, and three more columns say what of: "memory/usage:min", "memory/usage:max", "memory/usage:count".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from heapfast.catalog.keys import TYPE_LABEL, Kind
from heapfast.catalog.metrics import CATALOG
from heapfast.history._rows import RowGroup

if TYPE_CHECKING:
    from heapfast._batch import Batch

TIME: Final = "time"
#: Labels that single an entity out.
ENTITY_COLUMNS: Final = ("type", "namespace_name", "pod_name", "container_name", "nodename", "pod_id")
#: Labels of an entity's resource.
RESOURCE_COLUMNS: Final = ("resource_id", "make", "model", "accelerator_id")
LABEL_COLUMNS: Final = ENTITY_COLUMNS + RESOURCE_COLUMNS
#: Columns that files are sorted by, bytewise, null behind all texts; rows alike in them by `time`.
ORDER_COLUMNS: Final = (*ENTITY_COLUMNS[:-1], *RESOURCE_COLUMNS)

MIN_SUFFIX: Final = ":min"
MAX_SUFFIX: Final = ":max"
COUNT_SUFFIX: Final = ":count"

_TIME_TYPE: Final = pa.timestamp("ns", "UTC")
_FIXED: Final = (TIME, *LABEL_COLUMNS)

#: Which text of a RowGroup a column has, and which part of it (_rows.pyx).
_TEXTS: Final = {
    "namespace_name": (0, 0),
    "pod_name": (1, 0),
    "container_name": (2, 0),
    "nodename": (3, 0),
    "pod_id": (5, 0),
    "resource_id": (4, 0),
    "make": (4, 1),
    "model": (4, 2),
    "accelerator_id": (4, 3),
}
#: In the order of files.
_KINDS: Final = tuple(sorted((kind for kind in Kind if kind != Kind.RESOURCE), key=lambda kind: TYPE_LABEL[kind]))


def schema_of(custom: dict[str, pa.DataType]) -> pa.Schema:
    """The columns of a file: time, labels, every metric of the catalogue, custom metrics by name."""
    fields = [pa.field(TIME, _TIME_TYPE, nullable=False), pa.field("type", pa.string(), nullable=False)]
    fields += [pa.field(name, pa.string()) for name in LABEL_COLUMNS[1:]]
    fields += [
        pa.field(metric.name, pa.float64() if metric.value_type == "double" else pa.int64()) for metric in CATALOG
    ]
    fields += [pa.field(name, type_) for name, type_ in sorted(custom.items())]
    return pa.schema(fields)


def tables_of(batch: Batch) -> Iterator[pa.Table]:
    """A batch as tables of one schema, one a kind of entity, all in the order of files. In any thread."""
    groups = [(kind, RowGroup(batch, kind)) for kind in _KINDS]
    custom: dict[str, pa.DataType] = {}
    columns = []
    for kind, group in groups:
        if group.n:
            metrics = _metrics(group)
            columns.append((kind, group, metrics))
            for name, array in metrics.items():
                if name not in _CATALOGUED:
                    # A name that has had both kinds of numbers has floats, which hold either.
                    custom[name] = array.type if custom.get(name, array.type) == array.type else pa.float64()
    schema = schema_of(custom)
    for kind, group, metrics in columns:
        n = group.n
        arrays: list[Any] = []
        for field in schema:
            array = metrics.get(field.name)
            if field.name == TIME:
                array = pa.repeat(pa.scalar(batch.timestamp_ns, _TIME_TYPE), n)
            elif field.name == "type":
                array = pa.repeat(pa.scalar(TYPE_LABEL[kind]), n)
            elif field.name in _TEXTS:
                array = _strings(group, *_TEXTS[field.name])
            elif array is not None and array.type != field.type:
                array = array.cast(field.type)
            arrays.append(pa.nulls(n, field.type) if array is None else array)
        yield pa.Table.from_arrays(arrays, schema=schema)


_CATALOGUED: Final = frozenset(metric.name for metric in CATALOG)


def _metrics(group: RowGroup) -> dict[str, pa.Array]:
    """Columns by name; of a custom metric that comes as integers and as floats, both in one."""
    found: dict[str, pa.Array] = {}
    for metric in group.metrics():
        name, is_float = group.name(metric)
        column = group.values(metric)
        if column is None or name in _FIXED:
            continue
        validity, values = column
        buffers = [pa.py_buffer(validity) if validity is not None else None, pa.py_buffer(values)]
        array = pa.Array.from_buffers(pa.float64() if is_float else pa.int64(), group.n, buffers)
        if name in found:
            array = _either(found[name], array)
        found[name] = array
    return found


def _either(one: pa.Array, other: pa.Array) -> pa.Array:
    # Unchecked: of a whole number beyond 2^53 a float has what it can hold.
    return pc.coalesce(*(column.cast(pa.float64(), safe=False) for column in (one, other)))


def _strings(group: RowGroup, which: int, part: int) -> pa.Array | None:
    column = group.text(which, part)
    if column is None:
        return None
    validity, offsets, data = column
    buffers = [pa.py_buffer(validity) if validity is not None else None, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.string(), group.n, buffers)
