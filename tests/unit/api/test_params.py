"""Query strings that are remembered mean what they mean when they are parsed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heapfast.api.params import (
    MAX_REMEMBERED_BYTES,
    MAX_REMEMBERED_PARAMS,
    is_remembered,
    parse_query,
    remembered_query,
)
from tests.unit.api.k8s_cluster import SecureCluster


@given(st.lists(st.sampled_from([b"a=1", b"a=2", b"b=%20", b"c=+", b"&", b"=", b";", b"%zz", b"%ff"])).map(b"&".join))
def test_what_is_remembered_is_what_is_parsed(raw: bytes) -> None:
    assert remembered_query(raw) == remembered_query(bytes(bytearray(raw))) == parse_query(raw)


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        (b"", True),
        (b"labelSelector=app%3Dweb", True),
        (b"a=" + b"b" * (MAX_REMEMBERED_BYTES - 2), True),
        (b"a=" + b"b" * (MAX_REMEMBERED_BYTES - 1), False),
        (b"&".join([b"a=1"] * MAX_REMEMBERED_PARAMS), True),
        (b"&".join([b"a=1"] * (MAX_REMEMBERED_PARAMS + 1)), False),
    ],
    ids=["none", "short", "as long as may be", "longer", "as many as may be", "more"],
)
def test_only_what_is_short_is_remembered(raw: bytes, wanted: bool) -> None:
    assert is_remembered(raw) is wanted


@pytest.mark.parametrize("padding", ["", "&x=" + "y" * MAX_REMEMBERED_BYTES], ids=["remembered", "too long for that"])
async def test_lists_are_told_apart_by_their_options(padding: str) -> None:
    cluster = SecureCluster()
    for _ in range(2):
        assert await cluster.names(f"namespaces/default/pods?labelSelector=app%3Dweb{padding}") == ["web-0", "web-1"]
        assert await cluster.names(f"namespaces/default/pods?labelSelector=app%3Djob{padding}") == ["job"]
        answer = await cluster.get(f"namespaces/default/pods?labelSelector=%3D{padding}")
        assert (answer.status, answer.json["reason"]) == (400, "BadRequest")
