"""What the case tables of the pipeline are made of.

In      nothing
Out     Case and Want, the pods that many cases share, and short ways to say a tick
Callers enricher_cases.py, aggregation_cases.py, node_cases.py; test_pipeline.py runs them
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tests.unit.store.rows import SECOND_NS, T0_NS, Namespace, Node, Object, Pod, Row, Spec

#: A time in nanoseconds, None for "unknown", or whatever it is.
Time = int | Literal["any"] | None


@dataclass(frozen=True)
class Want:
    """What one metric set must show; None in place of a value: it must not be there.

    Attributes:
        metrics, labels: those that are compared; others may be there.
        only_metrics: no metric beside those named in `metrics`, uptime aside.
        only_labels: no label beside those named in `labels`.
        labeled: (name, resource_id) to value, all of them.
    """

    metrics: Mapping[str, int | float | None] = field(default_factory=dict)
    labels: Mapping[str, str | None] = field(default_factory=dict)
    only_metrics: bool = False
    only_labels: bool = False
    labeled: Mapping[tuple[str, str], int | float] | None = None
    scrape_ns: Time = "any"
    create_ns: Time = "any"
    start_ns: Time = "any"


@dataclass(frozen=True)
class Case:
    """One or more ticks, 60 s apart, and sets of the last batch.

    Attributes:
        ticks: the answer of n1's target at each tick.
        want: by key; None: no such set.
        exactly: the batch has no other keys.
    """

    name: str
    ticks: tuple[list[Row], ...]
    want: Mapping[str, Want | None]
    objects: tuple[Object, ...] = (Node(),)
    exactly: bool = False
    why: str = ""


WEB, C1, C2 = "namespace:shop/pod:web", "namespace:shop/pod:web/container:c1", "namespace:shop/pod:web/container:c2"
POD_START_NS = T0_NS - 32 * SECOND_NS
SHOP = Namespace("shop", "uid-shop")


def requests(
    cpu_request_millicores: int, memory_request_bytes: int, cpu_limit_millicores: int, memory_limit_bytes: int
) -> dict[str, int]:
    return {
        "cpu/request": cpu_request_millicores,
        "memory/request": memory_request_bytes,
        "cpu/limit": cpu_limit_millicores,
        "memory/limit": memory_limit_bytes,
    }


def millicores(rate: int) -> int:
    """CPU time that makes a rate of `rate` millicores over the 60 s between two ticks, in ns."""
    return rate * 60_000_000


def twice(first: list[Row], second: list[Row]) -> tuple[list[Row], list[Row]]:
    """Two ticks; the rows of the second are sampled 60 s later."""
    return first, [row | {"sample_ns": row["sample_ns"] + 60 * SECOND_NS} for row in second]


TWO = Pod(
    "shop",
    "web",
    (
        Spec("c1", "x:1", cpu_request_millicores=100, memory_request_bytes=555),
        Spec(
            "c2",
            "x:2",
            cpu_request_millicores=333,
            cpu_limit_millicores=2222,
            memory_request_bytes=1000,
            memory_limit_bytes=3333,
        ),
    ),
    labels="app:web",
    start=POD_START_NS,
)
TWO_SUMS = requests(433, 1555, 2222, 3333)
