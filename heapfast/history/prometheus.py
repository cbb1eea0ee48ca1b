"""History by PromQL: from Prometheus, VictoriaMetrics, Mimir or Thanos, as our remote write has filled it.

In      queries of backend.py
Out     what the server has, in slices of time
Callers the sink whose URI --historical-source repeats makes it
Source  docs/prometheus.md for what is asked; spec/heapster-rest.md 8; B2 to B5, B17
Never   writes, or holds more than one slice of an item, but where several series are one

Windows. A range selector's older end is closed in Prometheus 2 and open in all others, so no window here begins where a
        sample may be: batches are stamped on whole seconds, and windows begin one millisecond off.
Values. PromQL has floats and base units: they come back in Heapster's, integers as integers.
Buckets. Each aggregation is one query, after one that counts: it says where samples are, how many, and whether of one
        series. A percentile is the sample of the nearest rank (as in InfluxDB) by asking for the quantile that
        falls on that rank. Where series have to be merged first, or a sample's own time is the answer, samples are
        read and aggregated here.
"""

from __future__ import annotations

import asyncio
from array import array
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from math import floor, isfinite
from typing import TYPE_CHECKING, Any, Final

from heapfast._name_list import NameList
from heapfast.catalog.keys import Kind
from heapfast.catalog.metrics import BY_NAME, CUSTOM_PREFIX
from heapfast.catalog.prometheus_names import Family, family_of, find_metric
from heapfast.errors import HistoryError, HistoryRefused, HistoryTooLarge, HistoryUnavailable
from heapfast.history import merging, promql
from heapfast.history.backend import CHUNK_POINTS, AggregateQuery, Buckets, Entity, Points, RawQuery
from heapfast.history.merging import is_double
from heapfast.history.server import ServerFailure
from heapfast.history.spans import NS_PER_MS, Part, n_steps, parts_of
from heapfast.query.aggregation import Aggregation, Function

if TYPE_CHECKING:
    from heapfast.clock import Clock
    from heapfast.history.prometheus_server import PrometheusServer, VectorSeries

DAY_MS: Final = 86_400_000
LIST_TIMEOUT_SECONDS: Final = 30.0

#: More steps than this are not evaluated: whoever asks for so many buckets gets those that have samples.
MAX_STEPS: Final = 40_000
#: A slice that had fewer samples is followed by a longer one, one that had more by a shorter one.
SPARSE_POINTS: Final = CHUNK_POINTS // 2
DENSE_POINTS: Final = 4 * CHUNK_POINTS
FIRST_SLICE_MS: Final = 6 * 3_600_000
#: Buckets with so many different counts have their percentiles taken here, not by a query for each count.
MAX_COUNTS: Final = 8

#: What replicas have written in shares.
_SUMS: Final = (Kind.CLUSTER, Kind.NAMESPACE)
SHARD_LABEL: Final = "shard"


