from collections.abc import Sequence

from heapfast._batch import Batch
from heapfast.sinks._walk import BatchWriter

STYLES: tuple[str, ...]

class StatsdWriter(BatchWriter):
    def __init__(
        self,
        batch: Batch,
        prefix: bytes,
        *,
        lines: int = ...,
        renamed: Sequence[tuple[str, str]] = ...,
        allowed: Sequence[str] = ...,
        style: str = ...,
    ) -> None: ...

class EtsyWriter(StatsdWriter): ...
class InfluxStatsdWriter(StatsdWriter): ...
