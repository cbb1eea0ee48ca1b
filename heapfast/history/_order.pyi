from collections.abc import Sequence
from typing import Any

# Validity, offsets, data, number of the first value.
_Texts = tuple[Any, Any, Any, int]
# Rows, whether nothing follows, times, columns of the order.
_Table = tuple[int, bool, tuple[Any, int], Sequence[_Texts | None]]

class NotInOrder(Exception):
    table: int
    def __init__(self, table: int) -> None: ...

def order_of(given: list[_Table], before: _Table | None = None) -> tuple[bytes, list[int], int | None]: ...
