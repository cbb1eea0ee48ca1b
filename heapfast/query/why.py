"""Why a node or a pod has no metrics: from what is known of it to one sentence.

In      facts: what the API server says, how its kubelet was scraped, what the latest view has
Out     a verdict, and what will mend it
Callers api/why.py
Source  ours; KNOWN_ISSUES.md has the cures at length
Never   looks anything up

The first link of the chain that is broken is the verdict: known, selected or running, scraped, sampled.
A kubelet that fails is no reason yet while its last good samples are still served.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from heapfast.query.usage import UsageStatus

_OK: Final = "ok"
_SKIPPED: Final = "skipped"

#: What a status means, and what mends it when the kubelet answers.
_STATUS: Final = {
    UsageStatus.NONE: (
        "There is no current sample of it",
        "The kubelet's first answer with CPU and memory of it, and the next one for the rate.",
    ),
    UsageStatus.STALE: (
        "Its newest sample is too old to be served",
        "The next two answers with new samples of it.",
    ),
    UsageStatus.ONE_POINT: (
        "It has been sampled once, and a CPU rate needs two samples",
        "The next answer with a new sample of it, one resolution after the last.",
    ),
    UsageStatus.START_FELL: (
        "A start time fell between its two newest samples, which no rate can be taken over",
        "The next answer with a new sample of it.",
    ),
    UsageStatus.CPU_FELL: (
        "A CPU counter fell between its two newest samples without a restart, so that there is no rate over them",
        "The next answer with a new sample of it.",
    ),
    UsageStatus.NOT_WHOLE: (
        "One of its containers has never had both CPU and memory, and pods are served whole",
        "The first answer with CPU and memory of every container, once all of them run.",
    ),
}

#: What may be wrong though the kubelet answers.
_BUT_ANSWERS: Final = {
    UsageStatus.NONE: "answers, but its newest answer has no CPU and memory of it",
    UsageStatus.STALE: "answers, but with no new samples of it",
}


class Verdict(NamedTuple):
    """What is wrong, in a sentence, and what will mend it; "" when nothing is wrong."""

    sentence: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrapeFacts:
    """How a node's kubelet is asked, and what came of it.

    Attributes:
        address: "IP:PORT"; "" when it is not asked.
        outcome: "ok", "" before the first scrape, "skipped" when it is not asked, else why the last scrape failed.
        error: text of the last failure, or why it is not asked.
        last_good_age_seconds: since the last good answer; None when there was none.
    """

    address: str
    outcome: str
    error: str
    last_good_age_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageFacts:
    """What the latest view has.

    Attributes:
        age_seconds: of the newest sample; 0 unless the status is OK, as the next.
        window_seconds: that the CPU rate is over.
    """

    status: UsageStatus
    age_seconds: float = 0.0
    window_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """What is known of a node.

    Attributes:
        is_known: the API server has it.
        is_selected: the node selector takes its labels; there is none by default.
        scrape: None when nobody asks its kubelet.
    """

    name: str
    is_known: bool
    is_selected: bool
    scrape: ScrapeFacts | None
    usage: UsageFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class PodFacts:
    """What is known of a pod.

    Attributes:
        is_known: the API server has it.
        is_running: its phase is Running.
        node: that it is bound to; None when it is bound to none, or does not run.
    """

    is_known: bool
    is_running: bool
    node: NodeFacts | None
    usage: UsageFacts


def explain_node(node: NodeFacts) -> Verdict:
    """Say why a node has no metrics, or that it has."""
    fault = _node_fault(node)
    return Verdict(_sentence(fault.sentence), fault.remedy) if fault else _explain_usage(node.usage, node)


def explain_pod(pod: PodFacts) -> Verdict:
    """Say why a pod has no metrics, or that it has."""
    if not pod.is_known:
        return Verdict(
            "The API server has told of no pod of this name in this namespace.",
            "Check both names; a pod that was just made is told of within a second.",
        )
    if not pod.is_running:
        return Verdict(
            "Its phase is not Running, and only pods that run have metrics.",
            "Two samples after it has begun to run; a pod that has ended has no metrics any more.",
        )
    if pod.node is None:
        return Verdict("It is bound to no node.", "The scheduler; see the events of the pod.")
    if pod.usage.status is not UsageStatus.OK:
        fault = _node_fault(pod.node)
        if fault is not None:
            return Verdict(f"Its node {pod.node.name} has no metrics either: {fault.sentence}.", fault.remedy)
    return _explain_usage(pod.usage, pod.node)


def explain_status(status: UsageStatus) -> Verdict:
    """Say what a usage status means by itself."""
    if status is UsageStatus.OK:
        return Verdict("It has metrics.", "")
    meaning, remedy = _STATUS[status]
    return Verdict(f"{meaning}.", remedy)


def _node_fault(node: NodeFacts) -> Verdict | None:
    """Why a node is not served at all, as a clause; None when it may be."""
    if not node.is_known:
        return Verdict(
            "the API server has told of no node of this name",
            "Check the name; a node that has just joined is told of within a second.",
        )
    if not node.is_selected:
        return Verdict(
            "the node selector does not take the node's labels",
            "Other labels on the node, or another --node-selector.",
        )
    return None


def _explain_usage(usage: UsageFacts, node: NodeFacts) -> Verdict:
    status = usage.status
    if status is UsageStatus.OK:
        age, window = usage.age_seconds, usage.window_seconds
        return Verdict(f"It has metrics: its newest sample is {age:.1f} s old, and its rate over {window:.1f} s.", "")
    meaning, remedy = _STATUS[status]
    fault = _scrape_fault(node)
    if fault is not None:
        return Verdict(f"{meaning}: {fault.sentence}.", fault.remedy)
    if status in _BUT_ANSWERS:
        meaning = f"{meaning}: the kubelet of node {node.name} {_BUT_ANSWERS[status]}"
    return Verdict(f"{meaning}.", remedy)


def _scrape_fault(node: NodeFacts) -> Verdict | None:
    """Why there are no new answers of a node's kubelet, as a clause; None when there are."""
    scrape = node.scrape
    if scrape is None:
        return Verdict(f"node {node.name} is not among those that are scraped", "The next change of the node object.")
    if scrape.outcome == _SKIPPED:
        return Verdict(
            f"node {node.name} is not scraped, because of this: {scrape.error}",
            "A change of the node object that takes the reason away.",
        )
    kubelet = f"the kubelet of node {node.name} at {scrape.address}"
    if not scrape.outcome:
        return Verdict(f"{kubelet} has not been asked yet", "The first two scrapes.")
    if scrape.outcome != _OK:
        age = scrape.last_good_age_seconds
        since = "has never answered" if age is None else f"answered {age:.0f} s ago for the last time"
        return Verdict(
            f"{kubelet} {since}, and fails with {scrape.outcome} ({scrape.error})",
            'See "Some nodes have no metrics" in KNOWN_ISSUES.md for this outcome; scrapes go on by themselves.',
        )
    return None


def _sentence(clause: str) -> str:
    return f"{clause[0].upper()}{clause[1:]}."
