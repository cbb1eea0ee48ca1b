"""Long lists of names against sorted sets of texts, wherever the names come from."""

from __future__ import annotations

import json
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heapfast._name_list import NameList
from heapfast.catalog.keys import Kind
from heapfast.errors import ParseError, StoreError
from tests.unit.api.cluster import Cluster

#: Few letters, so that there are names that begin like others, and the same ones again.
names = st.lists(st.one_of(st.text("ab-\u00e9\U0001f600", max_size=4), st.text(max_size=8)), max_size=40)
quick = settings(derandomize=True, database=None, deadline=None, max_examples=200)


def column(texts: list[str], before: int) -> tuple[array[int], bytes]:
    """As Arrow has it, behind something that is not part of it."""
    data = b"x" * before
    ends = array("i", [before])
    for text in texts:
        data += text.encode()
        ends.append(len(data))
    return ends, data


@quick
@given(names, names, names, names, st.integers(0, 3))
def test_names_from_anywhere_are_sorted_and_there_once(
    texts: list[str], of_json: list[str], of_arrow: list[str], of_others: list[str], before: int
) -> None:
    found = NameList(texts)
    found.add_json(json.dumps(of_json).encode())
    found.add_json(json.dumps(of_json, ensure_ascii=False, indent=1).encode())
    found.add_column(*column(of_arrow, before))
    found.add_list(NameList(of_others))
    assert list(found) == [*texts, *of_json, *of_json, *of_arrow, *of_others]
    found.sort()
    # Bytes of UTF-8 are in the order of what they stand for.
    assert list(found) == sorted({*texts, *of_json, *of_arrow, *of_others})
    assert len(found) == len({*texts, *of_json, *of_arrow, *of_others})


@quick
@given(names, names)
def test_what_was_sorted_may_grow(first: list[str], then: list[str]) -> None:
    found = NameList(first)
    found.sort()
    found.add(then)
    found.sort()
    found.sort()
    assert list(found) == sorted({*first, *then})


@quick
@given(names, st.binary(max_size=40), st.integers(0, 60))
def test_what_is_no_list_of_texts_is_refused_and_changes_nothing(texts: list[str], junk: bytes, cut: int) -> None:
    for text in (json.dumps(texts).encode()[:cut] + junk, json.dumps(texts).encode()[:cut]):
        found = NameList(["before"])
        try:
            want = json.loads(text)
            is_list = isinstance(want, list) and all(isinstance(name, str) for name in want)
        except ValueError:
            is_list = False
        if is_list:
            found.add_json(text)
            assert list(found) == ["before", *want]
        else:
            with pytest.raises(ParseError):
                found.add_json(text)
            assert list(found) == ["before"]


@pytest.mark.parametrize(
    "text", [b"", b"null", b'{"a": 1}', b'["a", 1]', b'["a",]', b'["a"', b'["a"]x', b'["a"]\0', b'["\x01"]', b'["\\x"]']
)
def test_other_json_is_refused(text: bytes) -> None:
    with pytest.raises(ParseError, match="cannot parse a list of names"):
        NameList().add_json(text)


def test_bytes_that_are_no_utf8_are_shown_as_replaced() -> None:
    found = NameList()
    found.add_json(b'["a\xff"]')
    found.add(["b\udcff"])
    assert list(found) == ["a\ufffd", "b\ufffd"]


@pytest.mark.parametrize("ends", [array("i"), array("i", [-1, 0]), array("i", [0, 2, 1]), array("i", [0, 3])])
def test_a_column_that_points_outside_is_refused(ends: array[int]) -> None:
    found = NameList()
    with pytest.raises(StoreError):
        found.add_column(ends, b"ab")
    assert len(found) == 0


def test_a_column_of_empty_texts_needs_no_bytes() -> None:
    found = NameList()
    found.add_column(array("i", [0, 0, 0]), None)
    assert list(found) == ["", ""]


def test_names_of_a_batch_are_those_it_shows() -> None:
    cluster = Cluster(n_batches=1)
    batch, namespace = cluster.store.newest, cluster.store.find(Kind.NAMESPACE, "default")
    pod = cluster.store.find(Kind.POD, "default", "web-0")
    asked = [(kind, -1) for kind in (Kind.CLUSTER, Kind.NAMESPACE, Kind.NODE, Kind.POD, Kind.POD_CONTAINER)]
    for kind, parent in [*asked, (Kind.POD, namespace), (Kind.POD, 10**6), (Kind.POD_CONTAINER, pod)]:
        found = NameList()
        found.add_batch(batch, kind, parent)
        found.sort()
        assert list(found) == sorted(set(batch.names(kind, parent))), (kind, parent)
    with pytest.raises(ValueError, match="no single kind of parent"):
        NameList().add_batch(batch, Kind.NODE, 0)
