"""History from InfluxDB 1.x, as Heapster's sink wrote it and ours writes it.

In      queries of backend.py
Out     what InfluxDB has, in its chunks as they come
Callers the sink whose URI --historical-source repeats makes it
Source  spec/heapster-pipeline.md 7.1.7 to 7.1.9, spec/heapster-rest.md 8; B2 to B5, B17, B19; Q27
Never   writes, or holds more than one chunk of an item, but for custom metrics and sums of shards

Pods and containers by UID are never found: the schema has no UIDs (it would be a series more with every restart).
"""

from __future__ import annotations

import asyncio
import contextlib
from array import array
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from typing import Any, Final, TypeVar

from heapfast._name_list import NameList
from heapfast.catalog.keys import Kind
from heapfast.catalog.metrics import BY_NAME
from heapfast.errors import HistoryError, HistoryRefused, HistoryTooLarge, HistoryUnavailable
from heapfast.history import merging
from heapfast.history.backend import CHUNK_POINTS, AggregateQuery, Buckets, Entity, Points, RawQuery
from heapfast.history.influxdb_server import InfluxDbServer, Result, Row, Series
from heapfast.history.influxql import LAST_PREFIX, Statements, is_speakable, metric_of
from heapfast.history.merging import is_double
from heapfast.history.server import ServerFailure
from heapfast.query.aggregation import Aggregation

#: One request has the statements of so many entities.
MAX_STATEMENTS: Final = 200
LIST_TIMEOUT_SECONDS: Final = 30.0

QueryT = TypeVar("QueryT", bound=RawQuery)

#: Of what replicas have written, each its share.
_SUMS: Final = (Kind.CLUSTER, Kind.NAMESPACE)


class InfluxDbHistory:
    """A HistoryBackend over one database.

    Args:
        server: is closed with this.
        with_fields: the sink splits names of metrics into measurement and field.
        cluster_name: whose samples are looked at.
        is_sharded: replicas have written namespaces and the cluster in shares, which are added up.
    """

    def __init__(self, server: InfluxDbServer, *, with_fields: bool, cluster_name: str, is_sharded: bool) -> None:
        self._server = server
        self._with_fields = with_fields
        self._statements = Statements(with_fields=with_fields, cluster_name=cluster_name)
        self._is_sharded = is_sharded

    async def close(self) -> None:
        await self._server.close()

    async def read_raw(self, query: RawQuery) -> AsyncGenerator[Points]:
        """Yields the samples that were asked for; see HistoryBackend."""
        left = query.max_points
        if self._needs_whole(query):
            async for item, samples, is_float in self._wholes(query):
                for points in merging.points_of(item, samples, is_float=is_float):
                    yield points
            return
        is_float = BY_NAME[query.metric].value_type == "double"
        async for item, rows in self._rows(query, self._statements.raw):
            left -= len(rows)
            if left < 0:
                raise HistoryTooLarge(query.max_points)
            samples = [_sample(row) for row in rows]
            times = array("q", [timestamp_ns for timestamp_ns, _ in samples])
            yield Points(item, times, _column([value for _, value in samples], is_float=is_float))

    async def read_aggregated(self, query: AggregateQuery) -> AsyncGenerator[Buckets]:
        """Yields the buckets that were asked for; see HistoryBackend."""
        left = query.max_points
        if self._needs_whole(query):
            async for item, samples, is_float in self._wholes(query):
                # Sorting a day of samples holds the loop too long.
                buckets = await asyncio.to_thread(merging.aggregate, item, samples, query, is_float=is_float)
                if buckets is not None:
                    yield buckets
            return
        is_float = BY_NAME[query.metric].value_type == "double"
        async for item, rows in self._rows(query, self._statements.aggregated):
            left -= len(rows)
            if left < 0:
                raise HistoryTooLarge(query.max_points)
            yield _buckets(item, rows, query, is_float=is_float)

    async def list_metrics(self, entity: Entity) -> list[str]:
        """Names of an entity's metrics; see HistoryBackend."""
        return list(await self._names(self._statements.metrics, entity, self._metrics_of))

    async def list_entities(self, kind: Kind, parent: Entity | None = None) -> NameList:
        """Names of entities; see HistoryBackend."""
        return await self._names(lambda asked: self._statements.entities(kind, asked), parent, _values_of_tags)

    def _metrics_of(self, series: Series) -> Iterator[str]:
        """A row has the last value of every field that any measurement has; those that are not this one's are null."""
        for row in series.values:
            for column, value in zip(series.columns, row, strict=False):
                if column.startswith(LAST_PREFIX) and value is not None:
                    field = column.removeprefix(LAST_PREFIX)
                    metric = metric_of(series.name, field, with_fields=self._with_fields)
                    if metric is not None:
                        yield metric

    def _needs_whole(self, query: RawQuery) -> bool:
        """Whether an item has to be complete before its first sample is known.

        Of custom metrics nobody knows the type: they are integers if all of them are.
        """
        return query.metric not in BY_NAME or (self._is_sharded and any(one.kind in _SUMS for one in query.entities))

    async def _wholes(self, query: RawQuery) -> AsyncGenerator[tuple[int, list[merging.Sample], bool]]:
        """Every item that has samples, with all of them, and whether they are floats."""
        left = query.max_points
        for index, entity in enumerate(query.entities):
            is_sum = self._is_sharded and entity.kind in _SUMS
            statements = [self._statements.raw(query, entity, by_shard=is_sum)] if _can_exist(query, entity) else []
            series: dict[str, list[merging.Sample]] = {}
            async for result in self._results(statements, query):
                for one in result.series:
                    left -= len(one.values)
                    if left < 0:
                        raise HistoryTooLarge(query.max_points)
                    series.setdefault(one.tags.get("shard", ""), []).extend(map(_sample, one.values))
            samples = merging.sum_by_time(series.values()) if is_sum else merging.interleave(series.values())
            known = BY_NAME.get(query.metric)
            is_float = known.value_type == "double" if known else any(isinstance(value, float) for _, value in samples)
            yield index, samples, is_float

    async def _rows(
        self, query: QueryT, write: Callable[[QueryT, Entity], str]
    ) -> AsyncGenerator[tuple[int, list[Row]]]:
        """Rows of the first series of each statement, with the index of their entity, in the order of entities."""
        asked = [index for index, entity in enumerate(query.entities) if _can_exist(query, entity)]
        for begin in range(0, len(asked), MAX_STATEMENTS):
            part = asked[begin : begin + MAX_STATEMENTS]
            statements = [write(query, query.entities[index]) for index in part]
            async for result in self._results(statements, query):
                if not 0 <= result.statement_id < len(part):
                    raise _not_agreed(f"a result of statement {result.statement_id}")
                for series in result.series:
                    if series.values:
                        yield part[result.statement_id], series.values

    async def _results(self, statements: Sequence[str], query: RawQuery) -> AsyncGenerator[Result]:
        if not statements:
            return
        results = self._server.query(statements, chunk_rows=CHUNK_POINTS, timeout_seconds=query.timeout_seconds)
        try:
            async with contextlib.aclosing(results):
                async for result in results:
                    yield _checked(result)
        except ServerFailure as failure:
            raise history_error(failure) from failure

    async def _names(
        self, write: Callable[[Any], str], entity: Entity | None, names_of: Callable[[Series], Iterable[str]]
    ) -> NameList:
        names = NameList()
        if entity is not None and not _is_name(entity):
            return names
        n_sorted = CHUNK_POINTS
        results = self._server.query([write(entity)], chunk_rows=CHUNK_POINTS, timeout_seconds=LIST_TIMEOUT_SECONDS)
        try:
            async with contextlib.aclosing(results):
                async for result in results:
                    for series in _checked(result).series:
                        names.add(names_of(series))
                    # Each measurement names them all: what is there twice is left out before it is much.
                    if len(names) > 2 * n_sorted:
                        await asyncio.to_thread(names.sort)
                        n_sorted = max(len(names), CHUNK_POINTS)
                    await asyncio.sleep(0)
        except ServerFailure as failure:
            raise history_error(failure) from failure
        await asyncio.to_thread(names.sort)
        return names


