from typing import Any

class Rows:
    """The rows of one answer."""

    bad_values: int
    """Samples, times, groups and entities left out because they were not what they should be."""
    bad_offset: int
    """Byte offset of the first of them, -1 when there was none."""
    n_rows: int
    n_resources: int
    """Entries of the resource table; a few may belong to no row."""
    n_customs: int
    """Entries of the custom table; a few may belong to no row."""

    def __len__(self) -> int: ...
    def clear(self) -> None: ...
    def to_dicts(self) -> list[dict[str, Any]]: ...
    def check(self) -> None: ...
