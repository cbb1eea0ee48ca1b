from heapfast._core import Store
from heapfast._stored import StoredReader

class Restoring(StoredReader):
    now_ns: int
    is_foreign: bool
    batches: int
    newest_ns: int
    def __init__(self, store: Store, now_ns: int) -> None: ...
    def take(
        self,
        timestamp_ns: int,
        head: bytes | bytearray | memoryview,
        detail: bytes | bytearray | memoryview | None,
        *,
        keep: bool = True,
    ) -> None: ...
    def finish(self) -> int: ...
    def seal(self) -> None: ...
    def publish(self) -> bool: ...
