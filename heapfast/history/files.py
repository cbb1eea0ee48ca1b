"""The files of the embedded store: what they are called, which there are, whether one is whole.

In      DIR/history
Out     HistoryFile, one a file; which of them a question needs, kept on disk until it is answered
Callers history/parts.py adds and replaces, history/embedded.py asks
Source  docs/history.md
Never   looks into a file further than its checksum

    part-1512986460000000000-1512986700000000000-1b2c3d4e.parquet               batches, by first and last stamp
    2017-12-11T10-1512986400000000000-1512989940000000000-5f60718a.parquet      an hour
    2017-12-11T10-5m-1512986400000000000-1512989940000000000-92a3b4c5.parquet   an hour, thinned to 5 minutes

The last part of a name is the CRC-32 of all that is in the file. A file gets its name when it is whole and on disk,
never before. One whose span lies in that of another of the same hour has been merged into it, and a crash has kept it
from being deleted.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from heapfast.units import NS_PER_SECOND

log = logging.getLogger(__name__)

HOUR_NS: Final = 3600 * NS_PER_SECOND
UNFINISHED: Final = ".tmp"
_READ_BYTES: Final = 1 << 20
_NAME: Final = re.compile(
    r"(?P<hour>part|\d{4}-\d\d-\d\dT\d\d)(?:-(?P<thin>\d+)(?P<unit>[smh]))?-(?P<first>\d{1,19})-(?P<last>\d{1,19})"
    r"-(?P<crc>[0-9a-f]{8})\.parquet",
    re.ASCII,
)
_UNITS_NS: Final = {"s": NS_PER_SECOND, "m": 60 * NS_PER_SECOND, "h": HOUR_NS}


@dataclass(frozen=True, slots=True)
class HistoryFile:
    """One file.

    Attributes:
        path: where it is.
        first_ns, last_ns: stamps of its first and its last batch; of a thinned one, of what it was made from.
        thin_ns: spacing of its rows, 0 where samples are as they were taken.
        is_part: whether it is a piece of an hour that is not over.
        crc: that its bytes must have.
        size_bytes: its size.
    """

    path: Path
    first_ns: int
    last_ns: int
    thin_ns: int
    is_part: bool
    crc: int
    size_bytes: int

    @property
    def hour_ns(self) -> int:
        """Beginning of the hour that its first batch is in."""
        return self.first_ns // HOUR_NS * HOUR_NS

    def covers(self, other: HistoryFile) -> bool:
        """Whether all that the other has is in this one."""
        if self.hour_ns != other.hour_ns or (self.is_part and not other.is_part):
            return False
        return self.first_ns <= other.first_ns and other.last_ns <= self.last_ns and self != other


def name_of(first_ns: int, last_ns: int, crc: int, *, thin_ns: int = 0, is_part: bool = False) -> str:
    """The name of a file with these batches and that checksum."""
    head = "part"
    if not is_part:
        head = datetime.fromtimestamp(first_ns // HOUR_NS * 3600, UTC).strftime("%Y-%m-%dT%H")
    if thin_ns:
        unit = next(unit for unit in ("h", "m", "s") if thin_ns % _UNITS_NS[unit] == 0)
        head += f"-{thin_ns // _UNITS_NS[unit]}{unit}"
    return f"{head}-{first_ns}-{last_ns}-{crc:08x}.parquet"


def read_file(path: Path) -> HistoryFile | None:
    """What a file is by its name; None when that is none of ours.

    Raises:
        OSError: it is not there.
    """
    match = _NAME.fullmatch(path.name)
    if match is None:
        return None
    thin_ns = int(match["thin"]) * _UNITS_NS[match["unit"]] if match["thin"] else 0
    first_ns, last_ns = int(match["first"]), int(match["last"])
    return HistoryFile(
        path, first_ns, last_ns, thin_ns, match["hour"] == "part", int(match["crc"], 16), path.stat().st_size
    )


class Stopped(Exception):
    """Nobody waits for this any more."""


def go_on() -> bool:
    """The answer of whoever waits to the end."""
    return False


def checksum(path: Path, is_stopped: Callable[[], bool] = go_on) -> int:
    """CRC-32 of a file's bytes; without the GIL.

    Raises:
        OSError: it cannot be read.
        Stopped: `is_stopped` said so.
    """
    crc = 0
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_READ_BYTES):
            crc = zlib.crc32(chunk, crc)
            if is_stopped():
                raise Stopped
    return crc


def find_fault(file: HistoryFile, is_stopped: Callable[[], bool] = go_on) -> str | None:
    """Says what is wrong with a file's bytes, None when they are what they were. Reads all of it.

    Raises:
        Stopped: `is_stopped` said so.
    """
    try:
        crc = checksum(file.path, is_stopped)
    except OSError as error:
        return str(error)
    return None if crc == file.crc else f"its bytes have the checksum {crc:08x}, want {file.crc:08x}"


@dataclass(slots=True)
class FileSet:
    """All files of the store. On the loop, but for what is noted as checked; what is being read stays on disk.

    Attributes:
        files: in order of time.
        bad: files that are not what their names say; they are left alone, and not read.
    """

    files: list[HistoryFile] = field(default_factory=list)
    bad: set[HistoryFile] = field(default_factory=set)
    _checked: set[HistoryFile] = field(default_factory=set)
    _readers: int = 0
    _retired: list[HistoryFile] = field(default_factory=list)

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)

    @property
    def last_ns(self) -> int:
        """Stamp of the newest batch on disk, 0 when there is none."""
        return max((file.last_ns for file in self.files), default=0)

    def has(self, timestamp_ns: int) -> bool:
        """Whether a batch of that stamp is on disk, or would lie between two that are in one file."""
        return any(file.first_ns <= timestamp_ns <= file.last_ns for file in self.files)

    def replace(self, old: Sequence[HistoryFile], new: Sequence[HistoryFile]) -> None:
        """Takes files out and others in, in one step; the old ones wait for take_deletable."""
        gone = set(old)
        self.files = sorted(
            [file for file in self.files if file not in gone] + list(new),
            key=lambda file: (file.first_ns, file.last_ns),
        )
        self._checked.update(new)
        self._retired += old

    def take_deletable(self) -> list[HistoryFile]:
        """Files that have been taken out and that nobody reads any more: to be deleted, by whoever asks."""
        if self._readers:
            return []
        retired, self._retired = self._retired, []
        self._checked.difference_update(retired)
        return retired

    @contextlib.contextmanager
    def reading(self, start_ns: int, end_ns: int) -> Iterator[list[HistoryFile]]:
        """The files that may have batches between two times, both exclusive. None of them is deleted meanwhile."""
        self._readers += 1
        try:
            yield [file for file in self.files if file.first_ns < end_ns and file.last_ns > start_ns]
        finally:
            self._readers -= 1

    def is_checked(self, file: HistoryFile) -> bool:
        """Whether its checksum has been compared since the daemon was started."""
        return file in self._checked

    def note_checked(self, file: HistoryFile) -> None:
        self._checked.add(file)

    def drop_bad(self, file: HistoryFile, why: str) -> bool:
        """Reads a file no more; says so, once. Returns whether it is news."""
        if file in self.bad:
            return False
        self.bad.add(file)
        self.files = [other for other in self.files if other != file]
        log.error("history: %s is left out: %s", file.path, why)
        return True


def scan(folder: Path) -> FileSet:
    """Looks at what is there, in a folder that it makes if need be.

    What was never finished is removed; what a merged file has made superfluous waits for take_deletable.

    Raises:
        OSError: the folder cannot be read.
    """
    folder.mkdir(mode=0o750, exist_ok=True)
    found = FileSet()
    files = []
    for path in sorted(folder.iterdir()):
        if path.name.endswith(UNFINISHED):
            path.unlink(missing_ok=True)
        elif (file := read_file(path)) is not None:
            files.append(file)
    superfluous = [file for file in files if any(_replaces(other, file) for other in files)]
    found.files = files
    found.replace(superfluous, [])
    return found


def _replaces(other: HistoryFile, file: HistoryFile) -> bool:
    if not other.covers(file):
        return False
    # Of two that cover each other the thinned one came later.
    return not file.covers(other) or other.thin_ns > file.thin_ns


def finish(unfinished: Path, first_ns: int, last_ns: int, *, thin_ns: int = 0, is_part: bool = False) -> HistoryFile:
    """Puts a file that is whole under its name: its bytes are on disk before its name is.

    Raises:
        OSError: they cannot be.
    """
    crc = checksum(unfinished)
    descriptor = os.open(unfinished, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    path = unfinished.with_name(name_of(first_ns, last_ns, crc, thin_ns=thin_ns, is_part=is_part))
    unfinished.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return HistoryFile(path, first_ns, last_ns, thin_ns, is_part, crc, path.stat().st_size)
