from typing import Any

from heapfast.wire._rows import Rows

def rows_of(dicts: list[dict[str, Any]]) -> Rows: ...
