from typing import Any

class Rows:
    """The rows of one answer. A parser fills it and throws away what was there before."""

    @property
    def bad_values(self) -> int:
        """Samples, times, groups and entities left out because they were not what they should be."""

    @property
    def bad_offset(self) -> int:
        """Byte offset of the first of them, -1 when there was none."""

    @property
    def n_rows(self) -> int: ...
    @property
    def n_resources(self) -> int:
        """Entries of the resource table; a few may belong to no row."""

    @property
    def n_customs(self) -> int:
        """Entries of the custom table; a few may belong to no row."""

    def __len__(self) -> int: ...
    def clear(self) -> None:
        """Lets go of the body; there are no rows then."""

    def to_dicts(self) -> list[dict[str, Any]]:
        """The rows as plain data: for tests, and for people."""

    def check(self) -> None:
        """Raises AssertionError when a row points outside the body and the arena, or has no right to be there."""
