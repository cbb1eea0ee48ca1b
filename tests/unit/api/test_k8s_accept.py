"""Negotiation by its rules alone; recorded requests are asked in tests/conformance."""

from __future__ import annotations

import pytest

from heapfast.api.accept import (
    MAX_REMEMBERED_CHARS,
    OFFERED,
    OFFERED_LIST,
    Negotiated,
    Transform,
    allows_aggregated,
    allows_objects,
    allows_plain,
    is_pretty,
    is_produced,
    negotiate,
)
from heapfast.render.forms import Encoding

JSON, YAML, PROTOBUF = Encoding
TABLE = Transform("Table", "meta.k8s.io", "v1")
META = ";g=meta.k8s.io;v=v1;as="


@pytest.mark.parametrize(
    ("accept", "is_offered"),
    [
        ("", True),
        ("*/*", True),
        ("text/html, */*;q=0", True),
        ("application/json;q=0", True),
        ("application/*", False),
        ("*", False),
        (" application/yaml ;x", True),
        ("application/json/x", False),
        (",", False),
    ],
)
def test_types_are_filtered_without_a_look_at_parameters(accept: str, is_offered: bool) -> None:
    assert is_produced(accept, OFFERED) is is_offered
    assert is_produced(accept, OFFERED_LIST) is is_offered


CHOICES: dict[str, Negotiated | None] = {
    "": Negotiated(JSON),
    "*/*": Negotiated(JSON),
    "*": Negotiated(JSON),
    "application/*": Negotiated(JSON),
    "application/yaml, application/json": Negotiated(YAML),
    "application/json;q=0.1, application/yaml;q=0.2": Negotiated(YAML),
    "*/*;q=0.5, application/yaml;q=0.5": Negotiated(YAML),
    "application/*, application/yaml": Negotiated(YAML),
    "application/json;q=x, application/yaml;q=0.1": Negotiated(YAML),
    "application/json;q=nan, application/yaml;q=0.1": Negotiated(YAML),
    "application/vnd.kubernetes.protobuf, */*": Negotiated(PROTOBUF),
    "application/json;pretty=1": Negotiated(JSON, True),
    "application/json;pretty=true": Negotiated(JSON),
    "application/json;stream=watch": Negotiated(JSON),
    "application/json;stream=other": None,
    "application/json;sv=1": None,
    "application/json;v=v1": None,
    "application/json;a=b=c": Negotiated(JSON),
    f"application/json{META}Table": Negotiated(JSON, False, TABLE),
    f"application/vnd.kubernetes.protobuf{META}Table": None,
    f"application/vnd.kubernetes.protobuf{META}Table, application/yaml": Negotiated(YAML),
    f"application/json{META}Nonsense": None,
    "application/json;g=meta.k8s.io;v=v2;as=Table": None,
    "text/html": None,
    "a/b/c": None,
    "application/": None,
}


@pytest.mark.parametrize("accept", CHOICES)
def test_the_best_clause_that_can_be_had_is_taken(accept: str) -> None:
    for _ in range(2):
        assert negotiate(accept, allows_objects, streams=True) == CHOICES[accept]


def test_a_header_too_long_to_remember_is_read_all_the_same() -> None:
    accept = "text/html, " * MAX_REMEMBERED_CHARS + "application/yaml"
    assert negotiate(accept, allows_objects) == Negotiated(YAML)


def test_errors_take_no_transformation() -> None:
    assert negotiate(f"application/json{META}Table", allows_plain) is None
    assert negotiate("application/json;stream=watch", allows_plain) is None


def test_aggregated_discovery_wins_wherever_it_stands() -> None:
    clause = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList;q=0.1"
    wanted = Transform("APIGroupDiscoveryList", "apidiscovery.k8s.io", "v2")
    assert negotiate(f"application/yaml, {clause}", allows_aggregated) == Negotiated(JSON, False, wanted)
    assert negotiate("", allows_aggregated) is None


@pytest.mark.parametrize(
    ("params", "agent", "expected"),
    [
        ({}, "curl/8", True),
        ({}, "Wget/1", True),
        ({}, "wget/1", False),
        ({}, "kubectl/v1", False),
        ({"pretty": ""}, "curl/8", True),
        ({"pretty": "0"}, "curl/8", False),
        ({"pretty": "yes"}, "", False),
        ({"pretty": "t"}, "", True),
    ],
)
def test_people_get_it_indented(params: dict[str, str], agent: str, expected: bool) -> None:
    assert is_pretty(params, agent) is expected
