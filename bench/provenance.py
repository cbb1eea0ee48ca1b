"""Where a figure comes from: without it a figure is a rumour.

In      nothing; the running process, its package and machine
Out     Provenance: commit, machine, Python, compiler, build row, load average
Callers bench/micro/command.py, bench/macro/daemon.py, bench/compare/rounds.py
Never   guesses: what nothing says is "unknown"
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from heapfast import _build

UNKNOWN = "unknown"
_PACKAGE = Path(_build.__file__).parent
#: What compilers leave in an object file's .comment section.
_COMPILER = re.compile(rb"GCC: \([^)\0]*\) [0-9.]+|clang version [0-9.]+[^\0]*")


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """One run's.

    Attributes:
        taken: when, UTC.
        commit: of the package that was measured.
        is_modified: package or benches differ from that commit; None where there is no checkout to ask.
        cpu, cores, memory_mb, kernel: the machine's. A container may get less than that.
        compiler: that made the extension modules, as they say themselves.
        build_row: of setup.py's table.
        load_average: of the last minute, before the run: what others did to it.
    """

    taken: str
    commit: str
    is_modified: bool | None
    cpu: str
    cores: int
    memory_mb: int
    kernel: str
    python: str
    compiler: str
    build_row: str
    load_average: float


def provenance() -> Provenance:
    """The running process's, now."""
    commit, is_modified = _commit()
    return Provenance(
        taken=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=commit,
        is_modified=is_modified,
        cpu=_cpu(),
        cores=os.cpu_count() or 1,
        memory_mb=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 10**6,
        kernel=f"{platform.system()} {platform.release()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        compiler=compiler_of(Path(_build.__file__)),
        build_row=_build.BUILD_ROW,
        load_average=round(os.getloadavg()[0], 2),
    )


def compiler_of(module: Path) -> str:
    """Who compiled an extension module."""
    found = _COMPILER.search(module.read_bytes())
    return found[0].decode("ascii", "replace") if found else UNKNOWN


def _commit() -> tuple[str, bool | None]:
    # An installed package says which commit it was built of; a checkout is asked.
    stated = _PACKAGE / "commit.txt"
    if stated.exists():
        return stated.read_text().strip(), None
    head, changed = _git("rev-parse", "HEAD"), _git("status", "--porcelain", "--", "heapfast", "bench/*.py", "setup.py")
    return head or UNKNOWN, None if changed is None else bool(changed)


def _git(*words: str) -> str | None:
    try:
        asked = subprocess.run(["git", *words], cwd=_PACKAGE.parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return asked.stdout.strip()


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or UNKNOWN
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), UNKNOWN)
