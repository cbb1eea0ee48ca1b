"""Rows made of dicts."""

from __future__ import annotations

import pytest

from heapfast.sim._rows import rows_of
from tests.unit.store.golden import TICKS
from tests.unit.store.rows import Row, container, custom, node, pod, resource, system


@pytest.mark.parametrize(
    "dicts",
    [
        pytest.param([], id="none"),
        pytest.param([pod("", "")], id="empty names"),
        pytest.param([node(metrics={"memory/usage": (1 << 63) - 1, "network/tx_errors": 0})], id="metrics"),
        pytest.param([container("ns", "p", "c", image=""), container("ns", "p", "d", image="é:1")], id="images"),
        pytest.param([container("ns", "p", "c", custom=[custom("x", 1), custom("y", 0.5, "delta")])], id="customs"),
        pytest.param(
            [
                system("kubelet", resources=[resource("disk", "8:0", read_bytes=1), resource("filesystem", "/")]),
                node(resources=[resource("accelerator", "0", make="m", model="n", duty_cycle=3, memory_total=1)]),
            ],
            id="resources",
        ),
        pytest.param(TICKS[0], id="many"),
        pytest.param([container("ns", "p", f"c{i}") for i in range(1000)], id="more than fit at first"),
    ],
)
def test_rows_give_back_the_dicts_they_are_made_of(dicts: list[Row]) -> None:
    rows = rows_of(dicts)
    rows.check()
    assert rows.to_dicts() == dicts
