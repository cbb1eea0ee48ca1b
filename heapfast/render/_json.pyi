from collections.abc import Iterable

_Scalar = bytes | int | float | tuple[str, int]

class JsonBuffer:
    def __len__(self) -> int: ...

def render_scalars(items: Iterable[_Scalar]) -> bytes: ...
