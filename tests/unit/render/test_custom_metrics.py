"""Quantities of custom metrics: thousandths, rounded up."""

import pytest

from heapfast.render.custom_metrics import format_quantity


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (17, "17"),
        (1000, "1k"),
        (25165824, "25165824"),
        (-5, "-5"),
        (0.25, "250m"),
        (0.0001, "1m"),
        (1.5166666666666666, "1517m"),
        (0.07, "70m"),  # 0.07 * 1000 is a little more than 70
        (-0.25, "-250m"),
        (2.0, "2"),
        (10**17, "100000000000000000"),  # its thousandths are no int64
        (2**63 - 1, "9223372036854775807"),
        (1e18, "1000000000000000000"),
        (1e308, str(int(1e308))),
    ],
)
def test_a_value_is_written_as_a_quantity(value: float, text: str) -> None:
    assert format_quantity(value) == text
