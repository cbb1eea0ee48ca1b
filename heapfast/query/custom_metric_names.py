"""What a name of custom.metrics.k8s.io means: a metric, or what becomes of it over the last minutes.

In      a name such as "network_rx_rate" or "memory_working_set_p95_5m"
Out     Readings, best first; and a reading's name again
Callers api/custom_metrics.py
Source  docs/custom-metrics.md, which is ours: Kubernetes only forbids "/" and "%" in such names
Never   knows which metrics have samples

    network_rx_rate             network/rx_rate, as it is now
    network_rx_rate_p95_5m      its 95th percentile over the last five minutes
    custom_qps_max_90s          the largest custom/qps of the last 90 seconds
    |--- metric --| |-| |-|
                    |    window: a number and s, m or h
                    aggregate: avg, max, min, or p1 to p99
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from heapfast.catalog.metrics import CATALOG, CUSTOM_PREFIX

_NAMES: Final = {metric.name.replace("/", "_"): metric.name for metric in CATALOG}
_CUSTOM: Final = CUSTOM_PREFIX.replace("/", "_")
_AGGREGATED: Final = re.compile("(.+)_(avg|max|min|p[1-9][0-9]?)_([1-9][0-9]{0,5})([smh])")
_UNIT_SECONDS: Final = {"h": 3600, "m": 60, "s": 1}


class Reading(NamedTuple):
    """One meaning of a name.

    Attributes:
        metric: as the store calls it.
        aggregate: "avg", "max", "min" or "p1" to "p99"; "" for the newest sample.
        window_seconds: how far back the aggregate looks; 0 without one.
    """

    metric: str
    aggregate: str = ""
    window_seconds: int = 0

    def combine(self, values: Sequence[int | float]) -> int | float:
        """Return the aggregate of one series' values, oldest first, at least one.

        A percentile is by nearest rank: a value that was really there, of which at least so many per cent are
        not greater.
        """
        match self.aggregate:
            case "":
                return values[-1]
            case "avg":
                return math.fsum(values) / len(values)
            case "max":
                return max(values)
            case "min":
                return min(values)
            case percentile:
                rank = math.ceil(int(percentile[1:]) * len(values) / 100)
                return sorted(values)[rank - 1]


def parse_name(name: str) -> tuple[Reading, ...]:
    """Return every way to read a name; empty when it can be none of a metric.

    A custom metric may itself be called `x_max_5m`: then the reading that takes the name as a whole comes first,
    and whoever knows the store takes the first whose metric is there.
    """
    readings = []
    whole = _metric(name)
    if whole:
        readings.append(Reading(whole))
    match = _AGGREGATED.fullmatch(name)
    if match:
        metric, aggregate, number, unit = match.groups()
        part = _metric(metric)
        if part:
            readings.append(Reading(part, aggregate, int(number) * _UNIT_SECONDS[unit]))
    return tuple(readings)


def format_name(reading: Reading) -> str:
    """Write the name of a reading, the window in its largest whole unit."""
    name = reading.metric.replace("/", "_", 1)
    if not reading.aggregate:
        return name
    unit = next(unit for unit, seconds in _UNIT_SECONDS.items() if reading.window_seconds % seconds == 0)
    return f"{name}_{reading.aggregate}_{reading.window_seconds // _UNIT_SECONDS[unit]}{unit}"


def _metric(name: str) -> str:
    if name.startswith(_CUSTOM) and name != _CUSTOM:
        return CUSTOM_PREFIX + name.removeprefix(_CUSTOM)
    return _NAMES.get(name, "")
