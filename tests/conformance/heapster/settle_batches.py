"""Transformations that make a recorded batch and ours comparable; differences.py says why and where.

In      a BatchPair
Out     the same, changed in place; False when there was nothing to change
Callers the table in differences.py
Never   looks at more of a batch than the decision is about
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Sets = dict[str, dict[str, Any]]

#: Nodes of the scenario `odd` whose answer holds one number that is no unsigned integer.
BAD_VALUE_NODES = ("odd-negative-value", "odd-fractional-value", "odd-exponent-value", "odd-string-value")

#: What the pod big-numbers has beyond int64.
BIG_NUMBERS = ("memory/rss", "memory/working_set")


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


def big_numbers(pair: BatchPair) -> bool:
    found = False
    for key in ("namespace:default/pod:big-numbers", "namespace:default/pod:big-numbers/container:app"):
        for metric in BIG_NUMBERS:
            if pair.want[key]["metrics"].get(metric, 0) < 0:
                del pair.want[key]["metrics"][metric]
                found = True
    return found


def resets(pair: BatchPair) -> bool:
    found = False
    for metric_set in pair.want.values():
        metrics = metric_set["metrics"]
        for metric in [metric for metric, value in metrics.items() if metric.endswith("_rate") and value < 0]:
            del metrics[metric]
            found = True
        if metrics.get("cpu/node_utilization", 0) < 0:
            metrics["cpu/node_utilization"] = 0.0
    return found


def bad_values(pair: BatchPair) -> bool:
    found = False
    for node in BAD_VALUE_NODES:
        for key in [key for key in pair.got if key == f"node:{node}" or key.startswith(f"node:{node}/")]:
            if key not in pair.want:
                del pair.got[key]
                found = True
    return found


def disks(pair: BatchPair) -> bool:
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
