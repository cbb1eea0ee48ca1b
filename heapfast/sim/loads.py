"""What each simulated thing uses, as pure functions of time in whole numbers.

In      a seed and a serial number for the load; a load and a time for the value
Out     ContainerLoad, NetworkLoad, and the counters and gauges at a sample time
Callers cluster (expected values), kubelet (hands loads to _bodies, which computes the same in C)
Never   uses floats: a test computes what an answer must be, to the last digit

Time is Unix milliseconds. Counters are `rate * (t - start)`: with samples a whole number of
seconds apart every rate comes out as the very number in the load, however it is divided.
"""

from __future__ import annotations

from typing import Final, NamedTuple

PAGE_BYTES: Final = 4096
#: Memory goes up a step at each sample, and falls back to its base after this many.
MEMORY_STEPS: Final = 16

MASK_64: Final = (1 << 64) - 1


class ContainerLoad(NamedTuple):
    """What a container, a system container or a node uses.

    Memory is in pages so that values look like a kernel's; `memory_phase` (0-15) shifts the steps.
    """

    cpu_millicores: int
    working_set_pages: int
    step_pages: int
    memory_phase: int
    cache_pages: int
    rss_pages: int
    page_faults_per_second: int
    major_page_faults_per_kilosecond: int
    rootfs_pages: int
    logs_pages: int


class NetworkLoad(NamedTuple):
    """What the default interface of a pod or a node carries."""

    rx_bytes_per_second: int
    tx_bytes_per_second: int
    rx_errors_per_kilosecond: int
    tx_errors_per_kilosecond: int


def mix(*values: int) -> int:
    """64 well-mixed bits of the given integers, the same on every machine (splitmix64 steps)."""
    state = 0x9E3779B97F4A7C15
    for value in values:
        state = (state ^ value) * 0xBF58476D1CE4E5B9 & MASK_64
        state = (state ^ (state >> 27)) * 0x94D049BB133111EB & MASK_64
        state ^= state >> 31
    return state


def container_load(*key: int) -> ContainerLoad:
    """The load of the container with this key: 1 to 256 millicores, 16 to 528 MiB."""
    a, b = mix(*key, 1), mix(*key, 2)
    working_set_pages = 4096 + a % 131072
    return ContainerLoad(
        cpu_millicores=1 + (a >> 20) % 256,
        working_set_pages=working_set_pages,
        step_pages=(a >> 30) % 64,
        memory_phase=(a >> 40) % MEMORY_STEPS,
        cache_pages=(a >> 44) % 32768,
        rss_pages=working_set_pages * 3 // 4,
        page_faults_per_second=b % 200,
        major_page_faults_per_kilosecond=(b >> 10) % 8,
        rootfs_pages=1 + (b >> 20) % 20000,
        logs_pages=1 + (b >> 40) % 500,
    )


def network_load(*key: int) -> NetworkLoad:
    """The load of the interface with this key: up to 1 MB/s a way, an error now and then."""
    bits = mix(*key, 3)
    return NetworkLoad(
        rx_bytes_per_second=1 + bits % 1_000_000,
        tx_bytes_per_second=1 + (bits >> 20) % 1_000_000,
        rx_errors_per_kilosecond=(bits >> 40) % 4,
        tx_errors_per_kilosecond=(bits >> 44) % 4,
    )


def sample_ms(now_ms: int, offset_ms: int, sampling_ms: int) -> int:
    """When the newest sample at `now_ms` was taken by something that samples at `offset_ms` of each round."""
    return now_ms - (now_ms - offset_ms) % sampling_ms


def cpu_usage_ns(load: ContainerLoad, start_ms: int, at_ms: int) -> int:
    """CPU time used since the start; one millicore is 1,000 ns a millisecond."""
    return load.cpu_millicores * (at_ms - start_ms) * 1000


def working_set_bytes(load: ContainerLoad, at_ms: int, sampling_ms: int) -> int:
    step = (at_ms // sampling_ms + load.memory_phase) % MEMORY_STEPS
    return PAGE_BYTES * (load.working_set_pages + load.step_pages * step)


def memory_usage_bytes(load: ContainerLoad, at_ms: int, sampling_ms: int) -> int:
    return working_set_bytes(load, at_ms, sampling_ms) + PAGE_BYTES * load.cache_pages


def swap_bytes(load: ContainerLoad) -> int:
    """What has been swapped out; it stays as it is."""
    return PAGE_BYTES * (load.cache_pages // 8)


def per_second(rate: int, start_ms: int, at_ms: int) -> int:
    """A counter that grows by `rate` a second."""
    return rate * (at_ms - start_ms) // 1000


def per_kilosecond(rate: int, start_ms: int, at_ms: int) -> int:
    """A counter that grows by `rate` every 1,000 seconds."""
    return rate * (at_ms - start_ms) // 1_000_000
