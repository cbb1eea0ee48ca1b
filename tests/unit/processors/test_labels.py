"""How Kubernetes labels become labels of metrics: spec/heapster-pipeline.md 5.8 and 8.3.

L-04 and L-05 (a label stored as `labels` or `type`) are refused by the options (Q17).
"""

from __future__ import annotations

import pytest

from heapfast.processors.labels import LabelCopier, NoLabels

FIVE = {"b": "2", "a": "1", "a-b": "3", "aa": "", "Z": "9"}


@pytest.mark.parametrize(
    ("copier", "labels", "joined", "stored"),
    [
        pytest.param(LabelCopier(), FIVE, "Z:9,a-b:3,a:1,aa:,b:2", (), id="L-01"),
        pytest.param(
            LabelCopier(";", ["a"], [("a", "x"), ("b", "b")]),
            FIVE,
            "Z:9;a-b:3;aa:;b:2",
            (("x", "1"), ("b", "2")),
            id="L-02",
        ),
        pytest.param(LabelCopier(), {}, "", (), id="L-03"),
        pytest.param(LabelCopier(ignored=["a"]), {"a": "1"}, "", (), id="all are ignored"),
        pytest.param(LabelCopier(stored=[("a", "x")]), {"b": "1"}, "b:1", (), id="nothing to store"),
        pytest.param(LabelCopier(stored=[("a", "x")]), {"a": ""}, "a:", (("x", ""),), id="an empty value is stored"),
        pytest.param(
            LabelCopier(stored=[("a", "x"), ("a", "y")]), {"a": "1"}, "a:1", (("x", "1"), ("y", "1")), id="twice"
        ),
        pytest.param(LabelCopier(""), {"b": "2", "a": "1"}, "a:1b:2", (), id="no separator"),
        pytest.param(LabelCopier(", "), {"a": "1,2", "b": "3"}, "a:1,2, b:3", (), id="nothing is escaped"),
    ],
)
def test_labels_are_joined_and_stored(
    copier: LabelCopier, labels: dict[str, str], joined: str, stored: tuple[tuple[str, str], ...]
) -> None:
    assert copier.copy(labels) == (joined, stored)
    assert copier.copy(labels) == (joined, stored)


def test_pairs_are_in_the_order_of_their_bytes() -> None:
    labels = {"é": "1", "z": "2", "\U0001f600": "3", "\uffff": "4", "": "5"}
    joined, _ = LabelCopier("\n").copy(labels)
    pairs = joined.split("\n")
    assert pairs == sorted(pairs, key=str.encode)
    assert len(pairs) == len(labels)


def test_where_nobody_reads_labels_none_are_made() -> None:
    assert NoLabels().copy(FIVE) == ("", ())
