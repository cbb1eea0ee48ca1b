"""Answers of /apis/heapfast/v1/query as an Arrow IPC stream, where pyarrow is installed.

In      the rows as CSV, names of the columns
Out     one stream: keys as text, time as a timestamp, functions as doubles
Callers api/query.py, in a thread
Source  docs/query.md, which is ours; Apache Arrow's IPC streaming format
Never   makes a Python object a value: Arrow reads the CSV by itself, without the GIL
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

ARROW_TYPE: Final = "application/vnd.apache.arrow.stream"


def has_arrow() -> bool:
    """Whether pyarrow is installed."""
    return importlib.util.find_spec("pyarrow") is not None


def render_arrow_rows(csv_rows: bytes, keys: Sequence[str], functions: Sequence[str]) -> bytes:
    """Return the stream; an empty text is "", one that is not there is null."""
    pa = _load_arrow()
    csv = importlib.import_module("pyarrow.csv")
    schema = pa.schema(
        [
            *((key, pa.string()) for key in keys),
            ("time", pa.timestamp("ns", tz="UTC")),
            *((function, pa.float64()) for function in functions),
        ]
    )
    if csv_rows:
        table = csv.read_csv(
            pa.BufferReader(csv_rows),
            read_options=csv.ReadOptions(column_names=schema.names, use_threads=False),
            parse_options=csv.ParseOptions(newlines_in_values=True),
            convert_options=csv.ConvertOptions(
                column_types=schema, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
            ),
        )
    else:
        table = schema.empty_table()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as stream:
        stream.write_table(table)
    body: bytes = sink.getvalue().to_pybytes()
    return body


def _load_arrow() -> Any:
    """Load it for who asks first: most never do, and it takes 40 MB."""
    if "pyarrow" not in sys.modules:
        found = importlib.util.find_spec("pyarrow")
        for folder in (found.submodule_search_locations if found else None) or ():
            for library in Path(folder).glob("libarrow.so*"):
                # ctypes lets other threads run meanwhile; an import holds them all, and with it the loop, for 17 ms.
                ctypes.CDLL(str(library))
    return importlib.import_module("pyarrow")
