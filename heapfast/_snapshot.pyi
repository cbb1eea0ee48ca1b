from heapfast._batch import Batch
from heapfast._core import Store

class Snapshot:
    newest: Batch
    n_ticks: int
    kind: int
    metric: int
    is_float: bool
    is_cut: bool
    def __init__(self, store: Store, kind: int, metric: int, start_ns: int, has_base: bool = False) -> None: ...
