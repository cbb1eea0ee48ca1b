from collections.abc import Sequence

from heapfast._batch import Batch
from heapfast.sinks._walk import BatchWriter

class RemoteWriter(BatchWriter):
    def __init__(self, batch: Batch, *, labels: Sequence[tuple[str, str]] = ..., shard: str = ...) -> None: ...
