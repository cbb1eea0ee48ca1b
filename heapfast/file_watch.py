"""Files that somebody may replace while we run, such as certificates.

In      paths, and what to do when they changed
Out     one call a change
Callers secure_port.py makes one watch for each set of files that belong together; daemon runs it as a task
Source  spec/metrics-k8s-io.md 12: certificates and authorities are taken anew without a restart
Never   lets what a new file is like end the watch: the old content stays in use

Looking at the time of change does without inotify, whose events differ between a file that is written, one
that is renamed into place, and the link to a folder that Kubernetes swaps under a mounted Secret.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from heapfast.errors import ConfigError

log = logging.getLogger(__name__)

POLL_SECONDS: Final = 5.0

#: What tells one content of a file from the next; None for a file that is not there.
_Signature = tuple[int, int, int] | None


class FileWatch:
    """Some files that are used together.

    Args:
        reload: uses the files as they are now; raises ConfigError and changes nothing when they will not do.
        count: told "reloaded" or "refused" for each change.
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        reload: Callable[[], None],
        count: Callable[[str], None],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._paths = [Path(path) for path in paths]
        self._reload = reload
        self._count = count
        self._sleep = sleep
        self._seen = self._signatures()

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await self._sleep(POLL_SECONDS)
            self.poll()

    def poll(self) -> None:
        """Look once. Files that will not do are tried, and logged, once for each change."""
        signatures = self._signatures()
        if signatures == self._seen:
            return
        self._seen = signatures
        names = ", ".join(map(str, self._paths))
        try:
            self._reload()
        except ConfigError as error:
            self._count("refused")
            log.error("%s changed: %s; the content before stays in use", names, error)
        else:
            self._count("reloaded")
            log.info("%s changed, and is in use", names)

    def _signatures(self) -> list[_Signature]:
        return [_signature(path) for path in self._paths]


def _signature(path: Path) -> _Signature:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
