from heapfast._ring import Packed

class Spare:
    def prepare(self) -> None: ...

class Closing:
    packed: Packed | None
    def run(self) -> None: ...
