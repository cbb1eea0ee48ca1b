"""PromQL: selectors for every kind of entity, and names that stay names.

The tokenizer here is written from Prometheus' grammar, not from the code that quotes.
"""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heapfast.catalog.keys import Kind
from heapfast.history import promql
from heapfast.history.backend import Entity
from heapfast.query.aggregation import parse_aggregations


@pytest.mark.parametrize(
    ("entity", "labels"),
    [
        (Entity(Kind.CLUSTER), {}),
        (Entity(Kind.NODE, node="n"), {"node": "n"}),
        (Entity(Kind.NAMESPACE, namespace="s"), {"namespace": "s"}),
        (Entity(Kind.POD, namespace="s", pod="p"), {"namespace": "s", "pod": "p"}),
        (Entity(Kind.POD, pod_id="u"), {"uid": "u"}),
        (
            Entity(Kind.POD_CONTAINER, namespace="s", pod="p", container="c"),
            {"namespace": "s", "pod": "p", "container": "c"},
        ),
        (Entity(Kind.SYS_CONTAINER, node="n", container="c"), {"node": "n", "container": "c"}),
    ],
    ids=lambda value: value.kind.name if isinstance(value, Entity) else "",
)
def test_an_entity_is_known_by_its_labels(entity: Entity, labels: dict[str, str]) -> None:
    assert promql.entity_labels(entity) == labels


@pytest.mark.parametrize(
    ("name", "expression"),
    [
        ("average", "avg_over_time(m{}[60000ms])"),
        ("max", "max_over_time(m{}[60000ms])"),
        ("min", "min_over_time(m{}[60000ms])"),
        ("count", "count_over_time(m{}[60000ms])"),
        ("median", "quantile_over_time(0.5,m{}[60000ms])"),
        ("95-perc", "quantile_over_time(0.95,m{}[60000ms])"),
    ],
)
def test_an_aggregation_is_a_function_over_a_span(name: str, expression: str) -> None:
    (aggregation,) = parse_aggregations(name)
    assert promql.call(aggregation, promql.selector("m", {}), 60_000) == expression


def test_every_metric_of_an_entity_is_selected_by_its_kind() -> None:
    pod = Entity(Kind.POD, namespace="s", pod="p")
    assert promql.any_metric_of(pod, {"cluster": "c"}) == (
        '{__name__=~"heapfast_pod_.+",namespace="s",pod="p",cluster="c"}'
    )
    assert promql.any_metric_of(Entity(Kind.CLUSTER), {}) == '{__name__=~"heapfast_cluster_.+"}'


def test_a_kind_is_listed_by_what_every_entity_has() -> None:
    assert promql.listed(Kind.NODE, {"cluster": "c"}) == [
        'heapfast_node_cpu_capacity_cores{cluster="c"}',
        'heapfast_node_cpu_usage_seconds_total{cluster="c"}',
        'heapfast_node_memory_request_bytes{cluster="c"}',
        'heapfast_node_memory_usage_bytes{cluster="c"}',
        'heapfast_node_network_receive_bytes_total{cluster="c"}',
        'heapfast_node_uptime_seconds{cluster="c"}',
    ]


# -- names stay names -------------------------------------------------------------------------------------------------

_TOKEN = re.compile(
    r"""
      (?P<string>"(?:[^"\\\n\ufffd]|\\(?:[\\"]|u[0-9a-f]{4}))*")
    | (?P<word>[A-Za-z_:][A-Za-z0-9_:]*)
    | (?P<sign>=~|[={},()\[\]])
    | (?P<duration>\d+ms)
    | (?P<space>[ ]+)
    """,
    re.VERBOSE,
)


def tokens(expression: str) -> list[tuple[str, str]]:
    """What Prometheus' lexer makes of an expression, strings unquoted; fails at what is no token."""
    found = []
    at = 0
    while at < len(expression):
        match = _TOKEN.match(expression, at)
        assert match is not None, f"no token at {expression[at:]!r}"
        at = match.end()
        kind = str(match.lastgroup)
        if kind == "string":
            found.append((kind, re.sub(r"\\(?:u(.{4})|(.))", _unescape, match[0][1:-1])))
        elif kind != "space":
            found.append((kind, match[0]))
    return found


def _unescape(match: re.Match[str]) -> str:
    return chr(int(match[1], 16)) if match[1] else match[2]


nasty = st.sampled_from(['"', "\\", '\\"', '"} or up{a="', '",pod=~".*', "\n", "\ufffd", "\x00", "`", "'", "{{", "#"])
tricky = st.lists(st.one_of(st.text(), nasty), max_size=4).map("".join).filter(promql.is_speakable)


@given(tricky)
def test_a_quoted_value_is_one_token_with_the_value_in_it(value: str) -> None:
    assert tokens(promql.quote(value)) == [("string", value)]


@given(tricky, tricky, tricky)
def test_no_name_changes_what_a_selector_asks(namespace: str, pod: str, cluster: str) -> None:
    def shape(one: str, two: str, three: str) -> list[str]:
        entity = Entity(Kind.POD, namespace=one, pod=two)
        labels = {**promql.entity_labels(entity), "cluster": three}
        written = (
            promql.selector("m", labels),
            promql.any_metric_of(entity, {"cluster": three}),
            *promql.listed(Kind.POD, labels),
        )
        return [kind if kind == "string" else text for part in written for kind, text in tokens(part)]

    assert shape(namespace, pod, cluster) == shape("a", "b", "c")


@given(tricky)
def test_a_pod_is_asked_for_under_its_very_name(name: str) -> None:
    found = tokens(promql.selector("m", {"pod": name}))
    assert found == [("word", "m"), ("sign", "{"), ("word", "pod"), ("sign", "="), ("string", name), ("sign", "}")]


def test_what_is_no_utf8_is_never_written() -> None:
    assert not promql.is_speakable("fine", "\ud800")
    with pytest.raises(ValueError, match="BUG: .* cannot be quoted"):
        promql.quote("\ud800")


@pytest.mark.parametrize("label", ["a-b", "", "1a", 'a="x",b'])
def test_a_label_that_is_no_name_is_never_written(label: str) -> None:
    with pytest.raises(ValueError, match="is no name of a label"):
        promql.selector("m", {label: "x"})
