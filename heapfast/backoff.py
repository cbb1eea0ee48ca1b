"""How long to wait before trying again.

In      failures in a row, what the server asked for
Out     seconds
Callers kube/watch.py
Never   sleeps by itself
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

FIRST_SECONDS: Final = 0.5
MAX_SECONDS: Final = 30.0
#: A Retry-After beyond it is taken for a mistake: so long nobody wants stale pods.
MAX_RETRY_AFTER_SECONDS: Final = 300.0


class Backoff:
    """Doubles from FIRST_SECONDS to MAX_SECONDS; the upper half of each wait is random.

    The random part keeps all clients of an API server that comes back from asking at once.
    """

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self.failures = 0

    def next_seconds(self, retry_after_seconds: float | None = None) -> float:
        """Count a failure and give the wait after it, never shorter than the server asked for."""
        # The exponent is held back because 2.0**1024 overflows after some hours of outage.
        ceiling = min(MAX_SECONDS, FIRST_SECONDS * 2.0 ** min(self.failures, 16))
        self.failures += 1
        seconds = ceiling * (0.5 + 0.5 * self._random())
        return max(seconds, min(retry_after_seconds or 0.0, MAX_RETRY_AFTER_SECONDS))

    def reset(self) -> None:
        self.failures = 0
