from array import array
from collections.abc import Iterable

from heapfast._aggregate import Aggregate

def count_rows(aggregate: Aggregate, groups: array[int]) -> int: ...
def render_json_rows(
    aggregate: Aggregate, groups: array[int], columns: Iterable[str], head: bytes = b"", tail: bytes = b""
) -> bytes: ...
def render_csv_rows(aggregate: Aggregate, groups: array[int], head: bytes = b"") -> bytes: ...
