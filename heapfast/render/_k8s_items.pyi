from array import array

from heapfast.render._freshness import Freshness

CONTENT_NONE: int
CONTENT_METADATA: int
CONTENT_WHOLE: int

class Items:
    """Items of one answer; JsonItems and ProtobufItems say what they look like."""

    freshness: Freshness

    @property
    def is_done(self) -> bool:
        """Whether every slot of the list has had its turn."""

    def one(self, slot: int) -> tuple[int, bytes]:
        """Return UsageStatus and one object, not part of any list; b"" when it is not served."""

    def begin(self, slots: array[int]) -> None:
        """Start a list of those slots that are in the roster, in the order of names."""

    def step(self, max_items: int) -> bytes:
        """Return the items of the next `max_items` slots; b"" when none of them is served."""
