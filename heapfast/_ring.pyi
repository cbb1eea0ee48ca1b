from heapfast._batch import Batch

class Packed:
    timestamp_ns: int
    seq: int
    is_short: bool
    def sizes(self) -> list[tuple[int, int, int]]: ...

class Ring:
    newest: Batch | None
    long_ns: int
    short_ns: int
    def __len__(self) -> int: ...
    def short_len(self) -> int: ...
    def sizes(self) -> list[tuple[int, int, int]]: ...
