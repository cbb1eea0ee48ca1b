"""What is set for the whole process: open files, freed memory, turns of the interpreter, pauses of the collector.

In      nothing
Out     a higher limit of open files; memory that goes back once it is free; a collector with little to look at
Callers daemon
Source  mallopt(3), glibc; madvise(2), Linux; gc of the standard library
Never   fails the daemon: a system that lacks one of these goes without it
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import mmap
import resource
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final

#: From mallopt(3). Blocks of this size and more are mappings of their own, which go back when they are freed: columns
#: of a large cluster, but no answers of kubelets, which come by the thousand.
M_MMAP_THRESHOLD: Final = -3
MMAP_THRESHOLD_BYTES: Final = 1024 * 1024

#: From mallopt(3). So much may lie free at the end of the heap, so that the next answer finds its pages there.
M_TRIM_THRESHOLD: Final = -1
TRIM_THRESHOLD_BYTES: Final = 8 * 1024 * 1024

#: From mallopt(3). The heap grows by so much more than is wanted at the moment; glibc's own value.
M_TOP_PAD: Final = -2
TOP_PAD_BYTES: Final = 128 * 1024

#: The same until all targets are connected: OpenSSL's buffers are a little larger, a record's each, and find no room in
#: the heap.
START_MMAP_THRESHOLD_BYTES: Final = 16 * 1024
START_TRIM_THRESHOLD_BYTES: Final = 64 * 1024
START_TOP_PAD_BYTES: Final = 8 * 1024

#: From mallopt(3). One heap for all threads: they allocate columns, by the dozen a tick, and hardly wait for it.
M_ARENA_MAX: Final = -8
ARENAS: Final = 1

#: How long a thread may run Python while another one waits to.
SWITCH_SECONDS: Final = 0.001

#: How often what has come is frozen, and what is free given back, while the daemon starts.
START_STEP_SECONDS: Final = 1.0

#: So many times more after the start: by then every target has been asked a few times.
LAST_STEPS: Final = 60

#: What is mapped where, by proc_pid_maps(5).
MAPS: Final = Path("/proc/self/maps")

#: When the collector looks at each generation, as the interpreter has it.
_THRESHOLDS: Final = gc.get_threshold()

#: Of the oldest generation: never by itself.
_NEVER: Final = 2**31 - 1


def raise_file_limit() -> None:
    """As many open files as the system lets us have: one a node, and one a client."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def shorten_turns() -> None:
    """Threads that run Python hand the interpreter to the loop after a millisecond; unasked, they keep it for five.

    While a thread parsed a selector of 229 KB in Python, as it was done then, the loop's longest turn fell from 10 ms
    (median of 15) to 7 ms by it.
    """
    sys.setswitchinterval(SWITCH_SECONDS)


def return_freed_memory() -> None:
    """Has glibc give large blocks back when they are freed; other C libraries do so unasked.

    glibc raises its threshold to the size of the largest block that was ever freed. Columns of 300,000 containers
    then lie between small blocks in heaps that never shrink: with 5,000 nodes that was some 105 MiB of 847, and no CPU
    time was gained by it.

    Until all targets are connected blocks of 16 KB and more go back as well. Each handshake frees some buffers of that
    size when small blocks lie behind them that live as long as the connection does. 5,000 of them left 75 MiB of holes,
    and answers went round through all of these. Since a block is made a mapping only where the heap has no room for it,
    the heap grows by little more than is wanted meanwhile. `trim_heap` ends this: each answer pays for its mappings.

    The end of the heap went back as soon as 128 KB were free there, and the next answer had to be given each page anew:
    to receive and drop 400 KB cost 310 us of page faults, and costs 10 us now.

    Unasked, each thread has a heap of its own, and what one frees there is of no use to the others: with 5,000 nodes
    that was 12 MiB of 437.
    """
    mallopt = _from_libc("mallopt")
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, START_MMAP_THRESHOLD_BYTES)
        mallopt(M_TRIM_THRESHOLD, START_TRIM_THRESHOLD_BYTES)
        mallopt(M_TOP_PAD, START_TOP_PAD_BYTES)
        mallopt(M_ARENA_MAX, ARENAS)


