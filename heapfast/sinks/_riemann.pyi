from collections.abc import Sequence

from heapfast._batch import Batch
from heapfast.sinks._walk import BatchWriter

class RiemannWriter(BatchWriter):
    def __init__(
        self,
        batch: Batch,
        *,
        host: bytes,
        state: bytes = ...,
        ttl_seconds: float = ...,
        tags: Sequence[str] = ...,
        events: int = ...,
    ) -> None: ...
