"""A side source beside the main one, in dicts: what it said is carried from batch to batch until it is asked again.

In      the sets that each source's answers make, as they were scraped
Out     the sets of the whole batch, as one source that says everything would have made them
Callers store.py of this folder
Source  ours; _side.pxd has the drawing, _side.pyx and _rates.pyx are the same in columns
Never   changes a set that it is given
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace

from heapfast.catalog.metrics import RATE_OF
from heapfast.store.naive import rules
from heapfast.store.naive.model import MetricSet
from heapfast.units import TIME_ZERO_NS

#: What the main source says of nodes and pod containers; everything else is the side source's.
MAIN_METRICS = frozenset(("cpu/usage", "memory/working_set"))
_OF_BOTH = ("node", "pod_container")
#: What a pod has of its own: all else is summed over its containers.
_OF_PODS = frozenset(RATE_OF)


@dataclass(frozen=True)
class Entry:
    """What the side source said of one entity, and the stamp of the batch that it said it for."""

    came_ns: int
    said: MetricSet


@dataclass
class Sides:
    """Both sources from one batch to the next.

    Attributes:
        side_ns: resolution of the side source.
        main, side: the sets of the former batch, with their rates.
        entries: what of the side source is carried on.
    """

    side_ns: int
    main: rules.Sets = field(default_factory=dict)
    side: rules.Sets = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)


def own_metrics(metric_set: MetricSet, *, is_side: bool) -> MetricSet:
    """Leave of an answer what its source is asked for. Uptimes are of the batch: see `merge`."""
    has_main = metric_set.labels["type"] in _OF_BOTH
    metrics = {
        name: value
        for name, value in metric_set.metrics.items()
        if name != "uptime" and (has_main and name in MAIN_METRICS) != is_side
    }
    return replace(metric_set, metrics=metrics)


def close_sides(
    sides: Sides,
    main: rules.Sets,
    side: rules.Sets,
    former: rules.Sets,
    timestamp_ns: int,
    is_still_there: Callable[[str, MetricSet], bool],
) -> rules.Sets:
    """Carry, rate each source by its own times, and merge.

    Args:
        main, side: what each said in this window.
        former: the closed batch before, all of it.
        is_still_there: whether nothing says that the entity of a key has gone, or is another one.
    """
    entries = {name: Entry(timestamp_ns, said) for name, said in side.items()}
    hosts = _hosts_of_pods(main, side)
    for name, entry in sides.entries.items():
        if name not in entries and timestamp_ns - entry.came_ns <= sides.side_ns and is_still_there(name, entry.said):
            host = hosts.get(_pod_of(name)) or _host(former[name])
            entries[name] = replace(entry, said=_carried(entry.said, host))
    side = {name: deepcopy(entry.said) for name, entry in entries.items()}
    summed = rules.summed_rates(former)
    for new, old, keep_ns in (
        (main, sides.main, rules.KEEP_RATE_NS),
        (side, sides.side, rules.KEEP_RATE_NS + sides.side_ns - 1),
    ):
        rules.date_samples(new, timestamp_ns)
        rules.add_rates(new, old, summed, keep_ns)
    sides.main, sides.side, sides.entries = main, side, entries
    return {name: _merged(main.get(name), side.get(name), timestamp_ns) for name in dict.fromkeys((*main, *side))}


def _hosts_of_pods(*told: Mapping[str, MetricSet]) -> dict[str, dict[str, str]]:
    """Where this window's answers have told of a pod, or of a container of it."""
    return {
        _pod_of(name): _host(said)
        for kind in ("pod", "pod_container")
        for sets in told
        for name, said in sets.items()
        if said.labels["type"] == kind
    }


def _pod_of(name: str) -> str:
    return name.partition("/container:")[0] if name.startswith("namespace:") else ""


def _host(metric_set: MetricSet) -> dict[str, str]:
    return {label: metric_set.labels[label] for label in rules.HOST_LABELS}


def _carried(said: MetricSet, host: dict[str, str]) -> MetricSet:
    # A pod is on one node, the one that told of it last, by whichever source; and so are all its containers.
    labels = said.labels | host
    metrics = said.metrics
    if said.labels["type"] == "pod":
        metrics = {name: value for name, value in said.metrics.items() if name in _OF_PODS}
    return replace(said, labels=labels, metrics=metrics)


def _merged(main: MetricSet | None, side: MetricSet | None, timestamp_ns: int) -> MetricSet:
    present = [one for one in (main, side) if one is not None]
    merged = deepcopy(present[0])
    for other in present[1:]:
        merged.metrics |= other.metrics
        merged.labeled += deepcopy(other.labeled)
        if merged.scrape_ns == TIME_ZERO_NS:
            merged.scrape_ns = other.scrape_ns
        if merged.start_ns == TIME_ZERO_NS:
            merged.start_ns = other.start_ns
    uptime = rules.milliseconds_since(merged.start_ns, timestamp_ns)
    if uptime is not None:
        merged.metrics["uptime"] = uptime
    return merged


def tells_of(sets: Mapping[str, MetricSet], name: str, kind: str) -> bool:
    """Whether the main source's sets have an entity: of a pod, one of its containers."""
    if kind == "pod":
        return any(other.startswith(f"{name}/container:") for other in sets)
    return name in sets
