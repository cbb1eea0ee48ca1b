"""Segments: files of closed batches, and what a store is refilled with from them.

In      DIR/segments; a store that has had nothing so far
Out     the store refilled; what was found, record by record, and what is wrong with it, with the byte
Callers warm_restart at start, segment_writer for the layout, inspect_dir for people
Source  docs/warm-restart.md
Never   lets a file stop the start: what cannot be used is said and left out

    file     header, then records back to back
    header   "HEAPFAST"  version u32  length u32  CRC-32 u32 of these 16 bytes
             CRC-32 u32 of the description, which follows: a JSON object of so many bytes
    record   "HFRC"  CRC-32 u32 of the 32 bytes that follow
             timestamp i64  head length u64  detail length u64  CRC-32 u32 of the head  CRC-32 u32 of the detail
             head, detail: see _segment.pxd

All numbers are little-endian. A record leans on the one before it: where one is unusable, the rest of its segment is.
"""

from __future__ import annotations

import contextlib
import logging
import os
import struct
import zlib
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from heapfast._restore import Restoring
from heapfast.errors import StoreError

if TYPE_CHECKING:
    from heapfast._core import Store

log = logging.getLogger(__name__)

MAGIC: Final = b"HEAPFAST"
VERSION: Final = 1
HEADER: Final = struct.Struct("<8sIIII")

RECORD_MAGIC: Final = b"HFRC"
RECORD: Final = struct.Struct("<4sIqQQII")
#: Of a record's header, what its own checksum covers.
_CHECKED: Final = struct.Struct("<qQQII")

SUFFIX: Final = ".segment"


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What a segment says of itself.

    Attributes:
        cluster: the API server that its entities are known to.
        resolution_ns: the spacing of its batches when it was begun.
        source: what kubelets were asked for.
        heapfast: version of the daemon that wrote it.
    """

    cluster: str
    resolution_ns: int
    source: str
    heapfast: str


class Record(NamedTuple):
    """Where a batch lies in its file; `offset` is that of the record's header."""

    offset: int
    timestamp_ns: int
    head_bytes: int
    detail_bytes: int
    head_crc: int
    detail_crc: int

    @property
    def head_offset(self) -> int:
        return self.offset + RECORD.size

    @property
    def detail_offset(self) -> int:
        return self.head_offset + self.head_bytes

    @property
    def end(self) -> int:
        return self.detail_offset + self.detail_bytes


class Fault(NamedTuple):
    """What is wrong with a file.

    Attributes:
        offset: of the first byte that does not fit.
        is_torn: the file ends in the middle of a record, as it does when its writer is killed.
        is_version: another heapfast's format; not ours to judge or to delete.
    """

    offset: int
    text: str
    is_torn: bool = False
    is_version: bool = False


class Segment(NamedTuple):
    """A file, looked through from header to header.

    Attributes:
        about: None when the file's own header cannot be read.
        records: those before the fault, if there is one.
    """

    path: Path
    size: int
    about: About | None
    records: tuple[Record, ...]
    fault: Fault | None


class Restored(NamedTuple):
    """What became of the segments at start.

    Attributes:
        restoring: to be sealed and published once it is known who is there.
        segments: every file whose format is known, for who deletes old ones.
    """

    restoring: Restoring
    segments: tuple[Segment, ...]


def make_header(about: About) -> bytes:
    text = msgspec.json.encode(about)
    fixed = struct.pack("<8sII", MAGIC, VERSION, len(text))
    return fixed + struct.pack("<II", zlib.crc32(fixed), zlib.crc32(text)) + text


def make_record_header(timestamp_ns: int, head: memoryview, detail: memoryview) -> bytes:
    """The header of a record. The checksums are taken without the GIL."""
    checked = _CHECKED.pack(timestamp_ns, len(head), len(detail), zlib.crc32(head), zlib.crc32(detail))
    return RECORD_MAGIC + struct.pack("<I", zlib.crc32(checked)) + checked


def find_segments(folder: Path) -> list[Path]:
    """The files of a folder, oldest first.

    Raises:
        OSError: the folder cannot be read.
    """
    return sorted(path for path in folder.iterdir() if path.name.endswith(SUFFIX))