async def keep_collections_short(
    has_started: Callable[[], bool], sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
) -> None:
    """Takes what lives for good out of the collector's sight, until the start is over.

    A full collection walks through all that is tracked: with 150,000 pods 85 to 160 ms on the loop, once at the end
    of the start and seven times while pods were listed. So there is none during the start. What has come is frozen
    every second instead, after a look at the young generations alone (4 ms at most). Cycles of that time that were
    garbage already, and had outlived the young generations, stay in memory. Afterwards the collector works as ever,
    on what is not frozen.

    Args:
        has_started: whether everything that lives for good is about to be there.
    """
    gc.set_threshold(*_THRESHOLDS[:2], _NEVER)
    try:
        async for _ in _steps_of_start(has_started, sleep):
            gc.collect(1)
            gc.freeze()
    finally:
        gc.set_threshold(*_THRESHOLDS)


async def let_go_of_code(
    has_started: Callable[[], bool], sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
) -> None:
    """Unmaps the pages of code that the start has run, once it is over; those that run again are mapped again.

    The system maps a page of a library with its fifteen neighbours at the first touch, and takes none back before
    memory is short. After the start of 130 libraries 29 MiB of files were resident (1,000 nodes); 16.5 MiB were 45 s
    after this. The pages stay in the page cache, from where one comes back without a read. Nobody writes code, so that
    nothing is lost, and nobody unloads a library, so that an address is what it was; data is not touched.

    Args:
        has_started: whether there is a batch: lists are read by then, and targets connected.
    """
    madvise = _from_libc("madvise")
    if madvise is None or not MAPS.exists():
        return
    async for _ in _steps_of_start(has_started, sleep):
        if has_started():
            break
    await asyncio.to_thread(_let_go_of_code, madvise)


def _let_go_of_code(madvise: Callable[..., int]) -> None:
    for line in MAPS.read_text().splitlines():
        span, access, _, _, inode = line.split()[:5]
        if access == "r-xp" and inode != "0":
            start, end = (int(address, 16) for address in span.split("-"))
            madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), mmap.MADV_DONTNEED)


async def trim_heap(
    has_started: Callable[[], bool], sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
) -> None:
    """Gives back what lies free between what lives for good, until the start is over; glibc only.

    All targets are asked for the first time at once. What handshakes and lists took for a moment then lay between
    connections and texts for ever: 29 MiB of 467 with 5,000 nodes. Afterwards there is as much of everything at a time
    as there was before, and it finds its place. In steps, for the loop's sake: 20 MiB take 3.5 ms.

    With the first batch all targets are connected, and the heap gets room for the buffers of answers. With mappings for
    them a scrape of 5,000 nodes took 177 us of CPU, and 116 without, in the same half minute on one machine.

    Args:
        has_started: whether there is a batch.
    """
    trim, mallopt = _from_libc("malloc_trim"), _from_libc("mallopt")
    if trim is None or mallopt is None:
        return
    are_all_connected = False
    async for _ in _steps_of_start(has_started, sleep):
        if has_started() and not are_all_connected:
            are_all_connected = True
            mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES)
            mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD_BYTES)
            mallopt(M_TOP_PAD, TOP_PAD_BYTES)
        trim(TRIM_THRESHOLD_BYTES if are_all_connected else 0)


def _from_libc(name: str) -> Callable[..., int] | None:
    return getattr(ctypes.CDLL(None), name, None)


async def _steps_of_start(
    has_started: Callable[[], bool], sleep: Callable[[float], Awaitable[object]]
) -> AsyncIterator[None]:
    left = LAST_STEPS
    while left:
        yield
        left -= has_started()
        await sleep(START_STEP_SECONDS)
