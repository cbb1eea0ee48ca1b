"""What a question about series says in its query: the window, the labels, buckets and aggregations.

In      a request, the wall clock
Out     parsed and checked parameters, in the order in which Heapster checks them
Callers model.py, historical.py
Source  spec/heapster-rest.md 3.1 to 3.4 and 3.6
Never   looks at what is asked about: parameters come first
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from heapfast.api.request import Request
from heapfast.errors import QueryError
from heapfast.query.aggregation import Aggregation, parse_aggregations, parse_bucket_ns
from heapfast.query.labels import parse_labels
from heapfast.query.window import TIME_MAX_NS, TIME_MIN_NS, Window, parse_window
from heapfast.units import NS_PER_SECOND

#: What `0001-01-01T00:00:00Z` is read as: before all that int64 nanoseconds hold.
_NO_START = "no start time (or a start time of zero) provided"


class SeriesParams(NamedTuple):
    """Of one question.

    Attributes:
        start_ns, end_ns: inclusive for the model, exclusive for history.
        labels: None for a question about plain metrics.
    """

    start_ns: int
    end_ns: int
    labels: dict[str, str] | None


class AggregateParams(NamedTuple):
    """How samples are aggregated.

    Attributes:
        bucket_ns: 0 for no buckets.
    """

    bucket_ns: int
    aggregations: tuple[Aggregation, ...]


def model_params(req: Request, now_ns: int) -> SeriesParams:
    """Parse `start`, `end` and `labels` of the model: both ends are optional.

    Raises:
        QueryError: the first that is wrong.
    """
    if not req.raw_query:
        return SeriesParams(TIME_MIN_NS, now_ns, None)
    query = req.query()
    window = parse_window(query.get("start"), query.get("end"), now_ns)
    return SeriesParams(window.start_ns, window.end_ns, parse_labels(query.get("labels")))


def model_aggregate_params(req: Request, now_ns: int, names: str) -> tuple[SeriesParams, AggregateParams]:
    """Parse the same, and how to aggregate.

    Raises:
        QueryError: the first that is wrong.
    """
    query = req.query()
    window = parse_window(query.get("start"), query.get("end"), now_ns)
    how = _aggregate_params(query, names)
    return SeriesParams(window.start_ns, window.end_ns, parse_labels(query.get("labels"))), how


def historical_params(req: Request, now_ns: int) -> SeriesParams:
    """Parse `start`, which must be there, `end` and `labels`; both ends cut to whole seconds (K13).

    Raises:
        QueryError: the first that is wrong.
    """
    query = req.query()
    window = _whole_seconds(query, now_ns)
    return SeriesParams(window.start_ns, window.end_ns, parse_labels(query.get("labels")))


def historical_aggregate_params(req: Request, now_ns: int, names: str) -> tuple[SeriesParams, AggregateParams]:
    """Parse the same, and how to aggregate.

    Raises:
        QueryError: the first that is wrong.
    """
    query = req.query()
    window = _whole_seconds(query, now_ns)
    how = _aggregate_params(query, names)
    return SeriesParams(window.start_ns, window.end_ns, parse_labels(query.get("labels"))), how


def check_buckets(params: SeriesParams, bucket_ns: int, n_items: int, max_points: int, now_ns: int) -> None:
    """Refuse what could never be answered, before anything is looked up.

    Raises:
        QueryError: the window has more buckets than one answer may.
    """
    if bucket_ns <= 0 or params.start_ns <= TIME_MIN_NS:
        return
    # One more for a bucket that begins before the window. Nobody has samples of the future.
    n_buckets = (max(min(params.end_ns, now_ns) - params.start_ns, 0) // bucket_ns + 1) * n_items
    if n_buckets > max_points:
        raise QueryError(
            f"bucket is too small: it divides the time into {n_buckets} buckets, where {max_points} are allowed"
            " (--historical-max-points)"
        )


def _aggregate_params(query: Mapping[str, str], names: str) -> AggregateParams:
    bucket_ns = parse_bucket_ns(query.get("bucket"))
    return AggregateParams(bucket_ns, parse_aggregations(names))


def _whole_seconds(query: Mapping[str, str], now_ns: int) -> Window:
    window = parse_window(query.get("start"), query.get("end"), now_ns)
    if window.start_ns <= TIME_MIN_NS:
        raise QueryError(_NO_START)
    start_ns, end_ns = (at_ns // NS_PER_SECOND * NS_PER_SECOND for at_ns in window)
    return Window(max(start_ns, TIME_MIN_NS), min(end_ns, TIME_MAX_NS))