def scan(path: Path) -> Segment:
    """Looks at every header of a file, and at nothing between them.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        about, offset, fault = _read_header(file.fileno(), size)
        records: list[Record] = []
        while fault is None and offset < size:
            found = _read_record(file.fileno(), offset, size)
            if isinstance(found, Fault):
                fault = found
            else:
                records.append(found)
                offset = found.end
    return Segment(path, size, about, tuple(records), fault)


def _read_header(file: int, size: int) -> tuple[About | None, int, Fault | None]:
    """The description, where the records begin, and what is wrong."""
    text = os.pread(file, HEADER.size, 0)
    if len(text) < HEADER.size:
        return None, 0, Fault(0, "it ends in its header", is_torn=True)
    magic, version, length, fixed_crc, crc = HEADER.unpack(text)
    if magic != MAGIC:
        return None, 0, Fault(0, "it is no segment of heapfast")
    if version != VERSION:
        said = f"it has version {version}, want {VERSION}: another heapfast wrote it"
        return None, 0, Fault(0, said, is_version=True)
    if zlib.crc32(text[:16]) != fixed_crc:
        return None, 0, Fault(0, "the checksum of its header is wrong")
    end = HEADER.size + length
    described = os.pread(file, length, HEADER.size)
    if size < end:
        return None, 0, Fault(0, "it ends in its header", is_torn=True)
    if zlib.crc32(described) != crc:
        return None, 0, Fault(0, "the checksum of its description is wrong")
    try:
        return msgspec.json.decode(described, type=About), end, None
    except msgspec.MsgspecError as error:
        return None, 0, Fault(0, f"its description cannot be read: {error}")


def _read_record(file: int, offset: int, size: int) -> Record | Fault:
    text = os.pread(file, RECORD.size, offset)
    if len(text) < RECORD.size:
        return Fault(offset, "it ends in the header of a record", is_torn=True)
    magic, crc, *fields = RECORD.unpack(text)
    if magic != RECORD_MAGIC or zlib.crc32(text[8:]) != crc:
        return Fault(offset, "the header of a record is damaged")
    record = Record(offset, *fields)
    if record.end > size:
        return Fault(offset, "it ends in a record", is_torn=True)
    return record


def read_parts(file: int, record: Record, *, with_detail: bool) -> tuple[bytes, bytes | None] | Fault:
    """The parts of a record, their checksums looked at."""
    head = os.pread(file, record.head_bytes, record.head_offset)
    if zlib.crc32(head) != record.head_crc:
        return Fault(record.head_offset, "the checksum of a head is wrong")
    if not with_detail:
        return head, None
    detail = os.pread(file, record.detail_bytes, record.detail_offset)
    if zlib.crc32(detail) != record.detail_crc:
        return Fault(record.detail_offset, "the checksum of a detail is wrong")
    return head, detail


def take_segment(
    restoring: Restoring, segment: Segment, *, from_ns: int, until_ns: int, with_detail: bool
) -> Fault | None:
    """Hands the batches of a segment to who refills a store.

    Args:
        from_ns: batches of this stamp or before are read for the sake of those that lean on them, and not kept.
        until_ns: the last stamp to take.

    Returns:
        What ended it before its end, which may lie in what `scan` did not look at.

    Raises:
        OSError: the file cannot be read.
    """
    restoring.begin_segment()
    records = [record for record in segment.records if record.timestamp_ns <= until_ns]
    with (
        segment.path.open("rb", buffering=0) as file,
        contextlib.closing(_read_ahead(file.fileno(), records, with_detail=with_detail)) as found,
    ):
        for record, parts in found:
            if isinstance(parts, Fault):
                return parts
            try:
                restoring.take(record.timestamp_ns, *parts, keep=record.timestamp_ns > from_ns)
            except StoreError as error:
                return Fault(record.offset, str(error))
    return segment.fault


def _read_ahead(
    file: int, records: Sequence[Record], *, with_detail: bool
) -> Generator[tuple[Record, tuple[bytes, bytes | None] | Fault]]:
    """Every record with its parts; the next ones are read and summed up while the caller works, without the GIL."""
    with ThreadPoolExecutor(max_workers=1) as reader:
        before: tuple[Record, Future[tuple[bytes, bytes | None] | Fault]] | None = None
        for record in records:
            coming = reader.submit(read_parts, file, record, with_detail=with_detail)
            if before is not None:
                yield before[0], before[1].result()
            before = (record, coming)
        if before is not None:
            yield before[0], before[1].result()


def restore(folder: Path, store: Store, now_ns: int, *, cluster: str, long_ns: int, short_ns: int) -> Restored:
    """Refills a store with what the segments of a folder have. Takes about a second for the largest clusters.

    Args:
        store: has had nothing so far, and nobody else uses it meanwhile.
        now_ns: wall time; what is stamped later is left out, since stamps must grow from here on.
        cluster: segments of another one are left alone.
        long_ns, short_ns: retention of the two classes.
    """
    restoring = Restoring(store, now_ns)
    segments = list(_usable(folder))
    ours = [segment for segment in segments if segment.about is not None and segment.about.cluster == cluster]
    if len(ours) < len(segments):
        log.warning(
            "%d of %d segments are another cluster's, and stay unread", len(segments) - len(ours), len(segments)
        )
    from_ns = now_ns - max(long_ns, short_ns)
    if any(segment.records and segment.records[-1].timestamp_ns > now_ns for segment in ours):
        log.warning("batches that are stamped later than now are left out: has the clock been set back?")
    for segment in ours:
        stamps = [one.timestamp_ns for one in segment.records if from_ns < one.timestamp_ns <= now_ns]
        if not stamps:
            continue
        # All of a segment's details or none: each leans on the one before.
        with_detail = stamps[-1] > now_ns - max(short_ns, store.latest.stale_ns)
        try:
            fault = take_segment(restoring, segment, from_ns=from_ns, until_ns=now_ns, with_detail=with_detail)
        except OSError as error:
            log.warning("%s cannot be read: %s", segment.path, error.strerror)
            continue
        if fault is not None and not fault.is_torn:
            log.warning(
                "%s: %s, at byte %d; its batches from there on are lost", segment.path, fault.text, fault.offset
            )
    restoring.finish()
    return Restored(restoring, tuple(segments))


def _usable(folder: Path) -> Iterator[Segment]:
    """Every segment of a format that is ours, oldest first; what is torn is cut off, what is not usable said."""
    try:
        paths = find_segments(folder)
    except OSError as error:
        log.warning("%s cannot be read: %s", folder, error.strerror)
        return
    for path in paths:
        try:
            segment = scan(path)
        except OSError as error:
            log.warning("%s cannot be read: %s", path, error.strerror)
            continue
        if segment.fault is not None and segment.fault.is_torn:
            _cut_off(segment)
            if not segment.records:
                continue
        if segment.about is not None and (segment.records or segment.fault is not None):
            yield segment
        elif segment.about is not None:
            _cut_off(segment)
        elif segment.fault is not None and not segment.fault.is_torn:
            log.error("%s is left alone: %s", path, segment.fault.text)


def _cut_off(segment: Segment) -> None:
    """Takes away the record that was being written when the daemon ended; a file that has no other, too."""
    end = segment.records[-1].end if segment.records else 0
    log.info("%s: the last %d bytes are no whole record, and cut off", segment.path, segment.size - end)
    # On a disk that cannot be written to they stay, and are left out all the same.
    with contextlib.suppress(OSError):
        if end:
            os.truncate(segment.path, end)
        else:
            segment.path.unlink()


def stamps_of(segments: Sequence[Segment]) -> dict[Path, tuple[int, int]]:
    """First and last stamp of every file. One whose first record is damaged has the time it was changed."""
    stamps = {}
    for one in segments:
        if one.records:
            stamps[one.path] = (one.records[0].timestamp_ns, one.records[-1].timestamp_ns)
            continue
        with contextlib.suppress(OSError):
            changed_ns = one.path.stat().st_mtime_ns
            stamps[one.path] = (changed_ns, changed_ns)
    return stamps
