"""The description of /apis/heapfast/v1: it says what the parser takes and what answers look like."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import pytest

from heapfast.api.query_openapi import OPENAPI_PATH, query_document
from heapfast.query.question import PARAMETERS, parse_question
from tests.unit.api.client import ask
from tests.unit.api.cluster import Cluster
from tests.unit.api.k8s_cluster import SecureCluster

QUERY = "/apis/heapfast/v1/query"
NAMESPACED = "/apis/heapfast/v1/namespaces/{namespace}/query"


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return Cluster()


def parameters(path: str) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in query_document()["paths"][path]["get"]["parameters"]}


def form(path: str) -> dict[str, Any]:
    content = query_document()["paths"][path]["post"]["requestBody"]["content"]
    return content["application/x-www-form-urlencoded"]["schema"]


def check(value: Any, schema: dict[str, Any]) -> None:
    """What little of JSON Schema the document uses."""
    if "$ref" in schema:
        schema = query_document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if value is None:
        assert schema.get("nullable")
        return
    types = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "number": (int, float)}
    assert isinstance(value, types[schema["type"]]), (value, schema)
    if "enum" in schema:
        assert value in schema["enum"]
    for one in value if schema["type"] == "array" else ():
        check(one, schema["items"])
    if schema["type"] == "object":
        assert set(schema.get("required", ())) <= value.keys()
        for name, member in value.items():
            if name in schema["properties"]:
                check(member, schema["properties"][name])
            else:
                assert member is None or isinstance(member, (str, int, float))
                assert "additionalProperties" in schema


async def test_both_ports_serve_it(cluster):
    plain = await ask(cluster.app, OPENAPI_PATH)
    secure = await SecureCluster().get(OPENAPI_PATH)
    for answer in (plain, secure):
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
        assert answer.json == query_document()


def test_every_parameter_is_described_and_no_other():
    assert tuple(parameters(QUERY)) == PARAMETERS
    assert tuple(parameters(NAMESPACED)) == ("namespace", *PARAMETERS)


@pytest.mark.parametrize("path", [QUERY, NAMESPACED])
def test_the_form_has_the_parameters_of_the_url(path):
    get = [one for name, one in parameters(path).items() if name in PARAMETERS]
    assert form(path)["properties"] == {one["name"]: {"description": one["description"]} | one["schema"] for one in get}
    assert form(path)["required"] == [one["name"] for one in get if one.get("required")]
    posted = query_document()["paths"][path]["post"]
    assert [one["in"] for one in posted["parameters"]] == (["path"] if "{" in path else [])
    assert {"413", "415"} < posted["responses"].keys()


def test_every_operation_has_an_id_of_its_own():
    ids = [one["operationId"] for path in query_document()["paths"].values() for one in path.values()]
    assert len(set(ids)) == len(ids) == 4


@pytest.mark.parametrize("name", [name for name in PARAMETERS if "metric" not in name])
def test_what_it_says_may_be_said_is_taken(name):
    schema = parameters(QUERY)[name]["schema"]
    values = [*schema.get("enum", ()), *(schema[key] for key in ("default", "example", "maximum") if key in schema)]
    for value in values:
        text = str(value).lower() if isinstance(value, bool) else str(value)
        parse_question({"metric": "uptime", name: text})


@pytest.mark.parametrize(
    ("name", "taken", "refused"),
    [
        ("metric", ("cpu/usage_rate", "custom/a b", "filesystem/usage"), ("cpu", "custom/")),
        ("across", ("sum", "95-perc", "p99.9", "100-perc", "avg"), ("last", "mean", "101-perc", "sum,max")),
        ("over", ("last,max", "1-perc"), ("last,", "x")),
        ("pooled", ("median,count",), ("last",)),
        ("bucket", ("5m", "500ms", "1d"), ("m", "5", "5 m")),
    ],
)
def test_patterns_say_what_the_parser_does(name, taken, refused):
    pattern = parameters(QUERY)[name]["schema"]["pattern"]
    for text in taken:
        assert re.search(pattern, text)
    for text in refused:
        assert not re.search(pattern, text)


@pytest.mark.parametrize(
    "query",
    [
        "metric=uptime&groupBy=pod,label:app",
        "metric=uptime&start=2030-01-01T00:00:00Z",
        "metric=filesystem/usage&kind=node&groupBy=node,resource_id",
    ],
)
async def test_answers_are_what_it_says(cluster, query):
    response = query_document()["paths"][QUERY]["get"]["responses"]["200"]
    answer = await ask(cluster.app, f"{QUERY}?{query}")
    check(answer.json, response["content"]["application/json"]["schema"])


async def test_refusals_are_what_it_says(cluster):
    answer = await ask(cluster.app, f"{QUERY}?metric={quote('cpu')}")
    response = query_document()["paths"][QUERY]["get"]["responses"][str(answer.status)]
    check(answer.json, response["content"]["application/json"]["schema"])
