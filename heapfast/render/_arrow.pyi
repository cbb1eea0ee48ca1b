from array import array
from collections.abc import Sequence

from heapfast._aggregate import Aggregate

ROWS_A_BATCH: int

def render_arrow_rows(
    aggregate: Aggregate, groups: array[int], keys: Sequence[str], functions: Sequence[str]
) -> bytes: ...
