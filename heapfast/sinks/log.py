"""The log: every batch as text, for people.

In      log
Out     records of at most some 64 KiB on heapfast's own log
Callers kinds.py
Source  spec/heapster-pipeline.md 7.8
Never   holds the loop while standard error is slow
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Final

import msgspec

from heapfast.sinks._log import LogWriter
from heapfast.sinks.sink import Chunk

if TYPE_CHECKING:
    from heapfast._batch import Batch
    from heapfast.sinks.sink import Chunks, SinkUri

log = logging.getLogger(__name__)

RECORD_BYTES: Final = 64 << 10


class LogSpec(msgspec.Struct, frozen=True, kw_only=True):
    """There is nothing to say."""

    def build(self, executor: Executor) -> LogSink:
        return LogSink(executor)


def read_log(uri: SinkUri) -> LogSpec:
    """Reads the options of one --sink=log: there are none."""
    return LogSpec()


class LogSink:
    """The log of this process."""

    name = "Log Sink"
    place = "the log"

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def chunks(self, batch: Batch) -> Chunks:
        return LogChunks(LogWriter(batch))

    async def send(self, payload: bytes) -> None:
        await asyncio.get_running_loop().run_in_executor(self._executor, log.info, "%s", payload.decode())

    async def close(self) -> None:
        pass


class LogChunks:
    """One batch in records that a log can take."""

    def __init__(self, writer: LogWriter) -> None:
        self._writer = writer

    def read(self) -> Chunk | None:
        return self._writer.read(at_least_bytes=RECORD_BYTES)
