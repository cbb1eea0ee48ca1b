"""A store that pods pass through for thousands of ticks, in a process of its own.

In      HEAPFAST_SOAK_HOURS (default: a fixed number of ticks, some seconds)
Out     exit status 0, or 1 and what grew
Callers tests/soak/test_store.py; people: python -m tests.soak.store_leaks
Never   compares with the first ticks, in which tables, pools and the ring fill up
"""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path
from typing import Any

from heapfast._batch import Batch
from heapfast._core import Store
from heapfast.errors import StoreError
from heapfast.sim._rows import rows_of

SECOND_NS = 1_000_000_000
NODES = 5
PODS_A_NODE = 20
TICKS = 3_000
#: After so many ticks everything has its lasting size.
WARM_TICKS = 600
#: What the allocator may still move about; a leak of 10 bytes a pod and tick would be ten times as much.
SLACK_BYTES = 3 << 20

BOUNDED = (
    "table_bytes", "retired_texts", "pooled_texts", "requirements", "packed_bytes", "open_bytes", "newest_bytes",
)  # fmt: skip


def rss_bytes() -> int:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Churn:
    """Pods come and go, images and labels change, readers hold on to old batches for a while."""

    def __init__(self) -> None:
        self.draw = random.Random(11)
        self.store = Store(short_retention_ns=60 * SECOND_NS, long_retention_ns=150 * SECOND_NS)
        self.nodes = [
            self.store.put_node(f"node-{n}", hostname=f"node-{n}", host_id="", labels="") for n in range(NODES)
        ]
        self.pods: list[list[tuple[str, str]]] = [[] for _ in self.nodes]
        self.held: list[Batch] = []
        self.n_ticks = 0
        self.n_pods = 0

    def tick(self) -> None:
        """One resolution."""
        self.n_ticks += 1
        at_ns = self.n_ticks * 15 * SECOND_NS
        for node in range(NODES):
            self._replace_pods(node)
        for node, slot in enumerate(self.nodes):
            self.store.ingest(rows_of(self._answer(node, at_ns)), slot, at_ns)
        spare = self.store.make_spare()
        if self.draw.random() < 0.9:
            spare.prepare()
        closing = self.store.swap(at_ns, spare if self.draw.random() < 0.9 else None)
        if self.draw.random() < 0.98:
            closing.run()
            batch = self.store.commit(closing, at_ns)
            if self.draw.random() < 0.1:
                self.held.append(batch)
        else:
            self._lose(closing, at_ns)
        del self.held[:-3]

    def _lose(self, closing: Any, at_ns: int) -> None:
        """As if memory had been out."""
        try:
            self.store.commit(closing, at_ns)
        except StoreError as error:
            if "was not closed" not in str(error):
                raise

    def _replace_pods(self, node: int) -> None:
        pods = self.pods[node]
        while pods and (len(pods) >= PODS_A_NODE or self.draw.random() < 0.1):
            self.store.remove_pod(*pods.pop(self.draw.randrange(len(pods))))
        while len(pods) < PODS_A_NODE:
            self.n_pods += 1
            # Some come back under a name that was there before, as StatefulSets do.
            number = self.n_pods if self.draw.random() < 0.7 else self.draw.randrange(50)
            pod = (f"ns-{number % 7 if number % 5 else number}", f"pod-{node}-{number}")
            if pod in pods:
                continue
            pods.append(pod)
            self.store.put_pod(
                *pod,
                uid=f"uid-{self.n_pods}",
                labels=f"app:{number % 13},pod:{self.n_pods}",
                stored=[("app", f"{self.n_pods}")],
                containers=[
                    (f"c{i}", f"image:{self.n_pods % 40}", 1, 2, 3, 4, 0, False) for i in range(1 + number % 3)
                ],
            )

    def _answer(self, node: int, at_ns: int) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = [{"kind": "node", "name": f"node-{node}", "sample_ns": at_ns, "start_ns": 1}]
        for namespace, pod in self.pods[node]:
            number = self.draw.getrandbits(30)
            where = {"namespace": namespace, "uid": f"k-{number % 3}-{pod}", "sample_ns": at_ns, "start_ns": 1}
            volumes = [{"type": "volume", "id": f"v-{pod}-{number % 3}", "usage": number}]
            rows.append({"kind": "pod", "name": pod, "metrics": {"network/rx": number}, "resources": volumes, **where})
            files = [{"type": "filesystem", "id": id_, "usage": number} for id_ in ("/", "logs")]
            custom = [{"name": f"m{number % 300}", "type": "gauge", "value": number / 2}]
            values = {"cpu/usage": number, "memory/usage": number}
            rows.append(
                {"kind": "pod_container", "name": f"c{number % 3}", "pod": pod, "metrics": values, "resources": files}
                | {"custom": custom, "image": f"own:{number % 500}"}
                | where
            )
        return rows


def sizes(churn: Churn) -> dict[str, int]:
    """What must not grow."""
    stats = churn.store.stats()
    return {name: stats[name] for name in BOUNDED} | {
        f"slots of kind {kind}": n for kind, n in enumerate(stats["slots"])
    }


def peak_of(churn: Churn, ticks: int) -> dict[str, int]:
    """The largest sizes over so many ticks: what readers hold comes and goes."""
    peak = sizes(churn)
    for number in range(ticks):
        churn.tick()
        if number % 10 == 0:
            peak = {name: max(peak[name], size) for name, size in sizes(churn).items()}
    return peak


def main() -> int:
    hours = float(os.environ.get("HEAPFAST_SOAK_HOURS", "0"))
    until = time.monotonic() + hours * 3600
    churn = Churn()
    for _ in range(WARM_TICKS):
        churn.tick()
    warm, warm_rss = peak_of(churn, WARM_TICKS), rss_bytes()
    peak = dict(warm)
    while churn.n_ticks < TICKS or time.monotonic() < until:
        peak = {name: max(peak[name], size) for name, size in peak_of(churn, WARM_TICKS).items()}
    grown = [
        f"{name}: {warm[name]} at most in the first {WARM_TICKS} warm ticks, {size} later"
        for name, size in peak.items()
        if size > 2 * warm[name] + 64
    ]
    rss = rss_bytes()
    if rss > warm_rss + SLACK_BYTES:
        grown.append(f"RSS: {warm_rss} bytes when warm, {rss} after {churn.n_ticks} ticks")
    print(f"{churn.n_ticks} ticks, {churn.n_pods} pods, RSS {warm_rss >> 10} -> {rss >> 10} KiB, {peak}")
    print("\n".join(grown))
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
