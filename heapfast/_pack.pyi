from collections.abc import Sequence

def roundtrip(
    values: Sequence[int | None], newer: Sequence[int | None] | None = None, *, are_packed: bool = False
) -> tuple[list[int | None], int]: ...
