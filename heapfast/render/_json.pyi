from collections.abc import Iterable

Scalar = bytes | int | float | tuple[str, int]

class JsonBuffer:
    def __len__(self) -> int: ...

def render_scalars(items: Iterable[Scalar]) -> bytes: ...
