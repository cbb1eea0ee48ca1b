"""What `--usage-keys` may name, and the keys that each puts into a usage map of metrics.k8s.io.

In      nothing; this is a table
Out     USAGE_KEYS, KEY_OF
Callers _extras (whose order is the same), config.build, render/mean_items.py
Source  spec/metrics-k8s-io.md 3.4 for `swap`; ephemeral-storage is a resource of Kubernetes; the others are ours
Never   names cpu and memory, which are always there
"""

from __future__ import annotations

from typing import Final

#: Key in an answer -> name of the flag's value; in the bytewise order of keys, which "memory" stands in before swap.
KEY_OF: Final = {
    "ephemeral-storage": "ephemeral-storage",
    "heapfast.io/accelerator-memory": "accelerators",
    "heapfast.io/accelerators": "accelerators",
    "heapfast.io/network-rx-bytes-per-second": "network",
    "heapfast.io/network-tx-bytes-per-second": "network",
    "swap": "swap",
}

USAGE_KEYS: Final = ("swap", "ephemeral-storage", "network", "accelerators")

#: Those that /stats/summary alone has; swap is in /metrics/resource.
OF_SUMMARY: Final = frozenset(("ephemeral-storage", "network", "accelerators"))
