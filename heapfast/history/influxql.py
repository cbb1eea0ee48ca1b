"""Questions as InfluxQL, over the schema that Heapster's sink wrote.

In      queries of backend.py; whether the sink splits names into measurement and field
Out     one statement an entity
Callers influxdb.py
Source  spec/heapster-pipeline.md 7.1.3, 7.1.8; spec/heapster-rest.md 8.2, 8.3; B3, B19
Never   lets a name be anything but a name: all are quoted, and what cannot be is refused

What differs from Heapster's statements: names are quoted, not refused; the cluster is part of the predicate (B19);
times are integers; lists ask for the values of tags, the same for every kind (B3), and for samples of an entity.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from heapfast.catalog.keys import TYPE_LABEL, Kind
from heapfast.query.aggregation import Aggregation, Function

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heapfast.history.backend import AggregateQuery, Entity, RawQuery

#: The first and the last instant that InfluxDB knows; outside there is nothing, and a bound there is an error.
MIN_TIME_NS: Final = -(2**63) + 2
MAX_TIME_NS: Final = 2**63 - 2

#: A field of a metric whose name has no slash, and of all of them without fields.
VALUE: Final = "value"

#: Who these do not tell of has nothing at all, or next to nothing; with fields and without.
_LISTED_WITH_FIELDS: Final = ("cpu", "memory", "network", "uptime")
_LISTED: Final = ("cpu/node_capacity", "cpu/usage", "memory/request", "memory/usage", "network/rx", "uptime")

#: The tag that has the last part of a kind's names.
_NAME_TAGS: Final = {
    Kind.NODE: "nodename",
    Kind.NAMESPACE: "namespace_name",
    Kind.POD: "pod_name",
    Kind.POD_CONTAINER: "container_name",
    Kind.SYS_CONTAINER: "container_name",
}

_LAST_OF_ALL: Final = "SELECT LAST(*) FROM /.*/ WHERE"
#: What it puts before the name of a field.
LAST_PREFIX: Final = "last_"

_FUNCTIONS: Final = {
    Function.AVERAGE: "MEAN",
    Function.MAX: "MAX",
    Function.MIN: "MIN",
    Function.MEDIAN: "MEDIAN",
    Function.COUNT: "COUNT",
}

# Written by no sink: line protocol ends a point at a line feed, and Kubernetes has no such names.
_UNSPEAKABLE: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def is_speakable(*names: str) -> bool:
    """Whether all of these can be names of anything that was ever written."""
    return not any(_UNSPEAKABLE.search(name) for name in names)


def quote_identifier(name: str) -> str:
    """Quotes the name of a measurement, tag or field.

    Raises:
        ValueError: it has control characters or lone surrogates.
    """
    return f'"{_escaped(name, chr(34))}"'


def quote_string(text: str) -> str:
    """Quotes the value of a tag.

    Raises:
        ValueError: it has control characters or lone surrogates.
    """
    return f"'{_escaped(text, chr(39))}'"


def _escaped(text: str, quote: str) -> str:
    if not is_speakable(text):
        raise ValueError(f"BUG: {text!r} cannot be quoted")
    return text.replace("\\", "\\\\").replace(quote, f"\\{quote}")


def measurement_and_field(metric: str, *, with_fields: bool) -> tuple[str, str]:
    """Where the sink puts a metric: a measurement of its own, or a field of what stands before its first slash."""
    if not with_fields:
        return metric, VALUE
    measurement, slash, field = metric.partition("/")
    return measurement, field if slash else VALUE


def metric_of(measurement: str, field: str, *, with_fields: bool) -> str | None:
    """The way back; None for a field that the sink does not write."""
    if field == VALUE:
        return measurement
    return f"{measurement}/{field}" if with_fields else None


class Statements:
    """Writes statements for one cluster in one schema.

    Args:
        with_fields: the sink splits names of metrics.
        cluster_name: value of the tag `cluster_name`.
    """

    def __init__(self, *, with_fields: bool, cluster_name: str) -> None:
        self._with_fields = with_fields
        self._cluster_name = cluster_name

    def raw(self, query: RawQuery, entity: Entity, *, by_shard: bool = False) -> str:
        """All samples of an entity, one more than the query may have at most.

        Args:
            by_shard: in one series a replica that has written its share.
        """
        measurement, field = self._place(query.metric)
        grouping = 'GROUP BY "shard"' if by_shard else ""
        return self._select(field, measurement, query, entity, grouping)

    def aggregated(self, query: AggregateQuery, entity: Entity) -> str:
        """One column an aggregation, in their order; one bucket more than the query may have at most."""
        measurement, field = self._place(query.metric)
        columns = ", ".join(_call(aggregation, field) for aggregation in query.aggregations)
        # Buckets are whole milliseconds, so that nothing is cut off here.
        grouping = f"GROUP BY time({query.bucket_ns // 1000}u) fill(none)" if query.bucket_ns else ""
        return self._select(columns, measurement, query, entity, grouping)

    def metrics(self, entity: Entity) -> str:
        """A sample of every field of every measurement that has samples of an entity.

        Heapster's SHOW MEASUREMENTS takes each condition by itself: it lists what some node has and the entity has not.
        """
        return f"{_LAST_OF_ALL} {self._selector(entity.labels())}"

    def entities(self, kind: Kind, parent: Entity | None) -> str:
        """Values of the tag that names entities of a kind."""
        labels = {**(parent.labels() if parent else {}), "type": TYPE_LABEL[kind]}
        sources = ", ".join(map(quote_identifier, _LISTED_WITH_FIELDS if self._with_fields else _LISTED))
        tag = quote_identifier(_NAME_TAGS[kind])
        return f"SHOW TAG VALUES FROM {sources} WITH KEY = {tag} WHERE {self._selector(labels)}"

    def _place(self, metric: str) -> tuple[str, str]:
        measurement, field = measurement_and_field(metric, with_fields=self._with_fields)
        return quote_identifier(measurement), quote_identifier(field)

    def _select(self, columns: str, measurement: str, query: RawQuery, entity: Entity, grouping: str) -> str:
        words = ("SELECT", columns, "FROM", measurement, "WHERE", self._predicate(query, entity), grouping)
        return f"{' '.join(filter(None, words))} LIMIT {query.max_points + 1}"

    def _selector(self, labels: Mapping[str, str]) -> str:
        tags = {**labels, "cluster_name": self._cluster_name}
        return " AND ".join(f"{quote_identifier(key)} = {quote_string(value)}" for key, value in tags.items())

    def _predicate(self, query: RawQuery, entity: Entity) -> str:
        # A labelled metric's tags say whose it is and which one it is; the former cannot be overruled.
        terms = [self._selector(entity.labels())]
        terms += (f"{quote_identifier(key)} = {quote_string(value)}" for key, value in (query.labels or {}).items())
        terms += (
            f"time > {max(query.start_ns, MIN_TIME_NS)}",
            f"time < {min(query.end_ns, MAX_TIME_NS)}",
        )
        return " AND ".join(terms)


def _call(aggregation: Aggregation, field: str) -> str:
    if aggregation.function is Function.PERCENTILE:
        return f"PERCENTILE({field}, {aggregation.percentile})"
    return f"{_FUNCTIONS[aggregation.function]}({field})"
