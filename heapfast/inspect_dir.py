"""What is in a --data-dir, and whether all of it is whole.

In      the folder, while a daemon uses it or not
Out     segments with their batches, entities, samples and bytes; files of history; every fault with its byte
Callers cli
Source  docs/warm-restart.md
Never   changes anything, or takes the folder from a daemon
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from rich.table import Table

from heapfast._core import Store
from heapfast._restore import Restoring
from heapfast.catalog.keys import Kind
from heapfast.store.segments import Fault, Segment, find_segments, scan, take_segment
from heapfast.units import NS_PER_SECOND

if TYPE_CHECKING:
    from rich.console import Console

#: A daemon that writes a record has it whole long before.
_WRITING_SECONDS: Final = 2.0

_EVER_NS: Final = 1 << 62


class FaultReport(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a file, and at which byte."""

    offset: int
    text: str
    is_torn: bool


class SegmentReport(msgspec.Struct, frozen=True, kw_only=True):
    """One file of segments/.

    Attributes:
        batches: those that are whole; the other figures are of them.
        first_ns, last_ns: their stamps, 0 when there are none.
        entities: how many it names, by kind.
        fault: None when every checksum is right.
    """

    name: str
    bytes: int
    cluster: str
    source: str
    resolution_ns: int
    heapfast: str
    batches: int
    first_ns: int
    last_ns: int
    entities: dict[str, int]
    samples: int
    fault: FaultReport | None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of a folder.

    Attributes:
        history_files, history_bytes: Parquet files under history/, which are counted and not opened.
        is_damaged: something in segments/ is not as it was written.
    """

    directory: str
    segments: list[SegmentReport]
    batches: int
    samples: int
    bytes: int
    bytes_a_sample: float
    history_files: int
    history_bytes: int
    is_damaged: bool


def inspect(directory: Path, sleep: Callable[[float], None] = time.sleep) -> Report:
    """Reads every byte of a folder's segments.

    Args:
        sleep: waits, when a file ends in the middle of a record, for a daemon that may be writing it.

    Raises:
        OSError: the folder cannot be read.
    """
    folder = directory / "segments"
    segments = [_report(path, sleep) for path in find_segments(folder)] if folder.is_dir() else []
    if not segments:
        # Says so if there is no such folder at all.
        list(directory.iterdir())
    history = [path.stat().st_size for path in (directory / "history").rglob("*.parquet")]
    samples = sum(one.samples for one in segments)
    n_bytes = sum(one.bytes for one in segments)
    return Report(
        directory=str(directory),
        segments=segments,
        batches=sum(one.batches for one in segments),
        samples=samples,
        bytes=n_bytes,
        bytes_a_sample=n_bytes / samples if samples else 0.0,
        history_files=len(history),
        history_bytes=sum(history),
        is_damaged=any(one.fault is not None for one in segments),
    )


def _report(path: Path, sleep: Callable[[float], None]) -> SegmentReport:
    segment = scan(path)
    if segment.fault is not None and segment.fault.is_torn:
        sleep(_WRITING_SECONDS)
        segment = scan(path)
    store, fault, batches = _read(segment)
    about = segment.about
    stamps = [record.timestamp_ns for record in segment.records[:batches]]
    return SegmentReport(
        name=path.name,
        bytes=segment.size,
        cluster=about.cluster if about else "",
        source=about.source if about else "",
        resolution_ns=about.resolution_ns if about else 0,
        heapfast=about.heapfast if about else "",
        batches=batches,
        first_ns=stamps[0] if stamps else 0,
        last_ns=stamps[-1] if stamps else 0,
        entities={kind.name.lower(): store[0].stats()["entities"][kind] for kind in Kind if kind is not Kind.CLUSTER},
        samples=store[1].samples,
        fault=FaultReport(offset=fault.offset, text=fault.text, is_torn=fault.is_torn) if fault else None,
    )


def _read(segment: Segment) -> tuple[tuple[Store, Restoring], Fault | None, int]:
    """Takes all of a segment into a store that is thrown away."""
    # Whose retention is over before it has begun: batches are read, and not packed.
    store = Store(long_retention_ns=1, short_retention_ns=1, resolution_ns=1)
    restoring = Restoring(store, _EVER_NS)
    fault = segment.fault
    if segment.about is not None:
        fault = take_segment(restoring, segment, from_ns=-_EVER_NS, until_ns=_EVER_NS, with_detail=True)
    return (store, restoring), fault, restoring.detailed


def print_report(report: Report, console: Console) -> None:
    """Writes a report for people."""
    table = Table(title=f"{report.directory}: {len(report.segments)} segments")
    for heading in ("segment", "batches", "from", "to", "source"):
        table.add_column(heading, no_wrap=True)
    for heading in ("nodes", "pods", "containers", "samples", "bytes", "bytes a sample"):
        table.add_column(heading, justify="right")
    for one in report.segments:
        table.add_row(
            one.name,
            str(one.batches),
            _time(one.first_ns),
            _time(one.last_ns),
            f"{one.source} every {one.resolution_ns / NS_PER_SECOND:g} s" if one.source else "",
            *(f"{one.entities[kind]:,}" for kind in ("node", "pod", "pod_container")),
            f"{one.samples:,}",
            f"{one.bytes:,}",
            f"{one.bytes / one.samples:.2f}" if one.samples else "",
        )
    console.print(table)
    console.print(
        f"{report.batches:,} batches, {report.samples:,} samples, {report.bytes:,} bytes:"
        f" {report.bytes_a_sample:.2f} bytes a sample",
        highlight=False,
    )
    console.print(f"history: {report.history_files:,} Parquet files, {report.history_bytes:,} bytes", highlight=False)
    for one in report.segments:
        if one.fault is not None:
            console.print(f"{one.name}: {one.fault.text}, at byte {one.fault.offset}", highlight=False, soft_wrap=True)
    console.print("damaged" if report.is_damaged else "every checksum is right", highlight=False)


def _time(time_ns: int) -> str:
    if not time_ns:
        return ""
    return datetime.fromtimestamp(time_ns / NS_PER_SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
