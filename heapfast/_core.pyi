"""The store, as Python sees it. Times are Unix nanoseconds, CPU is millicores, memory is bytes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from heapfast._batch import Batch
from heapfast.wire._rows import Rows

#: name, image, cpu_request, cpu_limit, memory_request, memory_limit, restart_count (-1: no status), terminated
ContainerSpec = tuple[str, str, int, int, int, int, int, bool]
Labels = Sequence[tuple[str, str]]

class Store:
    def __init__(
        self,
        *,
        long_retention_ns: int = ...,
        short_retention_ns: int = ...,
        long_metrics: Iterable[str] = ("cpu/usage_rate", "memory/usage"),
        schedulable: bool = False,
    ) -> None: ...

    # Who is there, as the API server says. Every call is O(what it names); loop only.
    def put_namespace(self, name: str, uid: str) -> int: ...
    def remove_namespace(self, name: str) -> int: ...
    def put_node(
        self,
        name: str,
        *,
        hostname: str,
        host_id: str,
        labels: str,
        stored: Labels = (),
        unschedulable: bool = False,
        cpu_capacity: int = 0,
        cpu_allocatable: int = 0,
        memory_capacity: int = 0,
        memory_allocatable: int = 0,
    ) -> int: ...
    def remove_node(self, name: str) -> int: ...
    def put_pod(
        self,
        namespace: str,
        name: str,
        *,
        uid: str,
        labels: str,
        stored: Labels = (),
        start_ns: int = ...,
        containers: Sequence[ContainerSpec] = (),
    ) -> int: ...
    def remove_pod(self, namespace: str, name: str) -> int: ...

    # Samples. `ingest` is one step on the loop; no reader sees half of it.
    def ingest(self, rows: Rows, node: int, now_ns: int) -> int: ...

    # The tick: swap on the loop, run anywhere (no GIL), commit on the loop.
    def swap(self, timestamp_ns: int) -> Closing: ...
    def commit(self, closing: Closing, now_ns: int) -> Batch: ...

    # Questions. Loop only.
    @property
    def newest(self) -> Batch | None: ...
    def find(self, kind: int, *names: str) -> int: ...
    def metric_id(self, name: str) -> int: ...
    def metric_names(self, kind: int, slot: int) -> list[str]: ...
    def series(self, kind: int, slot: int, metric: int, start_ns: int, end_ns: int) -> list[tuple[int, int | float]]: ...
    def resource_series(
        self, kind: int, slot: int, metric: int, labels: Mapping[str, str], start_ns: int, end_ns: int
    ) -> list[tuple[int, int | float]]: ...
    def spec_containers(self, pod: int) -> list[int]: ...
    def stats(self) -> dict[str, Any]: ...

class Closing:
    def run(self) -> None: ...
