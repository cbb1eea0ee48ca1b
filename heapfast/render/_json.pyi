from collections.abc import Iterable

_Scalar = bytes | int | float | tuple[str, int]

class JsonBuffer: ...

def render_scalars(items: Iterable[_Scalar]) -> bytes: ...
