from array import array
from collections.abc import Iterable

from heapfast._batch import Batch
from heapfast.render.exposition import Written

class ExpositionWriter:
    def __init__(
        self,
        batch: Batch,
        families: list[Written],
        *,
        is_openmetrics: bool = False,
        has_timestamps: bool = False,
        pods: array[int] | None = None,
        namespaces: array[int] | None = None,
    ) -> None: ...
    def read(self, at_least: int = ...) -> bytes: ...

def column_names(batch: Batch) -> list[str]: ...
def render_scalars(items: Iterable[bytes | float | tuple[int, int]]) -> bytes: ...
