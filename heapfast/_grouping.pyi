from array import array
from collections.abc import Sequence
from typing import Protocol, final

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

class LabelColumns(Protocol):
    """The values of a label, one behind the other, and the slots that have them: query.label_values.LabelValues."""

    @property
    def texts(self) -> bytes | bytearray: ...
    @property
    def text_ends(self) -> array[int]: ...
    @property
    def slots(self) -> array[int]: ...
    @property
    def slot_ends(self) -> array[int]: ...

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
        labels: Sequence[LabelColumns] = (),
        objects: array[int] | None = None,
        conditions: Sequence[tuple[int, bytes, bool]] = (),
        resource_metric: int = -1,
    ) -> None: ...
    def make(self) -> None: ...
    def narrow(self, groups: array[int]) -> None: ...
    def texts(self, group: int) -> list[bytes | None]: ...
