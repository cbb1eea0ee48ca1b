from heapfast._core import Store

class StoredReader:
    samples: int
    detailed: int
    def __init__(self, store: Store, now_ns: int) -> None: ...
    def begin_segment(self) -> None: ...
