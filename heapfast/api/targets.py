"""How the REST side asks for scrape state.

In      the name of a node, or nothing
Out     one JSON object a target, made when it is taken
Callers state.py and secure_state.py have it; debug.py and why.py ask
Never   knows of scrapes: whoever fills it does
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol


class Targets(Protocol):
    """The state of every target, or of the one of a node: none where nobody knows the node."""

    def __call__(self, node: str | None = None) -> Iterable[Mapping[str, Any]]: ...


def no_targets(node: str | None = None) -> Iterable[Mapping[str, Any]]:
    """Tell of none."""
    return ()
