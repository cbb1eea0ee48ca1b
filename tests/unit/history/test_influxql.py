"""InfluxQL: statements for every kind of question, and names that stay names.

The tokenizer here is written from InfluxQL's specification, not from the code that quotes.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heapfast.catalog.keys import Kind
from heapfast.history.backend import AggregateQuery, Entity, RawQuery
from heapfast.history.influxql import Statements, is_speakable, measurement_and_field, quote_identifier, quote_string
from heapfast.query.aggregation import parse_aggregations

STATEMENTS = Statements(with_fields=False, cluster_name="default")
FIELDS = Statements(with_fields=True, cluster_name="c1")
NODE = Entity(Kind.NODE, node="n1")

#: 2017-12-11T10:00:00Z and an hour later.
START_NS, END_NS = 1512986400_000_000_000, 1512990000_000_000_000
TIMES = f"time > {START_NS} AND time < {END_NS}"


def raw(entity: Entity = NODE, metric: str = "cpu/usage_rate", **members: Any) -> RawQuery:
    usual: dict[str, Any] = {
        "entities": (entity,),
        "metric": metric,
        "labels": None,
        "start_ns": START_NS,
        "end_ns": END_NS,
        "max_points": 99,
        "timeout_seconds": 10.0,
    }
    return RawQuery(**usual | members)


def aggregate(aggregations: str, bucket_ns: int = 0, **members: Any) -> AggregateQuery:
    usual: dict[str, Any] = {
        "entities": (NODE,),
        "metric": "cpu/usage_rate",
        "labels": None,
        "start_ns": START_NS,
        "end_ns": END_NS,
        "max_points": 99,
        "timeout_seconds": 10.0,
        "aggregations": parse_aggregations(aggregations),
        "bucket_ns": bucket_ns,
    }
    return AggregateQuery(**usual | members)


@pytest.mark.parametrize(
    ("entity", "predicate"),
    [
        (Entity(Kind.CLUSTER), "\"type\" = 'cluster'"),
        (NODE, "\"type\" = 'node' AND \"nodename\" = 'n1'"),
        (Entity(Kind.NAMESPACE, namespace="s"), "\"type\" = 'ns' AND \"namespace_name\" = 's'"),
        (
            Entity(Kind.POD, namespace="s", pod="p"),
            "\"type\" = 'pod' AND \"namespace_name\" = 's' AND \"pod_name\" = 'p'",
        ),
        (Entity(Kind.POD, pod_id="u"), "\"type\" = 'pod' AND \"pod_id\" = 'u'"),
        (
            Entity(Kind.SYS_CONTAINER, node="n1", container="system.slice/x"),
            "\"type\" = 'sys_container' AND \"nodename\" = 'n1' AND \"container_name\" = 'system.slice/x'",
        ),
    ],
    ids=["cluster", "node", "namespace", "pod", "pod by id", "system container"],
)
def test_samples_are_selected_by_whose_they_are(entity: Entity, predicate: str) -> None:
    assert STATEMENTS.raw(raw(entity), entity) == (
        f'SELECT "value" FROM "cpu/usage_rate" WHERE {predicate} AND "cluster_name" = \'default\' AND {TIMES} LIMIT 100'
    )


def test_fields_are_columns_of_a_measurement() -> None:
    assert FIELDS.raw(raw(), NODE).startswith('SELECT "usage_rate" FROM "cpu" WHERE')
    assert FIELDS.raw(raw(metric="uptime"), NODE).startswith('SELECT "value" FROM "uptime" WHERE')
    assert measurement_and_field("custom/a/b", with_fields=True) == ("custom", "a/b")


def test_labels_join_the_predicate() -> None:
    query = raw(metric="filesystem/usage", labels={"resource_id": "Volume:it's"})
    assert " AND \"resource_id\" = 'Volume:it\\'s' AND time" in STATEMENTS.raw(query, NODE)


def test_shares_of_replicas_come_apart() -> None:
    assert STATEMENTS.raw(raw(), NODE, by_shard=True).endswith(f'{TIMES} GROUP BY "shard" LIMIT 100')


def test_aggregations_are_columns_in_their_order() -> None:
    query = aggregate("average,count,95-perc,50-perc,99-perc,max,min,median", 300_000_000_000)
    statement = STATEMENTS.aggregated(query, NODE)
    assert statement.startswith(
        'SELECT MEAN("value"), COUNT("value"), PERCENTILE("value", 95), PERCENTILE("value", 50),'
        ' PERCENTILE("value", 99), MAX("value"), MIN("value"), MEDIAN("value") FROM "cpu/usage_rate"'
    )
    assert statement.endswith(f"{TIMES} GROUP BY time(300000000u) fill(none) LIMIT 100")


def test_one_bucket_is_no_group() -> None:
    assert STATEMENTS.aggregated(aggregate("max"), NODE).endswith(f"{TIMES} LIMIT 100")


def test_bounds_stay_within_what_influxdb_knows() -> None:
    statement = STATEMENTS.raw(raw(start_ns=-(2**63) + 1, end_ns=2**63 - 1), NODE)
    assert "time > -9223372036854775806 AND time < 9223372036854775806 LIMIT" in statement


def test_lists_ask_for_tags() -> None:
    assert STATEMENTS.metrics(NODE) == (
        "SELECT LAST(*) FROM /.*/ WHERE \"type\" = 'node' AND \"nodename\" = 'n1' AND \"cluster_name\" = 'default'"
    )
    assert STATEMENTS.entities(Kind.NODE, None) == (
        'SHOW TAG VALUES FROM "cpu/node_capacity", "cpu/usage", "memory/request", "memory/usage", "network/rx",'
        ' "uptime" WITH KEY = "nodename"'
        " WHERE \"type\" = 'node' AND \"cluster_name\" = 'default'"
    )
    assert FIELDS.entities(Kind.POD_CONTAINER, Entity(Kind.POD, namespace="s", pod="p")) == (
        'SHOW TAG VALUES FROM "cpu", "memory", "network", "uptime" WITH KEY = "container_name"'
        " WHERE \"type\" = 'pod_container'"
        " AND \"namespace_name\" = 's' AND \"pod_name\" = 'p' AND \"cluster_name\" = 'c1'"
    )


# -- names stay names -------------------------------------------------------------------------------------------------

_TOKEN = re.compile(
    r"""
      (?P<identifier>"(?:[^"\\\n]|\\[\\"n])*")
    | (?P<string>'(?:[^'\\\n]|\\[\\'n])*')
    | (?P<number>-?\d+[a-z]?)
    | (?P<word>[A-Za-z_]+)
    | (?P<sign>/\.\*/|[=<>(),*])
    | (?P<space>[ ]+)
    """,
    re.VERBOSE,
)
_ESCAPES = {"\\\\": "\\", '\\"': '"', "\\'": "'", "\\n": "\n"}


def tokens(statement: str) -> list[tuple[str, str]]:
    """What InfluxQL's scanner makes of a statement, texts unquoted; fails at what is no token."""
    found = []
    at = 0
    while at < len(statement):
        match = _TOKEN.match(statement, at)
        assert match is not None, f"no token at {statement[at:]!r}"
        at = match.end()
        kind = str(match.lastgroup)
        if kind in ("identifier", "string"):
            found.append((kind, re.sub(r"\\.", lambda escape: _ESCAPES[escape[0]], match[0][1:-1])))
        elif kind != "space":
            found.append((kind, match[0]))
    return found


