"""The values of one label and who has them, flat: as compiled code groups by them.

In      a value after the other, each with the slots that have it
Out     four columns
Callers api/query.py fills, _grouping.pyx reads
Source  ours
Never   keeps an object a value: of a label that every pod has for itself, 150,000 would be freed in one go
"""

from __future__ import annotations

from array import array


class LabelValues:
    """See the module.

    Attributes:
        texts: all values in UTF-8, one behind the other.
        text_ends: by value, where it ends.
        slots: all that have one, by value.
        slot_ends: by value, where those that have it end.
    """

    __slots__ = ("slot_ends", "slots", "text_ends", "texts")

    def __init__(self) -> None:
        self.texts = bytearray()
        self.text_ends = array("I")
        self.slots = array("I")
        self.slot_ends = array("I")

    def __len__(self) -> int:
        return len(self.text_ends)

    def add(self, value: str, slots: array[int]) -> None:
        """Enter one more value."""
        self.texts += value.encode("utf-8", "replace")
        self.text_ends.append(len(self.texts))
        self.slots.extend(slots)
        self.slot_ends.append(len(self.slots))