def _values_of_tags(series: Series) -> Iterator[str]:
    """They come behind the tag's name."""
    return (str(row[-1]) for row in series.values if row)


def history_error(failure: ServerFailure) -> HistoryError:
    """What a failure means to somebody who asks for history."""
    if failure.is_passing and failure.reason not in ("protocol", "too_large"):
        return HistoryUnavailable(str(failure))
    return HistoryRefused(str(failure), failure.status)


def _checked(result: Result) -> Result:
    if result.error:
        raise HistoryRefused(f"InfluxDB cannot answer: {result.error}")
    return result


def _is_name(entity: Entity) -> bool:
    # An empty value would ask for series without the tag.
    names = entity.labels().values()
    return all(names) and is_speakable(*names)


def _can_exist(query: RawQuery, entity: Entity) -> bool:
    labels = query.labels or {}
    return _is_name(entity) and is_speakable(query.metric, *labels, *labels.values())


def _not_agreed(got: str) -> HistoryRefused:
    return HistoryRefused(f"cannot read the answer of InfluxDB: got {got}, want a time and numbers")


def _column(values: Sequence[object], *, is_float: bool) -> array[Any]:
    try:
        return array("d", map(float, map(_number, values))) if is_float else array("q", map(int, map(_number, values)))
    except (OverflowError, ValueError) as error:
        raise _not_agreed("a number beyond 64 bits") from error


def _sample(row: Row) -> merging.Sample:
    if len(row) != 2:
        raise _not_agreed(f"the row {row!r}")
    return _time(row), _number(row[1])


def _number(value: object) -> int | float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _not_agreed(f"the value {value!r}")
    return value


def _time(row: Row) -> int:
    if not isinstance(row[0], int) or isinstance(row[0], bool):
        raise _not_agreed(f"the row {row!r}")
    return row[0]


def _times(rows: Sequence[Row]) -> array[int]:
    return array("q", map(_time, rows))


def _buckets(item: int, rows: Sequence[Row], query: AggregateQuery, *, is_float: bool) -> Buckets:
    if any(len(row) != 1 + len(query.aggregations) for row in rows):
        raise _not_agreed(f"a row that has not {len(query.aggregations)} numbers")
    values: dict[Aggregation, array[int] | array[float]] = {}
    for column, aggregation in enumerate(query.aggregations, start=1):
        is_float_column = is_double(aggregation, is_float=is_float)
        values[aggregation] = _column([row[column] for row in rows], is_float=is_float_column)
    return Buckets(item, _times(rows), values)
