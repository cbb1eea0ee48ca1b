"""Pods that come and go, at times that the seed alone decides.

In      a cluster and a rate; the time, through `advance`
Out     deletions, creations and starts in the cluster's registries, in order of their nominal times
Callers main (a few times a second), tests (with a clock of their own), control (the rate)
Never   depends on how often `advance` is called: 60 calls a minute or one give the same cluster
"""

from __future__ import annotations

import heapq
from typing import Final

from heapfast.sim.cluster import Cluster, Pod
from heapfast.sim.loads import mix

#: Every so many replacements lands on another node.
MOVE_EVERY: Final = 4
#: From the pod's creation to the start of its containers, rounded up to a whole second.
START_DELAY_MS: Final = 1500


class Churn:
    """Deletes a pod and creates its replacement, so many times a minute.

    A Deployment's replacement has a new name; a StatefulSet's has the old name and a new UID.

    Attributes:
        replaced_total: replacements made so far.
    """

    def __init__(self, cluster: Cluster, per_minute: float, now_ms: int) -> None:
        self._cluster = cluster
        self._per_minute = 0.0
        self._since_ms = 0  # when the present rate began
        self._done = 0  # replacements at the present rate
        self._starts: list[tuple[int, int, str]] = []  # (when, serial, key), a heap
        self.replaced_total = 0
        self.set_rate(per_minute, now_ms)

    @property
    def per_minute(self) -> float:
        return self._per_minute

    def set_rate(self, per_minute: float, now_ms: int) -> None:
        """Changes the rate from now on; 0 stops. Raises ValueError below 0."""
        if per_minute < 0:
            raise ValueError(f"cannot churn: got {per_minute} pods a minute, want 0 or more")
        self._per_minute = per_minute
        self._since_ms = now_ms
        self._done = 0

    def advance(self, now_ms: int) -> None:
        """Does all that is due until now."""
        while True:
            start_ms = self._starts[0][0] if self._starts else None
            replace_ms = self._replace_ms()
            if start_ms is not None and start_ms <= now_ms and (replace_ms is None or start_ms <= replace_ms):
                when, serial, key = heapq.heappop(self._starts)
                self._cluster.start_pod(key, serial, when)
            elif replace_ms is not None and replace_ms <= now_ms and len(self._cluster.pods):
                self._done += 1
                self.replace(self._pick(), replace_ms)
            else:
                return

    def replace(self, key: str, now_ms: int) -> Pod:
        """Deletes a pod and creates its replacement, which starts a little later.

        Raises:
            KeyError: there is no such pod.
        """
        cluster = self._cluster
        old = cluster.delete_pod(key)
        self.replaced_total += 1
        host = old.node.host
        if self.replaced_total % MOVE_EVERY == 0:
            host = cluster.hosts[mix(cluster.seed, self.replaced_total, 71) % len(cluster.hosts)]
        new = cluster.create_pod(old.workload, old.ordinal, host, now_ms)
        start_ms = -(-(now_ms + START_DELAY_MS) // 1000) * 1000
        heapq.heappush(self._starts, (start_ms, new.serial, new.key))
        return new

    def _replace_ms(self) -> int | None:
        """When the next replacement is due. From the start of the rate, so that no error adds up."""
        if not self._per_minute:
            return None
        return self._since_ms + round((self._done + 1) * 60_000 / self._per_minute)

    def _pick(self) -> str:
        pods = self._cluster.pods
        return pods.key_at(mix(self._cluster.seed, self.replaced_total, 72) % len(pods))
