"""Discovery and OpenAPI of both versions: what the documents say of each other."""

from __future__ import annotations

import json

import pytest

from heapfast.api import secure_routes
from tests.unit.api.k8s_cluster import SecureCluster

VERSIONS = ["v1", "v1beta1"]
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


@pytest.fixture(scope="module")
def cluster() -> SecureCluster:
    return SecureCluster()


async def test_every_document_lists_both_versions_and_prefers_v1(cluster: SecureCluster) -> None:
    for group in ((await cluster.get("/apis")).json["groups"][0], (await cluster.get("/apis/metrics.k8s.io")).json):
        assert [version["version"] for version in group["versions"]] == VERSIONS
        assert group["preferredVersion"]["version"] == "v1"
    aggregated = (await cluster.get("/apis", accept=AGGREGATED)).json["items"][0]
    assert [version["version"] for version in aggregated["versions"]] == VERSIONS
    assert {resource["resource"] for v in aggregated["versions"] for resource in v["resources"]} == {"nodes", "pods"}


async def test_one_version_may_be_served_alone() -> None:
    cluster = SecureCluster(versions=("v1beta1",))
    assert (await cluster.get("/apis/metrics.k8s.io/v1/nodes")).status == 404
    assert (await cluster.get("/apis/metrics.k8s.io")).json["preferredVersion"]["version"] == "v1beta1"
    assert "v1/" not in json.dumps(list((await cluster.get("/openapi/v2")).json["paths"]))


async def test_the_port_is_stated_without_a_host() -> None:
    addresses = (await SecureCluster(port=4443).get("/apis")).json["groups"][0]["serverAddressByClientCIDRs"]
    assert addresses == [{"clientCIDR": "0.0.0.0/0", "serverAddress": ":4443"}]


async def test_an_unchanged_document_is_not_sent_again(cluster: SecureCluster) -> None:
    first = await cluster.get("/apis", accept=AGGREGATED)
    again = await cluster.get("/apis", accept=AGGREGATED, if_none_match=first.headers["etag"])
    assert (again.status, again.body, "content-type" in again.headers) == (304, b"", False)
    assert again.headers["etag"] == first.headers["etag"]
    assert (await cluster.get("/apis", accept=AGGREGATED, if_none_match="*")).status == 200


async def test_every_reference_of_a_document_leads_to_a_schema(cluster: SecureCluster) -> None:
    index = (await cluster.get("/openapi/v3")).json["paths"]
    texts = [(await cluster.get(f"/openapi/v3/{path}")).text for path in index]
    for text in [*texts, (await cluster.get("/openapi/v2")).text]:
        document = json.loads(text)
        schemas = document.get("definitions") or document["components"]["schemas"]
        refs = {part.split('"')[0] for part in text.split('"$ref":"')[1:]}
        assert refs
        assert {ref.rpartition("/")[2] for ref in refs} <= schemas.keys()


@pytest.mark.parametrize("version", VERSIONS)
async def test_openapi_has_every_route(cluster: SecureCluster, version: str) -> None:
    prefix = f"/apis/metrics.k8s.io/{version}"
    paths = (await cluster.get(f"/openapi/v3{prefix}")).json["paths"]
    routes = {route.path.replace("{node}", "{name}").replace("{pod}", "{name}") for route in secure_routes.RESOURCES}
    assert {path.removeprefix(prefix) for path in paths} == {"/", *routes}
    operations = [path["get"] for path in paths.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert {o["x-kubernetes-group-version-kind"]["version"] for o in operations[1:]} == {version}


async def test_hashes_of_the_index_lead_to_documents_that_never_change(cluster: SecureCluster) -> None:
    for entry in (await cluster.get("/openapi/v3")).json["paths"].values():
        url = entry["serverRelativeURL"]
        answer = await cluster.get(url)
        assert answer.headers["etag"].strip('"') == url.rpartition("=")[2]
        assert answer.headers["cache-control"] == "public, immutable"
        stale = await cluster.get(f"{url}0")
        assert (stale.status, stale.headers["location"]) == (301, url)


RANGES: dict[str, tuple[int, int, int | None]] = {
    "bytes=0-9": (206, 0, 10),
    "bytes=5-": (206, 5, None),
    "bytes=99999999-": (200, 0, None),
    "bytes=-5": (200, 0, None),
}


@pytest.mark.parametrize("asked", RANGES)
async def test_a_part_of_a_document_may_be_asked_for(cluster: SecureCluster, asked: str) -> None:
    status, first, stop = RANGES[asked]
    whole = (await cluster.get("/openapi/v2")).body
    answer = await cluster.get("/openapi/v2", range=asked)
    assert (answer.status, answer.body) == (status, whole[first:stop])
    assert ("content-range" in answer.headers) == (status == 206)


async def test_the_index_has_every_route_that_is_looked_up_as_it_stands(cluster: SecureCluster) -> None:
    paths = (await cluster.get("/")).json["paths"]
    assert paths == sorted(paths)
    for path in paths:
        assert (await cluster.get(path)).status == 200
