from heapfast._ring import Packed

class Spare:
    def prepare(self) -> None: ...

PROCESSORS: tuple[str, ...]

class Closing:
    packed: Packed | None
    def run(self) -> None: ...
    @property
    def processors_ns(self) -> dict[str, int]: ...
