"""Seen by mypy, never run: the store's questions and the types of their answers."""

from typing import assert_type

from heapfast._batch import Batch
from heapfast._core import Store
from heapfast.catalog.keys import Kind

store = Store(long_metrics=["memory/usage"], schedulable=True)
node = store.put_node("node-1", hostname="node-1", host_id="", labels="")
pod = store.put_pod("shop", "web", uid="u-1", labels="", containers=[("nginx", "image", 0, 0, 0, 0, -1, False)])
assert_type(node, int)
assert_type(store.find(Kind.POD, "shop", "web"), int)
assert_type(store.newest, Batch | None)
assert_type(store.series(Kind.POD, pod, store.metric_id("memory/usage"), 0, 1), list[tuple[int, int | float]])

store.put_node("node-1")  # type: ignore[call-arg]
store.put_pod("shop", "web", uid="u-1", labels="", containers=[("nginx",)])  # type: ignore[list-item]
seq: int = store.newest.seq  # type: ignore[union-attr]
