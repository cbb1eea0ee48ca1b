from collections.abc import Sequence
from typing import Final

from heapfast.scrape._target import Target
from heapfast.scrape.kit import Deliver, Kit, ScrapeReport
from heapfast.scrape.loop import Window

MAX_OPENING: Final[int]
MAX_NAMED: Final[int]

class Round:
    def __init__(
        self, kit: Kit, targets: Sequence[Target], window: Window, deliver: Deliver, *, in_turn: bool = False
    ) -> None: ...
    async def run(self, deadline_seconds: float) -> ScrapeReport: ...
