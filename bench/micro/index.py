"""Selectors over 150,000 pods: what one costs, and what it would cost without postings.

In      how many pods; the cluster is made up
Out     microseconds a selector (best of several), and how many times as long the naive scan takes
Callers `python -m bench.micro.index [PODS]`, bench/micro/command.py
Source  design section 10: a selector of 50 pods among 150,000 costs at most 0.2 ms
Never   counts time before both forms gave the same answer
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from bench.figures import Figures, Scale, at_most, main
from heapfast.query._selector import parse_selector
from heapfast.store.index import PostingIndex
from heapfast.store.requirement import matches

SCALE = Scale(full=150_000, quick=15_000, unit="pods")
N_NAMESPACES = 300
PODS_PER_APP = 50

QUESTIONS = (
    ("app-7", None, "app=app-7"),
    ("app and namespace", "ns-7", "app=app-7"),
    ("app among two common labels", None, "tier=front,stage=prod,app=app-123"),
    ("app, not canary", None, "app=app-7,track!=canary"),
    ("three apps", None, "app in (app-1,app-2,app-3)"),
    ("half of all", None, "stage=prod"),
    ("everything", None, ""),
)


#: Those whose result is small; the others cost what their result costs.
BUDGETS = {
    f"{name}, us": at_most(200.0)
    for name in ("app-7", "app and namespace", "app among two common labels", "app, not canary", "three apps")
}


def cluster(n_pods: int) -> tuple[PostingIndex, dict[int, tuple[str, dict[str, str]]]]:
    """Build the index, and the same pods as plain dicts."""
    index = PostingIndex()
    pods = {}
    for slot in range(n_pods):
        app = slot // PODS_PER_APP
        namespace = f"ns-{app % N_NAMESPACES}"
        labels = {
            "app": f"app-{app}",
            "tier": "front" if app % 2 else "back",
            "stage": "prod" if slot % 2 else "test",
            "track": "canary" if slot % 10 == 0 else "stable",
            "pod-template-hash": f"{app:x}",
        }
        pods[slot] = (namespace, labels)
        index.put(slot, namespace, labels, f"node-{slot % 5000}")
    return index, pods


def best_ms(question: Callable[[], object], times: int) -> float:
    """Return the fastest of several runs, in milliseconds."""
    best = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        question()
        best = min(best, time.perf_counter() - start)
    return best * 1e3


def run(n_pods: int) -> Figures:
    start = time.perf_counter()
    index, pods = cluster(n_pods)
    figures = {"building, us a pod": (time.perf_counter() - start) / n_pods * 1e6}
    for name, namespace, text in QUESTIONS:
        selector = parse_selector(text)

        def naive() -> list[int]:
            return [
                slot
                for slot, (where, labels) in pods.items()
                if (namespace is None or where == namespace) and matches(selector, labels)  # noqa: B023
            ]

        result = index.select(selector, namespace)
        assert list(result) == naive(), f"BUG: postings and scan differ for {text!r}"
        with_postings = best_ms(lambda: index.select(selector, namespace), 200)  # noqa: B023
        figures[f"{name}, us"] = with_postings * 1e3
        figures[f"{name}, pods"] = len(result)
        figures[f"{name}, times as long by a scan"] = best_ms(naive, 1) / with_postings
    return figures


if __name__ == "__main__":
    sys.exit(main(__doc__, run, SCALE, BUDGETS))
