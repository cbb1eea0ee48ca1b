"""Closed batches on their way to disk.

In      each batch, as the pipeline makes it the newest
Out     a record of a segment file; old files deleted
Callers warm_restart makes it, the pipeline's subscribers call `take`, daemon runs it as a task
Source  docs/warm-restart.md
Never   holds the loop, or lets a disk stop the daemon: what cannot be written is counted, said once, and memory goes on

When bytes are on the disk: a daemon that is killed loses nothing that was written, since the system has it; so a
file is synced when it is complete, and not with each batch. A machine that loses its power loses a segment.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING, Final

from heapfast._segment import Encoder
from heapfast.data_dir import FOLDER_MODE
from heapfast.store.segments import SUFFIX, About, make_header, make_record_header

if TYPE_CHECKING:
    from heapfast._batch import Batch
    from heapfast._core import Store
    from heapfast.clock import Clock
    from heapfast.store.monitoring import SegmentMonitoring

log = logging.getLogger(__name__)

#: So many segments make up the longest retention: the disk holds one more than is needed, a damaged one costs its part.
SEGMENTS: Final = 3


class SegmentFolder:
    """Appends batches to the segments of a folder. For one thread at a time, after it was made.

    Args:
        store: says which metrics are long.
        retention_ns: how long a batch is kept.
        stamps: of the files that are there, first and last.
    """

    def __init__(
        self,
        folder: Path,
        store: Store,
        about: About,
        *,
        retention_ns: int,
        stamps: Mapping[Path, tuple[int, int]],
    ) -> None:
        self._folder = folder
        self._header = make_header(about)
        self._encoder = Encoder(store)
        self._retention_ns = retention_ns
        self._span_ns = retention_ns // SEGMENTS
        self._stamps = dict(stamps)
        self._file = -1
        self._path = folder
        self._size = 0

    @property
    def n_segments(self) -> int:
        return len(self._stamps)

    def append(self, batch: Batch) -> int:
        """Writes one batch; returns the bytes. A batch that fails leaves the file as it was.

        Raises:
            OSError: the disk is full, read-only or gone. The next batch tries again.
            MemoryError: there is none to encode it with.
        """
        # First of all, since it makes room.
        self._delete_old(batch.timestamp_ns)
        if self._file >= 0 and not self._is_there():
            self._abandon()
        if self._file >= 0 and batch.timestamp_ns - self._stamps[self._path][0] >= self._span_ns:
            self.close()
        try:
            if self._file < 0:
                self._open(batch.timestamp_ns)
            head, detail = self._encoder.encode(batch)
            header = memoryview(make_record_header(batch.timestamp_ns, head, detail))
            written = _write_all(self._file, [header, head, detail])
        except (OSError, MemoryError) as error:
            self._take_back()
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                self._make_room()
            raise
        self._size += written
        first, _ = self._stamps.get(self._path, (batch.timestamp_ns, 0))
        self._stamps[self._path] = (first, batch.timestamp_ns)
        self._encoder.accept()
        return written

    def close(self) -> None:
        """Ends the segment, and has it on the disk.

        Raises:
            OSError: it may not be there.
        """
        if self._file >= 0:
            file, self._file = self._file, -1
            try:
                os.fdatasync(file)
            finally:
                os.close(file)

    def _open(self, timestamp_ns: int) -> None:
        """Begins a segment. Its header is written before a batch is encoded: a full disk is found out cheaply."""
        self._encoder.begin()
        # Not its parents: where all of --data-dir is gone, it is not ours to put another in its place.
        self._folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
        for attempt in range(100):
            path = self._folder / f"{timestamp_ns:020d}{f'-{attempt}' if attempt else ''}{SUFFIX}"
            with contextlib.suppress(FileExistsError):
                self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_APPEND, 0o640)
                self._path = path
                self._size = _write_all(self._file, [memoryview(self._header)])
                return
        raise FileExistsError(f"{self._folder} has a hundred segments of one stamp")

    def _is_there(self) -> bool:
        """Whether the open file still has its name: a folder that was deleted takes bytes and keeps none."""
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._file))
        except OSError:
            return False

    def _take_back(self) -> None:
        """Ends the segment before the record that could not be written.

        The next one leans on nothing: to lean on the batch before would keep that in memory for as long as the
        disk is full, and with it every name that was given up meanwhile.
        """
        self._encoder.begin()
        if self._file < 0:
            return
        # Where even this fails half a record stays, which whoever reads it cuts off.
        with contextlib.suppress(OSError):
            if self._path in self._stamps:
                os.ftruncate(self._file, self._size)
            else:
                self._path.unlink(missing_ok=True)
        self._abandon()

    def _make_room(self) -> None:
        """Deletes the oldest segment, unless it is the only one: on a disk too small for all, the newest count."""
        if len(self._stamps) > 1:
            oldest = min(self._stamps, key=self._stamps.__getitem__)
            with contextlib.suppress(OSError):
                oldest.unlink(missing_ok=True)
                del self._stamps[oldest]

    def _abandon(self) -> None:
        file, self._file = self._file, -1
        with contextlib.suppress(OSError):
            os.close(file)

    def _delete_old(self, now_ns: int) -> None:
        for path, (first, last) in list(self._stamps.items()):
            # What is stamped later than now is of a clock that was set back since.
            if last > now_ns - self._retention_ns and first <= now_ns:
                continue
            if self._file >= 0 and path == self._path:
                continue
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
                del self._stamps[path]


def _write_all(file: int, parts: list[memoryview]) -> int:
    """Writes all parts, however often the system takes a part of them only.

    Raises:
        OSError: not all of them could be written.
    """
    total = 0
    while parts:
        n = os.writev(file, parts)
        total += n
        while parts and n >= len(parts[0]):
            n -= len(parts.pop(0))
        if parts and n:
            parts[0] = parts[0][n:]
    return total


class SegmentWriter:
    """Takes each new batch, and has it written by a thread of its own, one after the other.

    Args:
        executor: has one thread, which may wait for a disk as long as it likes.
    """

    def __init__(self, folder: SegmentFolder, executor: Executor, monitoring: SegmentMonitoring, clock: Clock) -> None:
        self._folder = folder
        self._executor = executor
        self._monitoring = monitoring
        self._clock = clock
        self._waiting: Batch | None = None
        self._has_come = asyncio.Event()
        self._n_failed = 0

    def take(self, batch: Batch) -> None:
        """Takes a batch. One that still waits for the disk makes room for it."""
        if self._waiting is not None:
            self._monitoring.skipped()
        self._waiting = batch
        self._has_come.set()

    async def run(self) -> None:
        """Writes what comes, until cancelled; then what still waits, and ends the segment."""
        try:
            while True:
                await self._has_come.wait()
                self._has_come.clear()
                await self._in_thread(self._write)
        finally:
            await self._in_thread(self._end)

    async def _in_thread(self, work: Callable[[], None]) -> None:
        """Waits for the thread even when cancelled: what it works on must not be let go."""
        future = asyncio.get_running_loop().run_in_executor(self._executor, work)
        try:
            await asyncio.shield(future)
        finally:
            while not future.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([future])

    def _end(self) -> None:
        self._write()
        with contextlib.suppress(OSError):
            self._folder.close()

    def _write(self) -> None:
        # The loop puts a batch there, this thread takes it: neither can lose one, whoever comes first.
        batch, self._waiting = self._waiting, None
        if batch is None:
            return
        started = self._clock.monotonic()
        try:
            written = self._folder.append(batch)
        except (OSError, MemoryError) as error:
            if self._n_failed == 0:
                why = getattr(error, "strerror", None) or str(error) or "out of memory"
                log.error(
                    "a batch could not be kept in --data-dir: %s; memory goes on, and every batch tries again", why
                )
            self._n_failed += 1
            self._monitoring.failed()
        except Exception:
            log.exception("BUG: batch %d could not be kept", batch.seq)
            self._monitoring.failed()
        else:
            if self._n_failed:
                log.info("batches are kept in --data-dir again; %d are missing there", self._n_failed)
            self._n_failed = 0
            self._monitoring.written(written, self._clock.monotonic() - started, self._folder.n_segments)
