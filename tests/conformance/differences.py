"""Every deliberate difference between heapfast and a recorded answer of Heapster 1.5.0.

In      a recorded batch or answer, and ours
Out     the two made comparable, by transformations that are as narrow as the decision behind them
Callers test_batches.py, test_vectors.py
Source  the decisions: B numbers are those of spec/heapster-rest.md 15, Q numbers those of
        spec/heapster-pipeline.md 9
Never   hides anything else: what differs and has no row here is a bug of ours

An entry that no recording needs any more fails the tests, so the table cannot grow stale.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

Sets = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class BatchPair:
    """One batch of the reference beside ours; differences change both in place.

    Attributes:
        want: the recorded sets.
        got: ours.
        before: the recorded sets of the batch before, None for the first.
    """

    want: Sets
    got: Sets
    before: Sets | None


@dataclass(frozen=True)
class BatchDifference:
    """One decision, as it shows in batches.

    Attributes:
        number: B or Q number of the decision.
        reason: what we do instead, in a sentence.
        scenarios: where it shows.
        settle: makes the pair comparable; False when there was nothing to do.
    """

    number: str
    reason: str
    scenarios: tuple[str, ...]
    settle: Callable[[BatchPair], bool]


def _settle_big_numbers(pair: BatchPair) -> bool:
    found = False
    for key in ("namespace:default/pod:big-numbers", "namespace:default/pod:big-numbers/container:app"):
        for metric in ("memory/rss", "memory/working_set"):
            if pair.want[key]["metrics"].get(metric, 0) < 0:
                del pair.want[key]["metrics"][metric]
                found = True
    return found


def _settle_resets(pair: BatchPair) -> bool:
    found = False
    for metric_set in pair.want.values():
        metrics = metric_set["metrics"]
        for metric in [metric for metric, value in metrics.items() if metric.endswith("_rate") and value < 0]:
            del metrics[metric]
            found = True
        if metrics.get("cpu/node_utilization", 0) < 0:
            metrics["cpu/node_utilization"] = 0.0
    return found


#: Nodes of the scenario `odd` whose answer holds one number that is no unsigned integer.
BAD_VALUE_NODES = ("odd-negative-value", "odd-fractional-value", "odd-exponent-value", "odd-string-value")


def _settle_bad_values(pair: BatchPair) -> bool:
    found = False
    for node in BAD_VALUE_NODES:
        for key in [key for key in pair.got if key == f"node:{node}" or key.startswith(f"node:{node}/")]:
            if key not in pair.want:
                del pair.got[key]
                found = True
    return found


def _settle_disks(pair: BatchPair) -> bool:
    """States the rates that the recorded counters have when each disk is compared with itself."""
    found = False
    for key, metric_set in pair.want.items():
        counters = {(entry["name"], entry["labels"]["resource_id"]): entry["value"] for entry in metric_set["labeled"]}
        for entry in metric_set["labeled"]:
            if entry["name"] not in ("disk/io_read_bytes_rate", "disk/io_write_bytes_rate"):
                continue
            assert pair.before is not None
            former_set = pair.before[key]
            counter = entry["name"].removesuffix("_rate")
            former = {
                disk["labels"]["resource_id"]: disk["value"]
                for disk in former_set["labeled"]
                if disk["name"] == counter
            }
            disk = entry["labels"]["resource_id"]
            elapsed_ns = metric_set["scrape_time_ns"] - former_set["scrape_time_ns"]
            rate = 1e9 * (counters[counter, disk] - former[disk]) / elapsed_ns
            found = found or abs(rate - entry["value"]) > 1
            entry["value"] = rate
    return found


BATCH_DIFFERENCES = (
    BatchDifference(
        "Q3, B8",
        "A counter that falls is a reset: no rate in that batch, where Heapster has a negative one.",
        ("odd", "flags"),
        _settle_resets,
    ),
    BatchDifference(
        "Q15",
        "A number beyond int64 is no sample, where Heapster's wraps around.",
        ("odd", "flags"),
        _settle_big_numbers,
    ),
    BatchDifference(
        "Q18",
        "One number that is none costs itself, where Heapster loses the node.",
        ("odd",),
        _settle_bad_values,
    ),
    BatchDifference(
        "Q2, B16",
        "A disk is compared with itself, where Heapster takes the first disk of the batch before.",
        ("cadvisor",),
        _settle_disks,
    ),
)
