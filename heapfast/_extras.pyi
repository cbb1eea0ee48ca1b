"""Optional usage, as Python sees it. Belongs to the loop."""

class Extras:
    def usage(self, kind: int, slot: int, now_ns: int) -> dict[str, int]: ...
