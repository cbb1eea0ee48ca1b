from heapfast.wire._rows import Rows

LAG_SECONDS: float

class Rhythm:
    newest_ns: int
    period_ms: int
    lag_ms: int
    def __init__(self) -> None: ...
    @property
    def is_steady(self) -> bool: ...
    def follow(self, rows: Rows, asked_ns: int, end_ns: int, resolution_ns: int, is_placed: bool) -> int: ...
