from array import array
from collections.abc import Sequence
from typing import final

from heapfast._batch import Batch

BY_NAMESPACE: int
BY_NODE: int
BY_POD: int
BY_CONTAINER: int
BY_RESOURCE_ID: int
BY_MAKE: int
BY_MODEL: int
BY_ACCELERATOR_ID: int
BY_LABEL: int
MAX_LABEL_KEYS: int

@final
class Grouping:
    newest: Batch
    kind: int
    slot_kind: int
    n_groups: int
    n_slots: int
    is_single: bool
    def __init__(
        self,
        batch: Batch,
        kind: int,
        keys: Sequence[int] = (),
        labels: Sequence[Sequence[tuple[bytes, array[int]]]] = (),
        objects: array[int] | None = None,
        conditions: Sequence[tuple[int, bytes, bool]] = (),
        resource_metric: int = -1,
    ) -> None: ...
    def make(self) -> None: ...
    def narrow(self, groups: array[int]) -> None: ...
    def texts(self, group: int) -> list[bytes | None]: ...
