"""The batch of the specification's worked examples ("EB").

In      nothing
Out     a closed batch whose sets have at least the metrics of the example, and what rates need besides
Callers the tests of this folder
Source  spec/heapster-pipeline.md 7.0
"""

from __future__ import annotations

from heapfast._batch import Batch
from heapfast._core import Store
from heapfast.sim._rows import rows_of
from tests.unit.store.rows import SECOND_NS, T0_NS, container, pod, resource

#: 2017-12-11T10:01:00Z
END_NS = T0_NS + 60 * SECOND_NS
#: 2017-12-11T09:00:05Z
NGINX_START_NS = T0_NS - 3600 * SECOND_NS + 5 * SECOND_NS


def example_store(end_ns: int = END_NS) -> Store:
    """A store whose newest batch is the example's, at another time if asked to."""
    started = end_ns - END_NS + NGINX_START_NS
    store = Store()
    n1 = store.put_node("n1", hostname="n1.example", host_id="i-0abc", labels="")
    store.put_namespace("shop", "ns-uid-1")
    store.put_pod("shop", "web-1", uid="pod-uid-1", labels="app:web,tier:front", containers=[_spec("nginx:1.13")])
    store.put_pod("shop", "db-0", uid="pod-uid-2", labels="", containers=[])
    for timestamp_ns, nginx_cpu_s, db_cpu_ms, faults in (
        (end_ns - 60 * SECOND_NS, 10, 0, 100),
        (end_ns, 22, 1500, 106),
    ):
        at = timestamp_ns - 2 * SECOND_NS
        rows = [
            pod("shop", "web-1", {"network/rx": 0}, at=at, start=started, uid="pod-uid-1"),
            container(
                "shop",
                "web-1",
                "nginx",
                {"cpu/usage": nginx_cpu_s * SECOND_NS, "memory/usage": 0, "memory/page_faults": faults},
                at=at,
                start=started,
                uid="pod-uid-1",
                resources=[resource("filesystem", "/", usage=1000)],
            ),
            container("shop", "db-0", "pg", {"cpu/usage": db_cpu_ms * 1_000_000}, at=at, uid="pod-uid-2"),
        ]
        store.ingest(rows_of(rows), n1, timestamp_ns)
        closing = store.swap(timestamp_ns)
        closing.run()
        store.commit(closing, timestamp_ns)
    return store


def example_batch(end_ns: int = END_NS) -> Batch:
    """The example's batch, at another time if asked to."""
    newest = example_store(end_ns).newest
    assert newest is not None
    return newest


def _spec(image: str) -> tuple[str, str, int, int, int, int, int, bool]:
    return ("nginx", image, 0, 0, 0, 0, -1, False)
