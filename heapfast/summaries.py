"""Summaries with quantiles, as Heapster exposed them.

In      observations
Out     Prometheus families of type summary: quantiles 0.5, 0.9 and 0.99, sum and count
Callers the monitoring.py of every stage that has one of Heapster's summaries, api/ among them
Source  spec/heapster-rest.md 11.2
Never   sorts before somebody asks: observing is two additions and a deque

prometheus_client has summaries without quantiles, hence this.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric, SummaryMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

QUANTILES = (0.5, 0.9, 0.99)

#: Quantiles are over so many newest observations.
WINDOW_OBSERVATIONS = 500


class Summary:
    """One series of a family: its newest observations, and the sum of all."""

    __slots__ = ("_recent", "count", "sum")

    def __init__(self) -> None:
        self.count = 0
        self.sum = 0.0
        self._recent: deque[float] = deque(maxlen=WINDOW_OBSERVATIONS)

    def observe(self, value: float) -> None:
        self.count += 1
        self.sum += value
        self._recent.append(value)

    def quantiles(self) -> list[tuple[float, float]]:
        """(quantile, value) pairs over the newest observations; NaN before the first one."""
        recent = sorted(self._recent)
        if not recent:
            return [(quantile, float("nan")) for quantile in QUANTILES]
        return [(quantile, recent[min(len(recent) - 1, int(quantile * len(recent)))]) for quantile in QUANTILES]

    def quantile_samples(self, name: str, labels: Mapping[str, str]) -> Iterator[Sample]:
        """One sample a quantile.

        Args:
            name: of the family.
        """
        for quantile, value in self.quantiles():
            yield Sample(name, {**labels, "quantile": str(quantile)}, value)


def summary_family(
    name: str, documentation: str, label_names: Sequence[str], series: Iterable[tuple[Sequence[str], Summary]]
) -> SummaryMetricFamily:
    """The exposition of some summaries that share a name."""
    family = SummaryMetricFamily(name, documentation, labels=label_names)
    for label_values, summary in series:
        labels = dict(zip(label_names, label_values, strict=True))
        family.samples.extend(summary.quantile_samples(name, labels))
        family.add_metric(label_values, count_value=summary.count, sum_value=summary.sum)
    return family


class SummaryFamily(Collector):
    """A family of summaries by label values, made as they are first asked for.

    Args:
        label_names: names of its labels; their values must come from a small set.
    """

    def __init__(self, name: str, documentation: str, label_names: Sequence[str], registry: CollectorRegistry) -> None:
        self._name = name
        self._documentation = documentation
        self._label_names = tuple(label_names)
        self._series: dict[tuple[str, ...], Summary] = {}
        registry.register(self)

    def labels(self, *values: str) -> Summary:
        """The series of these label values. Keep it: looking it up costs more than observing."""
        return self._series.setdefault(values, Summary())

    def collect(self) -> Iterable[Metric]:
        yield summary_family(self._name, self._documentation, self._label_names, self._series.items())
