"""The writing side of the embedded store: every batch to disk, then fewer and smaller files, then none.

In      new batches, on the loop
Out     files, in a FileSet
Callers history/embedded.py makes it and runs it as a task
Source  docs/history.md; issue 5: a disk that fails costs history, never the memory
Never   waits for a disk on the loop, or holds more than two batches

    batch ──▶ part ──20 of them──▶ part ──hour is over──▶ hour ──old──▶ hour, thinned ──older, or too much──▶ gone
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import duckdb
import pyarrow as pa

from heapfast.clock import Clock
from heapfast.history import parts
from heapfast.history.files import HOUR_NS, FileSet, HistoryFile, find_fault
from heapfast.history.monitoring import HistoryMonitoring
from heapfast.history.options import EmbeddedOptions

if TYPE_CHECKING:
    from heapfast._batch import Batch

log = logging.getLogger(__name__)
ResultT = TypeVar("ResultT")

#: Batches that wait for the disk; with more the oldest is dropped. Each holds all of its memory.
MAX_WAITING: Final = 2
#: Parts of one batch that become one part.
MERGED_PARTS: Final = 20
#: Files that become one at once; each has some rows in memory meanwhile. An hour of more becomes fewer parts first.
MAX_MERGED: Final = 40


class HistoryWriter:
    """See the module. Everything but the work on files is on the loop."""

    def __init__(
        self,
        folder: Path,
        files: FileSet,
        options: EmbeddedOptions,
        *,
        connection: duckdb.DuckDBPyConnection,
        writing: Executor,
        merging: Executor,
        clock: Clock,
        monitoring: HistoryMonitoring,
    ) -> None:
        self._folder = folder
        self._files = files
        self._options = options
        self._connection = connection
        self._writing = writing
        self._merging = merging
        self._clock = clock
        self._monitoring = monitoring
        self._waiting: deque[Batch] = deque()
        self._has_work = asyncio.Event()
        self._has_written = asyncio.Event()
        self._failing: set[str] = set()
        #: Stamp of the batch written last: its hour is not over. Until one is, that of the newest file.
        self._newest_ns = files.last_ns
        #: Whether nobody waits any more for what is being merged.
        self._is_stopping = threading.Event()
        #: Hours with files in another order than ours, which DuckDB had too little memory to sort. It gets no more
        #: before a restart, and a try costs minutes.
        self._too_large: set[int] = set()

    def take(self, batch: Batch) -> None:
        """Takes a new batch."""
        self._waiting.append(batch)
        if len(self._waiting) > MAX_WAITING:
            self._waiting.popleft()
            self._monitoring.dropped.labels("slow").inc()
        self._has_work.set()

    async def run(self) -> None:
        """Writes what comes, and looks after the files meanwhile, until cancelled."""
        maintaining = asyncio.create_task(self._maintain_on(), name="history files")
        try:
            while True:
                await self._has_work.wait()
                self._has_work.clear()
                await self.finish()
                self._has_written.set()
        finally:
            maintaining.cancel()
            await asyncio.gather(maintaining, return_exceptions=True)

    async def _maintain_on(self) -> None:
        # Beside the writing: an hour of a large cluster takes longer to merge than a batch may wait.
        while True:
            await self._has_written.wait()
            self._has_written.clear()
            try:
                await self.maintain()
            except Exception:
                log.exception("BUG: history's files could not be looked after")

    async def finish(self) -> None:
        """Writes what still waits."""
        while self._waiting:
            await self.write(self._waiting.popleft())

    async def write(self, batch: Batch) -> None:
        """Writes one batch. One that cannot be written is gone from history."""
        if self._files.has(batch.timestamp_ns):
            # A restart goes over times that are on disk already, and so does a clock that was put back. Only these:
            # a clock that was years ahead for a moment must not end history for years.
            return
        done = await self._try("write", lambda: (parts.write_part(self._folder, batch),))
        if done is None:
            self._monitoring.dropped.labels("failed").inc()
            return
        self._monitoring.batches.inc()
        self._newest_ns = batch.timestamp_ns
        if done[0] is not None:
            self._files.replace([], [done[0]])
        self._measure()

    async def maintain(self) -> None:
        """Merges, thins and deletes what is due."""
        for hour_ns in sorted({file.hour_ns for file in self._files.files if file.is_part}):
            if hour_ns not in self._too_large:
                await self._merge_hour(hour_ns)
        await self._thin()
        self._retire_old()
        if gone := self._files.take_deletable():
            await self._try("delete", partial(parts.delete, gone))
        await self._check_one()
        self._measure()

    async def _check_one(self) -> None:
        """Looks at one file that nobody has asked for yet, the newest first, so that questions need not."""
        for file in reversed(self._files.files):
            if not self._files.is_checked(file):
                await self._is_whole(file)
                return

    async def _merge_hour(self, hour_ns: int) -> None:
        """Merges what there is of an hour: as parts while it is not over, or in so many files; then at all."""
        is_over = hour_ns != self._newest_ns // HOUR_NS * HOUR_NS
        while True:
            files = [file for file in self._files.files if file.hour_ns == hour_ns and not file.thin_ns]
            if is_over and len(files) <= MAX_MERGED:
                await self._merge(files, is_part=False)
                return
            some = _neighbours(files, single=not is_over)
            if not some or not await self._merge(some, is_part=True):
                return

    async def _merge(self, files: Sequence[HistoryFile], *, is_part: bool) -> bool:
        """Makes one file of some; whether it has, or found one of them to be none."""
        whole = [file for file in files if await self._is_whole(file)]
        if not whole:
            return bool(files)
        work = partial(parts.merge, self._connection, whole, is_part=is_part, is_stopped=self._is_stopping.is_set)
        merged = await self._try("merge", work, whole[0].hour_ns)
        if merged is not None:
            self._files.replace(whole, [merged])
        return merged is not None

    async def _thin(self) -> None:
        options = self._options
        if not options.raw_retention_ns:
            return
        before_ns = self._clock.now_ns() - options.raw_retention_ns
        for file in list(self._files.files):
            if file.is_part or file.thin_ns or file.hour_ns + HOUR_NS > before_ns:
                continue
            if file.hour_ns in self._too_large or not await self._is_whole(file):
                continue
            work = partial(parts.thin, self._connection, file, options.thin_ns, is_stopped=self._is_stopping.is_set)
            thinned = await self._try("thin", work, file.hour_ns)
            if thinned is None:
                return
            self._files.replace([file], [thinned])

    def _retire_old(self) -> None:
        options = self._options
        files = list(self._files.files)
        if options.retention_ns:
            before_ns = self._clock.now_ns() - options.retention_ns
            self._retire("age", [file for file in files if file.last_ns <= before_ns])
        if options.max_bytes:
            excess = self._files.size_bytes - options.max_bytes
            gone = []
            for file in self._files.files:
                if excess <= 0:
                    break
                excess -= file.size_bytes
                gone.append(file)
            self._retire("size", gone)

    def _retire(self, reason: str, files: Sequence[HistoryFile]) -> None:
        if files:
            self._files.replace(files, [])
            self._monitoring.deleted.labels(reason).inc(len(files))

    async def _is_whole(self, file: HistoryFile) -> bool:
        """Whether a file is what its name says: nothing damaged is merged into what is not."""
        if self._files.is_checked(file):
            return True
        why = await self._in_thread(self._merging, lambda: find_fault(file))
        if why is None:
            self._files.note_checked(file)
        elif self._files.drop_bad(file, why):
            self._monitoring.bad_files.inc()
        return why is None

    async def _try(self, work: str, function: Callable[[], ResultT], hour_ns: int | None = None) -> ResultT | None:
        """Does work on files; None when it failed.

        Args:
            hour_ns: of an hour that is worked on as a whole, and never again when memory is too small for it.
        """
        started = self._clock.monotonic()
        try:
            result = await self._in_thread(self._writing if work == "write" else self._merging, function)
        except (OSError, duckdb.Error, pa.ArrowException, MemoryError) as error:
            self._monitoring.failures.labels(work).inc()
            if hour_ns is not None and isinstance(error, duckdb.OutOfMemoryException):
                self._too_large.add(hour_ns)
                log.error(
                    "history: cannot %s an hour: %s; its files stay as they are; raise --history-memory-bytes",
                    work,
                    str(error).partition("\n")[0],
                )
                return None
            if work not in self._failing:
                self._failing.add(work)
                log.error("history: cannot %s: %s; memory goes on; tried again with each batch", work, error)
            return None
        if work in self._failing:
            self._failing.discard(work)
            log.info("history: can %s again", work)
        self._monitoring.work_seconds.labels(work).observe(self._clock.monotonic() - started)
        return result

    async def _in_thread(self, executor: Executor, function: Callable[[], ResultT]) -> ResultT:
        future = asyncio.get_running_loop().run_in_executor(executor, function)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            # What a thread has begun to write is not left to itself.
            if executor is self._merging:
                self._is_stopping.set()
                self._connection.interrupt()
            await asyncio.wait([future])
            self._is_stopping.clear()
            if not future.cancelled():
                future.exception()  # looked at, for nobody else asks for it any more
            raise

    def _measure(self) -> None:
        self._monitoring.bytes.set(self._files.size_bytes)
        self._monitoring.files.set(len(self._files.files))


def _neighbours(files: Sequence[HistoryFile], *, single: bool) -> list[HistoryFile]:
    """The first MERGED_PARTS parts, of one batch each if so wished, between whose times no other file is."""
    found: list[HistoryFile] = []
    for file in files:
        is_wanted = file.is_part and (not single or file.first_ns == file.last_ns)
        found = [*found, file] if is_wanted else []
        if len(found) == MERGED_PARTS:
            return found
    return []
