from collections.abc import Callable, Sequence

from heapfast._batch import Batch
from heapfast.sinks._walk import BatchWriter

class OtlpWriter(BatchWriter):
    def __init__(
        self,
        batch: Batch,
        headers: Callable[[str], tuple[Sequence[bytes], bool]],
        scope: bytes,
        attributes: Sequence[tuple[str, str]] = ...,
    ) -> None: ...
