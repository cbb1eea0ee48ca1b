"""Aggregations by name, and bucket sizes: what `metrics-aggregated` routes take.

In      "average,95-perc", "5m"
Out     Aggregations, nanoseconds; or QueryError with Heapster's text
Callers api/series_params.py; query/buckets.py and history/ answer with them
Source  spec/heapster-rest.md 3.3, 3.4 and 6.4, recorded `bad` and `bad-bucket` answers
Never   aggregates
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from heapfast.errors import QueryError
from heapfast.query.quoting import quote
from heapfast.units import NS_PER_SECOND


class Function(StrEnum):
    """How a bucket's samples become one value. Its text is its name in URLs, but for percentiles."""

    AVERAGE = "average"
    MAX = "max"
    MIN = "min"
    MEDIAN = "median"
    COUNT = "count"
    PERCENTILE = "perc"


class Aggregation(NamedTuple):
    """One aggregation that is asked for.

    Attributes:
        function: what is done.
        percentile: 1 to 99 for PERCENTILE, else 0. The sample whose rank among n is the nearest to n x percentile /
            100 + 1/2, rounded down, and at least the first: an actual sample, as in InfluxDB. A median is not: it lies
            in the middle between two samples where there are two.
    """

    function: Function
    percentile: int = 0

    @property
    def name(self) -> str:
        """As in a URL: "average", "95-perc"."""
        return f"{self.percentile}-perc" if self.percentile else str(self.function)

    @property
    def is_float(self) -> bool:
        """Whether its values are floats even where samples are integers (B17)."""
        return self.function in (Function.AVERAGE, Function.MEDIAN, Function.PERCENTILE)


def _heapster() -> dict[str, Aggregation]:
    plain = [Aggregation(function) for function in Function if function is not Function.PERCENTILE]
    percentiles = [Aggregation(Function.PERCENTILE, percentile) for percentile in (50, 95, 99)]
    return {aggregation.name: aggregation for aggregation in (*plain, *percentiles)}


#: What Heapster knows, by name.
HEAPSTER_AGGREGATIONS: Final[Mapping[str, Aggregation]] = _heapster()


def parse_aggregations(text: str) -> tuple[Aggregation, ...]:
    """Parse names joined by commas; the second of two equal ones says nothing new.

    Raises:
        QueryError: for the first name that is unknown or empty.
    """
    found: dict[Aggregation, None] = {}
    for name in text.split(","):
        aggregation = HEAPSTER_AGGREGATIONS.get(name)
        if aggregation is None:
            raise QueryError(f"Unknown aggregation {quote(name)}")
        found[aggregation] = None
    return tuple(found)


_SUFFIXES_NS: Final = {
    "ms": NS_PER_SECOND // 1000,
    "s": NS_PER_SECOND,
    "m": 60 * NS_PER_SECOND,
    "h": 3600 * NS_PER_SECOND,
    "d": 86400 * NS_PER_SECOND,
}
_UINT64_MAX: Final = 2**64 - 1
#: What fits where times do.
MAX_BUCKET_NS: Final = 2**63 - 1
_DIGITS: Final = re.compile(r"[0-9]+", re.ASCII)


def parse_bucket_ns(text: str | None) -> int:
    """Parse a bucket size: an unsigned number with `ms`, `s`, `m`, `h` or `d`.

    Returns:
        0 for "no buckets": `text` is missing, empty or zero.

    Raises:
        QueryError: it is no such size. Heapster let one that is too long overflow; here its limit is said.
    """
    if not text:
        return 0
    if len(text) < 2:
        raise QueryError(f"unable to parse bucket size: {quote(text)} is too short to be a duration")
    # "ms" alone is the number "m" of seconds, which is none.
    suffix = "ms" if text.endswith("ms") and len(text) > 2 else text[-1]
    unit_ns = _SUFFIXES_NS.get(suffix)
    if unit_ns is None:
        raise QueryError(f"unable to parse bucket size: {quote(text)} has no known duration suffix")
    digits = text.removesuffix(suffix)
    if not _DIGITS.fullmatch(digits):
        raise QueryError(f"strconv.ParseUint: parsing {quote(digits)}: invalid syntax")
    # Twenty digits are more than 64 bits hold; a longer text need not be read.
    significant = digits.lstrip("0")
    if len(significant) > 20 or int(significant or "0") > _UINT64_MAX:
        raise QueryError(f"strconv.ParseUint: parsing {quote(digits)}: value out of range")
    bucket_ns = int(significant or "0") * unit_ns
    if bucket_ns > MAX_BUCKET_NS:
        raise QueryError(f"unable to parse bucket size: {quote(text)} is longer than 106751d")
    return bucket_ns