names = st.text(min_size=1).filter(is_speakable)
#: What an attacker would try, among other things.
nasty = st.sampled_from(
    ["'", '"', "\\", "\\'", "' OR 1=1 --", '"; DROP DATABASE k8s', "a' OR 'a'='a", "\\\\'", "é", "/*"]
)
tricky = st.lists(st.one_of(names, nasty), min_size=1, max_size=4).map("".join)


@given(tricky)
def test_a_quoted_name_is_one_token_with_the_name_in_it(name: str) -> None:
    assert tokens(quote_identifier(name)) == [("identifier", name)]
    assert tokens(quote_string(name)) == [("string", name)]


@given(tricky, tricky, tricky, tricky, tricky, tricky)
def test_no_name_changes_what_a_statement_asks(
    namespace: str, pod: str, container: str, metric: str, label: str, value: str
) -> None:
    def shape(*texts: str) -> list[str]:
        one, two, three, four, five, six = texts
        entity = Entity(Kind.POD_CONTAINER, namespace=one, pod=two, container=three)
        query = aggregate("average,95-perc", 60_000_000_000, metric=four, labels={five: six})
        statements = Statements(with_fields=True, cluster_name=one)
        written = (
            statements.raw(query, entity),
            statements.aggregated(query, entity),
            statements.metrics(entity),
            statements.entities(Kind.POD_CONTAINER, entity),
        )
        return [kind if kind in ("identifier", "string") else text for part in written for kind, text in tokens(part)]

    assert shape(namespace, pod, container, metric, label, value) == shape("a", "b", "c", "d/e", "f", "g")


@given(tricky)
def test_an_entity_is_asked_for_under_its_very_name(name: str) -> None:
    found = tokens(STATEMENTS.raw(raw(Entity(Kind.NODE, node=name)), Entity(Kind.NODE, node=name)))
    assert ("identifier", "nodename") in found
    assert found[found.index(("identifier", "nodename")) + 2] == ("string", name)


@pytest.mark.parametrize("text", ["a\nb", "\x00", "\x7f", "\ud800"])
def test_what_cannot_be_a_name_is_never_written(text: str) -> None:
    assert not is_speakable("fine", text)
    with pytest.raises(ValueError, match="BUG: .* cannot be quoted"):
        quote_string(text)
    with pytest.raises(ValueError, match="BUG: .* cannot be quoted"):
        quote_identifier(text)
