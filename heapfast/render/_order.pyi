from array import array

from typing_extensions import Buffer

from heapfast._batch import Batch

def sort_slots(batch: Batch, kind: int, slots: Buffer) -> array[int]: ...
