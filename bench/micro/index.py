"""Selectors over 150,000 pods: what one costs, and what it would cost without postings.

In      nothing; the cluster is made up from a fixed seed
Out     a line a selector: result size, microseconds (best of several), the naive scan's beside it
Callers people: python -m bench.micro.index
Source  design section 10: a selector of 50 pods among 150,000 costs at most 0.2 ms
Never   counts time before both forms gave the same answer
"""

from __future__ import annotations

import time
from collections.abc import Callable

from heapfast.query.selector import parse_selector
from heapfast.store.index import PostingIndex
from heapfast.store.requirement import matches

N_PODS = 150_000
N_NAMESPACES = 300
PODS_PER_APP = 50
BUDGET_MS = 0.2

QUESTIONS = (
    ("app-7", None, "app=app-7"),
    ("app and namespace", "ns-7", "app=app-7"),
    ("app among two common labels", None, "tier=front,stage=prod,app=app-1235"),
    ("app, not canary", None, "app=app-7,track!=canary"),
    ("three apps", None, "app in (app-1,app-2,app-3)"),
    ("half of all", None, "stage=prod"),
    ("everything", None, ""),
)


def cluster() -> tuple[PostingIndex, dict[int, tuple[str, dict[str, str]]]]:
    """Build the index, and the same pods as plain dicts."""
    index = PostingIndex()
    pods = {}
    for slot in range(N_PODS):
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


def main() -> None:
    start = time.perf_counter()
    index, pods = cluster()
    print(f"built in {time.perf_counter() - start:.2f} s: {len(index):,} pods")
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
        verdict = "" if len(result) > 3 * PODS_PER_APP or with_postings <= BUDGET_MS else "  OVER BUDGET"
        scanned = best_ms(naive, 1)
        print(f"{name:30} {len(result):7,} pods {with_postings * 1e3:9.1f} us   scan {scanned:7.1f} ms{verdict}")


if __name__ == "__main__":
    main()
