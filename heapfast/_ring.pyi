from heapfast._batch import Batch
from heapfast._ledger import Ledger

class Packed:
    timestamp_ns: int
    seq: int
    is_short: bool
    def __init__(self, ledger: Ledger) -> None: ...
    def sizes(self) -> list[tuple[int, int, int]]: ...

class Ring:
    newest: Batch | None
    long_ns: int
    short_ns: int
    def __len__(self) -> int: ...
    def short_len(self) -> int: ...
    def sizes(self) -> list[tuple[int, int, int]]: ...
