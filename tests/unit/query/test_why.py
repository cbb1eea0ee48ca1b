"""Every reason why something has no metrics, and what is said of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from heapfast.query.usage import UsageStatus
from heapfast.query.why import (
    NodeFacts,
    PodFacts,
    ScrapeFacts,
    UsageFacts,
    explain_node,
    explain_pod,
    explain_status,
)

ANSWERS = ScrapeFacts(address="10.0.0.1:10250", outcome="ok", error="", last_good_age_seconds=4.0)
FAILS = replace(ANSWERS, outcome="timeout", error="no answer in 10 s", last_good_age_seconds=75.4)
NEVER = replace(FAILS, last_good_age_seconds=None)
UNASKED = replace(ANSWERS, outcome="", last_good_age_seconds=None)
SKIPPED = ScrapeFacts(address="", outcome="skipped", error="not ready", last_good_age_seconds=None)

SERVED = UsageFacts(status=UsageStatus.OK, age_seconds=3.25, window_seconds=15.0)
NODE = NodeFacts(name="n", is_known=True, is_selected=True, scrape=ANSWERS, usage=SERVED)
POD = PodFacts(is_known=True, is_running=True, node=NODE, usage=SERVED)

KUBELET = "the kubelet of node n at 10.0.0.1:10250"


def without(status: UsageStatus) -> UsageFacts:
    return UsageFacts(status=status)


def node_without(status: UsageStatus, scrape: ScrapeFacts | None = ANSWERS) -> NodeFacts:
    return replace(NODE, usage=without(status), scrape=scrape)


NODES = {
    "served": (NODE, "It has metrics: its newest sample is 3.2 s old, and its rate over 15.0 s."),
    "served though it fails": (
        replace(NODE, scrape=FAILS),
        "It has metrics: its newest sample is 3.2 s old, and its rate over 15.0 s.",
    ),
    "unknown": (
        replace(NODE, is_known=False, is_selected=False, scrape=None, usage=without(UsageStatus.NONE)),
        "The API server has told of no node of this name.",
    ),
    "not selected": (replace(NODE, is_selected=False), "The node selector does not take the node's labels."),
    "no target": (
        node_without(UsageStatus.NONE, None),
        "There is no current sample of it: node n is not among those that are scraped.",
    ),
    "skipped": (
        node_without(UsageStatus.STALE, SKIPPED),
        "Its newest sample is too old to be served: node n is not scraped, because of this: not ready.",
    ),
    "not asked yet": (
        node_without(UsageStatus.NONE, UNASKED),
        f"There is no current sample of it: {KUBELET} has not been asked yet.",
    ),
    "never answered": (
        node_without(UsageStatus.NONE, NEVER),
        f"There is no current sample of it: {KUBELET} has never answered, and fails with timeout (no answer in 10 s).",
    ),
    "fails now": (
        node_without(UsageStatus.STALE, FAILS),
        (
            f"Its newest sample is too old to be served: {KUBELET} answered 75 s ago for the last time, "
            "and fails with timeout (no answer in 10 s)."
        ),
    ),
    "fails after the first": (
        node_without(UsageStatus.ONE_POINT, FAILS),
        (
            f"It has been sampled once, and a CPU rate needs two samples: {KUBELET} answered 75 s ago for the last "
            "time, and fails with timeout (no answer in 10 s)."
        ),
    ),
    "answers without it": (
        node_without(UsageStatus.NONE),
        (
            "There is no current sample of it: the kubelet of node n answers, but its newest answer has no CPU and "
            "memory of it."
        ),
    ),
    "nothing new": (
        node_without(UsageStatus.STALE),
        "Its newest sample is too old to be served: the kubelet of node n answers, but with no new samples of it.",
    ),
    "one point": (
        node_without(UsageStatus.ONE_POINT),
        "It has been sampled once, and a CPU rate needs two samples.",
    ),
    "start fell": (
        node_without(UsageStatus.START_FELL),
        "A start time fell between its two newest samples, which no rate can be taken over.",
    ),
    "CPU fell": (
        node_without(UsageStatus.CPU_FELL),
        "A CPU counter fell between its two newest samples without a restart, so that there is no rate over them.",
    ),
}


@pytest.mark.parametrize("name", NODES)
def test_node(name: str) -> None:
    facts, sentence = NODES[name]
    verdict = explain_node(facts)
    assert verdict.sentence == sentence
    assert bool(verdict.remedy) is not name.startswith("served")


PODS = {
    "served": (POD, "It has metrics: its newest sample is 3.2 s old, and its rate over 15.0 s."),
    "served though its node is gone": (
        replace(POD, node=replace(NODE, is_known=False)),
        "It has metrics: its newest sample is 3.2 s old, and its rate over 15.0 s.",
    ),
    "unknown": (
        PodFacts(is_known=False, is_running=False, node=None, usage=without(UsageStatus.NONE)),
        "The API server has told of no pod of this name in this namespace.",
    ),
    "does not run": (
        PodFacts(is_known=True, is_running=False, node=None, usage=SERVED),
        "Its phase is not Running, and only pods that run have metrics.",
    ),
    "bound to none": (replace(POD, node=None, usage=without(UsageStatus.NONE)), "It is bound to no node."),
    "node unknown": (
        replace(POD, node=replace(NODE, is_known=False), usage=without(UsageStatus.NONE)),
        "Its node n has no metrics either: the API server has told of no node of this name.",
    ),
    "node not selected": (
        replace(POD, node=replace(NODE, is_selected=False), usage=without(UsageStatus.NONE)),
        "Its node n has no metrics either: the node selector does not take the node's labels.",
    ),
    "node fails": (
        replace(POD, node=replace(NODE, scrape=NEVER), usage=without(UsageStatus.NONE)),
        f"There is no current sample of it: {KUBELET} has never answered, and fails with timeout (no answer in 10 s).",
    ),
    "not in the answer": (
        replace(POD, usage=without(UsageStatus.NONE)),
        (
            "There is no current sample of it: the kubelet of node n answers, but its newest answer has no CPU and "
            "memory of it."
        ),
    ),
    "not whole": (
        replace(POD, usage=without(UsageStatus.NOT_WHOLE)),
        "One of its containers has never had both CPU and memory, and pods are served whole.",
    ),
}


@pytest.mark.parametrize("name", PODS)
def test_pod(name: str) -> None:
    facts, sentence = PODS[name]
    verdict = explain_pod(facts)
    assert verdict.sentence == sentence
    assert bool(verdict.remedy) is not name.startswith("served")


@pytest.mark.parametrize("status", UsageStatus)
def test_every_status_is_explained(status: UsageStatus) -> None:
    sentence, remedy = explain_status(status)
    assert sentence.endswith(".")
    assert bool(remedy) is (status is not UsageStatus.OK)
