"""Kubernetes labels as labels of metrics.

In      the label map of a node or pod; the options --label-separator, --ignore-label, --store-label
Out     the text of the label `labels`, and the labels that are stored under names of their own
Callers pod.py, node.py
Source  spec/heapster-pipeline.md 5.8
Never   escapes anything: a value that holds the separator cannot be told apart afterwards, as in Heapster
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

Stored = tuple[tuple[str, str], ...]


class Copier(Protocol):
    """What makes the store's labels of those of an object."""

    def copy(self, labels: Mapping[str, str]) -> tuple[str, Stored]: ...


class NoLabels:
    """For a daemon where nobody reads what LabelCopier makes: Heapster's port and sinks alone do.

    metrics.k8s.io prints labels of the roster's, and selectors look into the index. With 150,000 pods, a fifth of them
    with labels of their own, the text that nobody read took 5 MiB.
    """

    def copy(self, labels: Mapping[str, str]) -> tuple[str, Stored]:
        """Gives none, whatever an object has."""
        return "", ()


class LabelCopier:
    """Turns label maps into what the store keeps of them.

    Args:
        separator: between the pairs of `labels`.
        ignored: keys that are left out of `labels`; they may be stored all the same.
        stored: (key in Kubernetes, label of its own) pairs. The options have made sure that none of
            the latter is one of heapfast's own labels or there twice.
    """

    def __init__(
        self, separator: str = ",", ignored: Collection[str] = (), stored: Sequence[tuple[str, str]] = ()
    ) -> None:
        self._separator = separator
        self._ignored = frozenset(ignored)
        self._stored = tuple(stored)

    def copy(self, labels: Mapping[str, str]) -> tuple[str, Stored]:
        """Gives (the text of `labels`, the stored labels as (name, value) in the order of the option)."""
        # The pairs are sorted, not the keys: "a-b:3" comes before "a:1". Order by code point is
        # the order of the bytes.
        pairs = sorted([f"{key}:{value}" for key, value in labels.items() if key not in self._ignored])
        stored = tuple([(name, labels[key]) for key, name in self._stored if key in labels])
        return self._separator.join(pairs), stored