class PrometheusHistory:
    """A HistoryBackend over one server, or one tenant of it.

    Args:
        server: is closed with this.
        labels: that all series of this cluster have, such as its name.
    """

    def __init__(self, server: PrometheusServer, *, labels: Mapping[str, str], clock: Clock) -> None:
        self._server = server
        self._labels = dict(labels)
        self._clock = clock

    async def close(self) -> None:
        await self._server.close()

    async def read_raw(self, query: RawQuery) -> AsyncGenerator[Points]:
        """Yields the samples that were asked for; see HistoryBackend."""
        async for item, family, vector, count in self._items(query):
            async for samples in self._slices(query, family, vector, count):
                for points in merging.points_of(item, samples, is_float=is_float(family)):
                    yield points

    async def read_aggregated(self, query: AggregateQuery) -> AsyncGenerator[Buckets]:
        """Yields the buckets that were asked for; see HistoryBackend."""
        left = query.max_points
        async for item, family, vector, _ in self._items(query, is_limited=False):
            parts: AsyncIterator[Buckets] = self._buckets(item, query, family, vector)
            if n_steps(query, *self._bounds(query)) > MAX_STEPS or merging.has_time_of_its_own(query):
                parts = self._buckets_of_samples(item, query, family, vector)
            async for buckets in parts:
                left -= len(buckets.timestamps_ns)
                if left < 0:
                    raise HistoryTooLarge(query.max_points)
                yield buckets

    async def list_metrics(self, entity: Entity) -> list[str]:
        """Names of an entity's metrics; see HistoryBackend."""
        if not _can_exist(entity):
            return []
        names = await self._label_values("__name__", [promql.any_metric_of(entity, self._labels)])
        found = (find_metric(name) for name in names)
        return sorted({metric for kind, metric in filter(None, found) if kind is entity.kind})

    async def list_entities(self, kind: Kind, parent: Entity | None = None) -> NameList:
        """Names of entities; see HistoryBackend."""
        if parent is not None and not _can_exist(parent):
            return NameList()
        labels = {**(promql.entity_labels(parent) if parent else {}), **self._labels}
        return await self._label_values(promql.NAME_LABELS[kind], promql.listed(kind, labels))

    def _bounds(self, query: RawQuery) -> tuple[int, int]:
        """The window in milliseconds, both ends exclusive, cut to where samples may be."""
        latest_ms = self._clock.now_ns() // NS_PER_MS + DAY_MS
        return max(query.start_ns // NS_PER_MS, -1), min(-(-query.end_ns // NS_PER_MS), latest_ms)

    async def _label_values(self, label: str, selectors: Sequence[str]) -> NameList:
        end_ms = self._clock.now_ns() // NS_PER_MS + DAY_MS
        try:
            return await self._server.label_values(
                label, selectors, end_ms=end_ms, timeout_seconds=LIST_TIMEOUT_SECONDS
            )
        except ServerFailure as failure:
            raise history_error(failure) from failure

    async def _items(self, query: RawQuery, *, is_limited: bool = True) -> AsyncGenerator[tuple[int, Family, str, int]]:
        """The items that have samples: index, family, selector, and how many samples (about)."""
        left = query.max_points
        found = []
        for item, entity in enumerate(query.entities):
            family = _family(query, entity)
            if family is None:
                continue
            labels = {**promql.entity_labels(entity), **(query.labels or {}), **self._labels}
            vector = promql.selector(family.name, labels)
            start_ms, end_ms = self._bounds(query)
            counts = await self._at(query, Aggregation(Function.COUNT), vector, start_ms + 1, end_ms - 1)
            count = sum(int(value) for _, _, value in _samples(counts))
            left -= count
            if is_limited and left < 0:
                raise HistoryTooLarge(query.max_points)
            if count:
                found.append((item, family, vector, count))
        # All are counted before the first is read, so that what is too much is refused before anything is sent.
        for one in found:
            yield one

    async def _slices(
        self, query: RawQuery, family: Family, vector: str, count: int
    ) -> AsyncGenerator[list[merging.Sample]]:
        """All samples of one item, a slice of time after the other; ascending."""
        start_ms, end_ms = self._bounds(query)
        span_ms = end_ms - start_ms if count <= DENSE_POINTS else FIRST_SLICE_MS
        after_ms = start_ms
        while after_ms < end_ms - 1:
            last_ms = min(after_ms + span_ms, end_ms - 1)
            series = await self._ask(f"{vector}[{last_ms - after_ms}ms]", last_ms, query)
            samples = _merged(series, family, after_ns=after_ms * NS_PER_MS)
            if samples:
                yield samples
            after_ms = last_ms
            if len(samples) < SPARSE_POINTS:
                span_ms *= 4
            elif len(samples) > DENSE_POINTS:
                span_ms = max(span_ms // 2, 1000)

    async def _buckets_of_samples(
        self, item: int, query: AggregateQuery, family: Family, vector: str
    ) -> AsyncGenerator[Buckets]:
        """Buckets from the samples themselves."""
        samples: list[merging.Sample] = []
        async for part in self._slices(query, family, vector, query.max_points):
            samples += part
            if len(samples) > query.max_points:
                raise HistoryTooLarge(query.max_points)
        # Sorting a day of samples holds the loop too long.
        buckets = await asyncio.to_thread(merging.aggregate, item, samples, query, is_float=is_float(family))
        if buckets is not None:
            yield buckets

    async def _buckets(self, item: int, query: AggregateQuery, family: Family, vector: str) -> AsyncGenerator[Buckets]:
        """Buckets as the server aggregates them."""
        parts = list(parts_of(query, *self._bounds(query)))
        counts = [await self._evaluate(query, Aggregation(Function.COUNT), vector, part) for part in parts]
        # Several series at one time: a pod that was made anew, shards, or a labelled metric without its labels.
        is_one = all(len(at_once) == 1 for part in counts for at_once in part.values())
        found = await self._columns(item, query, family, vector, zip(parts, counts, strict=True)) if is_one else None
        if found is not None:
            for buckets in found:
                yield buckets
            return
        async for buckets in self._buckets_of_samples(item, query, family, vector):
            yield buckets

    async def _columns(
        self,
        item: int,
        query: AggregateQuery,
        family: Family,
        vector: str,
        counted: Iterable[tuple[Part, Mapping[int, Sequence[float]]]],
    ) -> list[Buckets] | None:
        """Buckets where each has samples of one series; None where they have to be taken from the samples."""
        found = []
        for part, counts in counted:
            sizes = {at_ms: int(count) for at_ms, (count,) in sorted(counts.items())}
            columns: dict[Aggregation, array[Any]] = {}
            for aggregation in query.aggregations if sizes else ():
                values = await self._column(query, aggregation, vector, part, sizes)
                if values is None:
                    return None
                columns[aggregation] = _in_store_units(aggregation, values, family)
            if sizes:
                stamps = array("q", [part.stamp_ns(at_ms, query) for at_ms in sizes])
                found.append(Buckets(item, stamps, columns))
        return found

    async def _column(
        self, query: AggregateQuery, aggregation: Aggregation, vector: str, part: Part, counts: Mapping[int, int]
    ) -> list[float] | None:
        """One aggregation at each instant that has samples; None where it has to be taken from the samples."""
        if aggregation.function is Function.COUNT:
            return [float(count) for count in counts.values()]
        found: dict[int, float] = {}
        if aggregation.function is Function.PERCENTILE:
            sizes = set(counts.values())
            if len(sizes) > MAX_COUNTS:
                return None
            for size in sizes:
                quantile = _quantile(aggregation.percentile, size)
                expression = f"quantile_over_time({quantile!r},{vector}[{part.width_ms}ms])"
                values = _by_instant(await self._run(query, expression, part))
                found |= {at_ms: value[0] for at_ms, value in values.items() if counts.get(at_ms) == size}
        else:
            evaluated = await self._evaluate(query, aggregation, vector, part)
            found = {at_ms: value[0] for at_ms, value in evaluated.items()}
        # Samples that came or went between two queries leave a bucket to be taken from what is there now.
        return [found[at_ms] for at_ms in counts] if counts.keys() <= found.keys() else None

    async def _evaluate(
        self, query: AggregateQuery, aggregation: Aggregation, vector: str, part: Part
    ) -> dict[int, list[float]]:
        expression = promql.call(aggregation, vector, part.width_ms)
        return _by_instant(await self._run(query, expression, part))

    async def _run(self, query: RawQuery, expression: str, part: Part) -> list[VectorSeries]:
        if part.first_ms == part.last_ms:
            return await self._ask(expression, part.first_ms, query)
        try:
            return await self._server.query_range(
                expression,
                start_ms=part.first_ms,
                end_ms=part.last_ms,
                step_ms=part.step_ms,
                timeout_seconds=query.timeout_seconds,
            )
        except ServerFailure as failure:
            raise history_error(failure) from failure

    async def _at(
        self, query: RawQuery, aggregation: Aggregation, vector: str, first_ms: int, last_ms: int
    ) -> list[VectorSeries]:
        """An aggregation over the span from `first_ms` to `last_ms`."""
        if last_ms < first_ms:
            return []
        return await self._ask(promql.call(aggregation, vector, max(last_ms - first_ms, 1)), last_ms, query)

    async def _ask(self, expression: str, at_ms: int, query: RawQuery) -> list[VectorSeries]:
        try:
            return await self._server.query(expression, at_ms=at_ms, timeout_seconds=query.timeout_seconds)
        except ServerFailure as failure:
            raise history_error(failure) from failure


def is_float(family: Family) -> bool:
    """Whether the store has a family's values as floats; of custom metrics nobody knows."""
    known = BY_NAME.get(family.metric)
    return known is None or known.value_type == "double"


def history_error(failure: ServerFailure) -> HistoryError:
    """What a failure means to somebody who asks for history."""
    if failure.is_passing and failure.reason not in ("protocol", "too_large"):
        return HistoryUnavailable(str(failure))
    return HistoryRefused(str(failure), failure.status)


def _can_exist(entity: Entity) -> bool:
    # An empty value would ask for series without the label.
    names = promql.entity_labels(entity).values()
    return all(names) and promql.is_speakable(*names)


def _family(query: RawQuery, entity: Entity) -> Family | None:
    """The family that is asked for; None when there can be nothing."""
    known = BY_NAME.get(query.metric)
    if not _can_exist(entity) or (known is None and not query.metric.startswith(CUSTOM_PREFIX)):
        return None
    if query.labels is not None:
        is_of_it = known is not None and query.labels.keys() <= set(known.labels)
        if not is_of_it or not all(query.labels.values()) or not promql.is_speakable(*query.labels.values()):
            return None
    return family_of(entity.kind, query.metric) if promql.is_speakable(query.metric) else None


def _samples(series: Iterable[VectorSeries]) -> Iterator[tuple[int, int, float]]:
    """Index of the series, Unix milliseconds and value of all samples that are numbers.

    Raises:
        HistoryRefused: a value is no text of a number.
    """
    for index, one in enumerate(series):
        for at_seconds, text in one.samples():
            try:
                at_ms, value = round(at_seconds * 1000), float(text)
            except (OverflowError, ValueError) as error:
                raise HistoryRefused(f"cannot read the value {text!r} at {at_seconds}, want a number") from error
            if isfinite(value):
                yield index, at_ms, value


def _by_instant(series: Iterable[VectorSeries]) -> dict[int, list[float]]:
    found: dict[int, list[float]] = defaultdict(list)
    for _, at_ms, value in _samples(series):
        found[at_ms].append(value)
    return found


def _merged(series: Sequence[VectorSeries], family: Family, *, after_ns: int) -> list[merging.Sample]:
    """All samples after an instant as one series, in the store's units."""
    to_store = _to_float if is_float(family) else _to_int
    columns: list[list[merging.Sample]] = [[] for _ in series]
    for index, at_ms, value in _samples(series):
        column, at_ns = columns[index], at_ms * NS_PER_MS
        # VictoriaMetrics keeps a sample that was sent twice, unless it is told not to.
        if at_ns > after_ns and not (column and column[-1][0] == at_ns):
            column.append((at_ns, to_store(value, family)))
    if len(columns) == 1:
        return columns[0]
    if family.kind in _SUMS and any(SHARD_LABEL in one.metric for one in series):
        return merging.sum_by_time(columns)
    return merging.interleave(columns)


def _to_float(value: float, family: Family) -> float:
    return value * family.divisor


def _to_int(value: float, family: Family) -> int:
    # What is not in 64 bits was never written as an integer; it is a neighbour of the last one that is.
    return min(max(round(value * family.divisor), -(2**63) + 1), 2**63 - 1)


def _in_store_units(aggregation: Aggregation, values: Sequence[float], family: Family) -> array[Any]:
    """A column of buckets, with whole numbers where they must be whole."""
    function = aggregation.function
    if function is Function.COUNT:
        return array("q", map(int, values))
    if is_float(family) or function is Function.AVERAGE:
        return array("d", [_to_float(value, family) for value in values])
    if function is Function.MEDIAN:
        return array("d", [round(2 * value * family.divisor) / 2 for value in values])
    whole = [_to_int(value, family) for value in values]
    return array("d", map(float, whole)) if is_double(aggregation, is_float=False) else array("q", whole)


def _quantile(percentile: int, count: int) -> float:
    """The quantile that falls on the sample of the nearest rank, of so many."""
    rank = max(floor(count * percentile / 100 + 0.5), 1)
    return (rank - 1) / (count - 1) if count > 1 else 0.0
