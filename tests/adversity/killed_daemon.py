"""The daemon as a process that is there to be killed: it ticks four times a second, and says what it has written.

In      a data dir, and the flags of a daemon
Out     a line "written STAMP" on standard output for each batch that is in its file
Callers test_kill.py
Never   does anything else than the daemon does
"""

from __future__ import annotations

import os
import sys

import msgspec

from heapfast import daemon
from heapfast._batch import Batch
from heapfast.cli import _start_logging
from heapfast.config.build import build_options
from heapfast.store.segment_writer import SegmentFolder

RESOLUTION_NS = 250_000_000

append = SegmentFolder.append


def append_and_say(self: SegmentFolder, batch: Batch) -> int:
    written = append(self, batch)
    os.write(1, f"written {batch.timestamp_ns}\n".encode())
    return written


SegmentFolder.append = append_and_say  # type: ignore[method-assign]
options = msgspec.structs.replace(build_options(sys.argv[1:], {}), resolution_ns=RESOLUTION_NS)
_start_logging(options)
daemon.run(options)
