from array import array
from collections.abc import Sequence

from heapfast._grouping import Grouping
from heapfast._snapshot import Snapshot
from heapfast.errors import StoreError

SUM: int
AVERAGE: int
MIN: int
MAX: int
COUNT: int
STDDEV: int
LAST: int
MEDIAN: int
PERCENTILE: int

#: A function, and the percentile where it is that.
_Function = tuple[int, float]

class TooManySamples(StoreError): ...
class Cancelled(StoreError): ...

class Aggregate:
    grouping: Grouping
    n_buckets: int
    oldest_ns: int
    newest_ns: int
    n_counted: int
    def __init__(
        self,
        snapshot: Snapshot,
        grouping: Grouping,
        *,
        across: _Function | None,
        over: Sequence[_Function],
        start_ns: int,
        end_ns: int,
        bucket_ns: int = 0,
        is_rate: bool = False,
        is_counter: bool = False,
        max_samples: int = 20_000_000,
    ) -> None: ...
    def cancel(self) -> None: ...
    def run(self) -> None: ...
    def best(self, n: int, descending: bool) -> array[int]: ...
    def sorted(self) -> array[int]: ...
    def rows(self) -> list[tuple[tuple[bytes | None, ...], int, tuple[float, ...]]]: ...
