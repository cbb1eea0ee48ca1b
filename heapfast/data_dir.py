"""The folder that outlives the daemon: whether it can be used, and that one daemon at a time does.

In      --data-dir
Out     its folders, made as they are asked for; a lock, held as long as the daemon runs
Callers config.build asks what is wrong with it; daemon opens it, and hands its folders on
Never   reads or writes a sample: each folder belongs to whoever asked for it

    DIR/lock         pid and host of the daemon that holds it; the lock is the kernel's, so none outlives its process
    DIR/segments/    closed batches, for a warm restart
    DIR/history/     what months of history are answered from
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from heapfast.errors import ConfigError

LOCK: Final = "lock"

#: For the daemon and its group alone: names of pods are nobody else's business.
FOLDER_MODE: Final = 0o750

_MAX_HOLDER_BYTES: Final = 200


def find_fault(path: str) -> str | None:
    """Says why a folder cannot be used, None when it can. Looks, and changes nothing.

    A folder that is not there is fine if it can be made.
    """
    place = Path(path).absolute()
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    if not place.is_dir():
        return "a directory: it is none" if place == Path(path).absolute() else f"a directory: {place} is none"
    if not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        return f"a directory that this user may write to: {place} is not"
    return None


class DataDir:
    """A folder that is locked. Made by `open`; a context that gives the lock back."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def open(cls, path: str) -> Self:
        """Makes the folder if need be, and locks it.

        Raises:
            ConfigError: it cannot be made or written to, or another daemon has it.
        """
        place = Path(path).absolute()
        try:
            place.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            lock = os.open(place / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise _unusable(place, error) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, _MAX_HOLDER_BYTES).decode(errors="replace").strip()
            os.close(lock)
            raise ConfigError(
                f"cannot use --data-dir {place}: {holder or 'another daemon'} uses it; give each daemon one of its own"
            ) from None
        except OSError as error:
            os.close(lock)
            raise _unusable(place, error) from error
        # On a full disk nobody learns who holds it; held it is all the same.
        with contextlib.suppress(OSError):
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"pid {os.getpid()} on {platform.node()}\n".encode(), 0)
        return cls(place, lock)

    def folder(self, name: str) -> Path:
        """A folder in it, made if need be.

        Raises:
            ConfigError: it cannot be made.
        """
        folder = self.path / name
        try:
            folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
        except OSError as error:
            raise _unusable(folder, error) from error
        return folder

    def close(self) -> None:
        """Lets another daemon have it."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _unusable(place: Path, error: OSError) -> ConfigError:
    return ConfigError(f"cannot use --data-dir {place}: {error.strerror or error}")
