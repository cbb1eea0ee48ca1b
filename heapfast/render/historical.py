"""Series and buckets of the historical API as JSON, a chunk at a time.

In      chunks of one item after the other, items in order, those without data left out
Out     bytes: one item indented, or a compact list of all of them
Callers api/historical.py
Source  spec/heapster-rest.md 6.2, 6.3 and 6.4; B5 (an item without data is empty), B13, B15, B17
Never   asks for a chunk, or knows where it comes from

    writer = SeriesWriter(n_items=2, is_list=True)
    writer.points(1, timestamps_ns, values)     what comes before it, too: the first item, and it is empty
    writer.end()
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from heapfast.codec._float import format_double
from heapfast.codec._rfc3339 import format_time
from heapfast.query.aggregation import Aggregation, Function
from heapfast.render._series import render_points, render_time

Timestamps: TypeAlias = "array[int] | memoryview"
Column: TypeAlias = "array[int] | array[float] | memoryview"
Values = Mapping[Aggregation, Sequence[int] | Sequence[float]]

#: Members in the order of Heapster's type, which is not that of the URL.
_MEMBERS: Final = (
    (Function.AVERAGE, "average"),
    (Function.MAX, "maximum"),
    (Function.MIN, "minimum"),
    (Function.MEDIAN, "median"),
)


class _Items:
    """The frame around items: which is open, and what stands between them."""

    def __init__(self, n_items: int, *, is_list: bool) -> None:
        self._n_items = n_items
        self._is_list = is_list
        self._item = -1
        self._has_any = False

    def _open_until(self, item: int) -> bytes:
        """Closes what is open, and opens every item up to this one."""
        n_empty = item - self._item - 1
        if n_empty < 0:
            return b""
        if self._item >= 0:
            before = self._close() + b","
        else:
            before = b'{"items":[' if self._is_list else b""
        self._item = item
        self._has_any = False
        head = self._head()
        # All that have nothing are alike; a list may be of 30,000 names that nobody has.
        return before + (head + self._close() + b",") * n_empty + head

    def end(self) -> bytes:
        """Return what is left to say after the last chunk."""
        body = self._open_until(self._n_items - 1) + self._close()
        return body + b"]}\n" if self._is_list else body

    def _head(self) -> bytes:
        raise NotImplementedError

    def _close(self) -> bytes:
        raise NotImplementedError


class SeriesWriter(_Items):
    """Raw samples: Heapster's MetricResult, or MetricResultList."""

    def __init__(self, n_items: int, *, is_list: bool) -> None:
        super().__init__(n_items, is_list=is_list)
        self._latest_ns: int | None = None

    def points(self, item: int, timestamps_ns: Timestamps, values: Column) -> bytes:
        """Return the bytes of some points of an item, with what comes before them."""
        head = self._open_until(item)
        body = render_points(timestamps_ns, values, not self._is_list, not self._has_any)
        if len(timestamps_ns):
            self._has_any = True
            self._latest_ns = int(timestamps_ns[-1])
        return head + body

    def _head(self) -> bytes:
        self._latest_ns = None
        return b'{"metrics":[' if self._is_list else b'{\n  "metrics": ['

    def _close(self) -> bytes:
        latest = render_time(self._latest_ns)
        if self._is_list:
            return b'],"latestTimestamp":' + latest + b"}"
        return (b"\n  ]" if self._has_any else b"]") + b',\n  "latestTimestamp": ' + latest + b"\n }"


class BucketsWriter(_Items):
    """Aggregates: Heapster's MetricAggregationResult, or the list of them."""

    def __init__(self, n_items: int, *, is_list: bool, bucket_ns: int) -> None:
        super().__init__(n_items, is_list=is_list)
        self._bucket_ns = bucket_ns

    def buckets(self, item: int, timestamps_ns: Timestamps, values: Values) -> bytes:
        """Return the bytes of some buckets of an item, with what comes before them."""
        parts = [self._open_until(item)]
        for i, timestamp_ns in enumerate(timestamps_ns):
            if self._has_any:
                parts.append(b",")
            self._has_any = True
            members = _members(int(timestamp_ns), {aggregation: column[i] for aggregation, column in values.items()})
            parts.append(_compact(members) if self._is_list else b"\n   " + _indented(members, 3))
        return b"".join(parts)

    def _head(self) -> bytes:
        return b'{"buckets":[' if self._is_list else b'{\n  "buckets": ['

    def _close(self) -> bytes:
        size = b"%d" % self._bucket_ns
        if self._is_list:
            return b'],"bucketSize":' + size + b"}"
        return (b"\n  ]" if self._has_any else b"]") + b',\n  "bucketSize": ' + size + b"\n }"


#: A JSON object: members by name, each bytes as they stand or an object in turn.
_Object = dict[str, "bytes | _Object"]


def _members(timestamp_ns: int, values: Mapping[Aggregation, int | float]) -> _Object:
    by_function = {aggregation.function: value for aggregation, value in values.items()}
    members: _Object = {"timestamp": f'"{format_time(timestamp_ns)}"'.encode()}
    if Function.COUNT in by_function:
        members["count"] = b"%d" % by_function[Function.COUNT]
    for function, name in _MEMBERS:
        if function in by_function:
            members[name] = _value(by_function[function])
    percentiles = sorted(aggregation for aggregation in values if aggregation.function is Function.PERCENTILE)
    if percentiles:
        members["percentiles"] = {
            str(aggregation.percentile): _value(values[aggregation]) for aggregation in percentiles
        }
    return members


def _value(value: int | float) -> _Object:
    if isinstance(value, float):
        return {"floatValue": format_double(value)}
    return {"intValue": b"%d" % value}


def _compact(members: _Object) -> bytes:
    parts = []
    for name, value in members.items():
        parts.append(f'"{name}":'.encode() + (value if isinstance(value, bytes) else _compact(value)))
    return b"{" + b",".join(parts) + b"}"


def _indented(members: _Object, depth: int) -> bytes:
    # One space a depth, and one before every line but the first (2.1).
    inner = b"\n" + b" " * (depth + 1)
    parts = []
    for name, value in members.items():
        text = value if isinstance(value, bytes) else _indented(value, depth + 1)
        parts.append(inner + f'"{name}": '.encode() + text)
    return b"{" + b",".join(parts) + b"\n" + b" " * depth + b"}"
