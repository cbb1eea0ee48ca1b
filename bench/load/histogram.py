"""Latencies in an HdrHistogram: three digits from a microsecond to a minute, and text that other tools read.

In      seconds, one at a time
Out     quantiles in ms; the standard encoding
Callers worker.py; report and tests decode
Source  the library hdrhistogram, of the extra `bench`
Never   averages: the mean of latencies hides what they are measured for
"""

from __future__ import annotations

from typing import Final

from hdrh.histogram import HdrHistogram

LOWEST_US: Final = 1
HIGHEST_US: Final = 60_000_000
DIGITS: Final = 3


class Latencies:
    """Of one stream."""

    def __init__(self, encoded: str = "") -> None:
        """Args: encoded: what `encode` gave; "" starts empty."""
        self._histogram = HdrHistogram.decode(encoded) if encoded else HdrHistogram(LOWEST_US, HIGHEST_US, DIGITS)

    def record(self, seconds: float) -> None:
        """Counts one; what is longer than a minute counts as a minute."""
        self._histogram.record_value(min(max(round(seconds * 1e6), LOWEST_US), HIGHEST_US))

    def add(self, other: Latencies) -> None:
        """Counts all of another one."""
        self._histogram.add(other._histogram)

    def quantile_ms(self, quantile: float) -> float:
        """The latency that this share of all was not above; 0 when there are none."""
        if not len(self):
            return 0.0
        return round(float(self._histogram.get_value_at_percentile(quantile * 100)) / 1e3, 3)

    def encode(self) -> str:
        encoded: bytes = self._histogram.encode()
        return encoded.decode("ascii")

    def __len__(self) -> int:
        return int(self._histogram.get_total_count())
