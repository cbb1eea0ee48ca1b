"""Makes one test of each group of recorded requests.

In      the scenarios of a reference, and the groups of each
Out     the parameters `name` and `route` of a test
Callers test_vectors.py of each reference
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


def parametrize_by_group(
    metafunc: pytest.Metafunc, scenarios: Sequence[str], routes_of: Callable[[str], Iterable[str]]
) -> None:
    """One test for each scenario and group; without recordings one that skips and says so."""
    if "route" not in metafunc.fixturenames:
        return
    try:
        groups = [(name, route) for name in scenarios for route in routes_of(name)]
    except pytest.skip.Exception:
        groups = [(scenarios[0], "all")]
    metafunc.parametrize(("name", "route"), groups, ids=[f"{name}-{route}" for name, route in groups])
