"""The store, as Python sees it. Times are Unix nanoseconds, CPU is millicores, memory is bytes.

Everything belongs to the loop, but for Spare.prepare and Closing.run, which may run in any one thread.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from heapfast._batch import Batch
from heapfast._closing import Closing, Spare
from heapfast._latest import Latest
from heapfast.wire._rows import Rows

#: name, image, cpu_request_millicores, cpu_limit_millicores, memory_request_bytes, memory_limit_bytes,
#: restart_count (-1: no status), terminated
ContainerSpec = tuple[str, str, int, int, int, int, int, bool]
Labels = Sequence[tuple[str, str]]

TIME_ZERO_NS: int

class Store:
    ingested_rows: int
    ingested_targets: int
    side_ns: int
    usage_keys: tuple[str, ...]
    latest: Latest
    def __init__(
        self,
        *,
        long_retention_ns: int = 900_000_000_000,
        short_retention_ns: int = 140_000_000_000,
        long_metrics: Iterable[str] = ("cpu/usage_rate", "memory/usage"),
        schedulable: bool = False,
        resolution_ns: int = 60_000_000_000,
        side_ns: int = 0,
        usage_keys: Iterable[str] = (),
    ) -> None: ...

    # Who is there, as the API server says. Each call costs what it names.
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
        cpu_capacity_millicores: int = 0,
        cpu_allocatable_millicores: int = 0,
        memory_capacity_bytes: int = 0,
        memory_allocatable_bytes: int = 0,
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

    # Samples. One step on the loop; no reader sees half of it.
    def ingest(self, rows: Rows, node: int, now_ns: int, is_side: bool = False) -> int: ...

    # The tick: make_spare, prepare (thread), swap, run (thread), commit.
    def make_spare(self) -> Spare: ...
    def swap(self, timestamp_ns: int, spare: Spare | None = None) -> Closing: ...
    def commit(self, closing: Closing, now_ns: int) -> Batch: ...
    def sweep(self) -> None: ...

    # Questions.
    @property
    def newest(self) -> Batch | None: ...
    def find(self, kind: int, *names: str) -> int: ...
    def name(self, kind: int, slot: int) -> str: ...
    def parent(self, kind: int, slot: int) -> int: ...
    def is_known(self, kind: int, slot: int) -> bool: ...
    def metric_id(self, name: str) -> int: ...
    def metric_names(self, kind: int, slot: int) -> list[str]: ...
    def series(
        self, kind: int, slot: int, metric: int, start_ns: int, end_ns: int
    ) -> list[tuple[int, int | float]]: ...
    def find_resources(self, kind: int, slot: int, metric: int, labels: Mapping[str, str]) -> list[int]: ...
    def resource_series(
        self, kind: int, slot: int, metric: int, labels: Mapping[str, str], start_ns: int, end_ns: int
    ) -> list[tuple[int, int | float]]: ...
    def spec_containers(self, pod: int) -> list[int]: ...
    def packed_sizes(self) -> list[tuple[int, int, int]]: ...
    def stats(self) -> dict[str, Any]: ...
