"""Which replica scrapes a node, where several share a cluster.

In      "i/n" of --shard, names of nodes
Out     Shard: whether a node is its own, and whose it is otherwise
Callers config.kubelets reads the flag, daemon asks for nodes through places
Source  rendezvous hashing: every node goes to the replica with the highest hash of node and replica
Never   knows the other replicas or talks to them: equal names give equal answers everywhere

When n grows by one, the new replica takes 1/(n+1) of the nodes from all others, and no node moves between those.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

#: A node costs one hash a replica whenever the API server tells of it.
MAX_SHARDS: Final = 1000

_FORM: Final = re.compile(r"(\d{1,4})/(\d{1,4})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `count` replicas; `index` counts from 0."""

    index: int = 0
    count: int = 1

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def owner(self, node: str) -> int:
        """The index of the replica that scrapes a node."""
        if self.count == 1:
            return 0
        name = node.encode("utf-8", "surrogateescape")
        return max(range(self.count), key=lambda index: _weight(name, index))

    def takes(self, node: str) -> bool:
        return self.owner(node) == self.index


def _weight(name: bytes, index: int) -> bytes:
    # Big-endian digests compare as the numbers they are; all are of one length.
    return hashlib.blake2b(name, digest_size=8, key=index.to_bytes(2, "big")).digest()


def parse_shard(text: str) -> Shard:
    """Reads "i/n"; "" is the only replica.

    Raises:
        ValueError: it is none; the text says what was wanted.
    """
    if not text:
        return Shard()
    match = _FORM.fullmatch(text)
    shard = Shard(int(match[1]), int(match[2])) if match else None
    if shard is None or not 0 <= shard.index < shard.count <= MAX_SHARDS:
        raise ValueError(f"I/N with 0 <= I < N <= {MAX_SHARDS}, such as 0/3")
    return shard
