"""What every store of history can be asked, and how it answers.

In      Entity, RawQuery, AggregateQuery: parsed, checked, immutable
Out     Points and Buckets, a chunk at a time; names
Callers api asks; each backend of this folder implements HistoryBackend
Source  spec/heapster-rest.md 4.3, 4.4, 8; B2, B3, B5, B12 and B19 of its section 15
Never   does anything itself

Time.   Both bounds of a query are exclusive, as Heapster's are (K13); whoever asks has cut them to whole seconds.
Chunks. An answer may be larger than memory should hold, so it comes in chunks: of one item each, items in the
        order of the query, timestamps never falling within an item. An item without data has no chunk, and is no error.
Errors. HistoryError and nothing else, wherever possible before the first chunk: what comes later can only
        break off an answer whose status has been sent.
Limits. A backend raises HistoryTooLarge as soon as it sees that an answer has more than `max_points` samples or
        buckets. Time is the caller's: it cancels the task, or closes the iterator. Whatever runs for
        that question outside the loop must stop soon after; `timeout_seconds` is there for servers that can be told.
"""

from __future__ import annotations

from array import array
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from heapfast._name_list import NameList
from heapfast.catalog.keys import TYPE_LABEL, Kind
from heapfast.query.aggregation import Aggregation

#: Samples in one chunk, or buckets: about 1 ms of rendering.
CHUNK_POINTS = 4096

#: Unix nanoseconds (typecode "q"), or values: "q" for integers, "d" for floats; or views of such memory.
Column = array | memoryview  # type: ignore[type-arg]  # of int or of float, which only its typecode says


@dataclass(frozen=True, slots=True)
class Entity:
    """Who is asked about. Only the names that its kind has are looked at.

    Attributes:
        kind: any but RESOURCE.
        node: of a node or system container: the node's name.
        namespace, pod: of a pod or its container, by name; a namespace has the first.
        pod_id: of a pod or its container: the pod's UID, instead of both names. None: by name.
        container: of a container of a pod, or a system container.
    """

    kind: Kind
    node: str = ""
    namespace: str = ""
    pod: str = ""
    pod_id: str | None = None
    container: str = ""

    def labels(self) -> dict[str, str]:
        """Heapster's labels that single the entity out, `type` first (8.2)."""
        labels = {"type": TYPE_LABEL[self.kind]}
        match self.kind:
            case Kind.NODE | Kind.SYS_CONTAINER:
                labels["nodename"] = self.node
            case Kind.NAMESPACE:
                labels["namespace_name"] = self.namespace
            case Kind.POD | Kind.POD_CONTAINER if self.pod_id is not None:
                labels["pod_id"] = self.pod_id
            case Kind.POD | Kind.POD_CONTAINER:
                labels |= {"namespace_name": self.namespace, "pod_name": self.pod}
        if self.kind in (Kind.POD_CONTAINER, Kind.SYS_CONTAINER):
            labels["container_name"] = self.container
        return labels


@dataclass(frozen=True, slots=True, kw_only=True)
class RawQuery:
    """All samples of one metric of some entities.

    Attributes:
        entities: one an item of the answer; the same may be there twice.
        metric: as in the catalogue, deprecated names translated; "custom/..." and unknown names are possible.
        labels: what a labelled metric's sample must have among its labels; several label sets that have it are one
            series, and None takes them all (8.2). Such samples share a timestamp.
        start_ns, end_ns: exclusive.
        max_points: more samples than this in all items together are HistoryTooLarge.
        timeout_seconds: how long the caller is going to wait.
    """

    entities: tuple[Entity, ...]
    metric: str
    labels: Mapping[str, str] | None
    start_ns: int
    end_ns: int
    max_points: int
    timeout_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateQuery(RawQuery):
    """The same samples, aggregated.

    Attributes:
        bucket_ns: buckets are aligned to the Unix epoch, so the first may begin before the window; 0 for one
            bucket with all samples, stamped `start_ns` + 1, or as the sample it shows if a minimum, a maximum or a
            percentile is asked for and nothing else (8.4).
        aggregations: without duplicates, in the order of the URL.
    """

    bucket_ns: int
    aggregations: tuple[Aggregation, ...]


@dataclass(frozen=True, slots=True)
class Points:
    """Some samples of one item.

    Attributes:
        item: index into the query's entities.
        timestamps_ns: never falling, also across the item's chunks.
        values: as many; integers or floats, the same in all chunks of an item.
    """

    item: int
    timestamps_ns: Column
    values: Column


@dataclass(frozen=True, slots=True)
class Buckets:
    """Some buckets of one item. A bucket without samples is not there.

    Attributes:
        item: index into the query's entities.
        timestamps_ns: where each bucket begins.
        values: as many for each aggregation that was asked for. Counts are integers, averages, medians and percentiles
            floats; minimum and maximum are integers where the samples are (B17).
    """

    item: int
    timestamps_ns: Column
    values: Mapping[Aggregation, Sequence[int] | Sequence[float]] = field(default_factory=dict)


class HistoryBackend(Protocol):
    """A store of history. Everything is called on the loop, and must not hold it."""

    def read_raw(self, query: RawQuery) -> AsyncGenerator[Points]:
        """Yields the samples that were asked for.

        Raises:
            HistoryError: see the module.
        """
        ...

    def read_aggregated(self, query: AggregateQuery) -> AsyncGenerator[Buckets]:
        """Yields the buckets that were asked for.

        Raises:
            HistoryError: see the module.
        """
        ...

    async def list_metrics(self, entity: Entity) -> list[str]:
        """Returns the names of all metrics the entity has had, labelled ones too; sorted, empty if it is unknown."""
        ...

    async def list_entities(self, kind: Kind, parent: Entity | None = None) -> NameList:
        """Returns the last part of the name of each entity that has had data; sorted, so each name once.

        Args:
            kind: NODE or NAMESPACE, which have no parent; POD of a namespace; SYS_CONTAINER of a node;
                POD_CONTAINER of a pod.
            parent: whose.
        """
        ...

    async def close(self) -> None:
        """Ends what is under way and lets go of everything. Nothing is asked afterwards."""
        ...
