"""Counts the instructions of kernels with valgrind, and compares them with those that are written down.

In      names of kernels; baselines.json
Out     counts; Verdict
Callers bench/command.py (`heapfast bench work`), tests/work
Source  valgrind's callgrind; setup.py's release row is the one that counts are about
Never   compares counts of two compilers, Pythons or machines: an unknown one is told, and nothing judged
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from bench.load.runner import ROOT
from bench.provenance import compiler_of
from bench.work.counted import MARKER
from bench.work.kernels import KERNELS
from heapfast import _build, _core

BASELINES: Final = Path(__file__).with_name("baselines.json")
#: More than the noise of a count, and less than anybody would add on purpose without a word. The noise is a hundredth
#: at most, but for lists: where memory is given out decides how often their buffers are copied, which has been 7 %.
TOLERANCE: Final = 0.1
TIMEOUT_SECONDS: Final = 300.0
_CYTHON: Final = re.compile(rb"_cython_(\d+)_(\d+)")
_MAJOR: Final = re.compile(r"(GCC|clang)\D*(?:\([^)]*\) |version )(\d+)")

Baselines = dict[str, dict[str, int]]


class CannotCount(Exception):
    """Why nothing can be counted or judged here, for a person."""


class Verdict(msgspec.Struct, frozen=True):
    """One kernel: its count, and the count that is written down."""

    kernel: str
    counted: int
    baseline: int

    @property
    def ratio(self) -> float:
        return self.counted / self.baseline

    @property
    def has_grown(self) -> bool:
        return self.ratio > 1 + TOLERANCE

    def __str__(self) -> str:
        return f"{self.kernel}: {self.counted:,} instructions, {self.ratio:.3f} of {self.baseline:,}"


def environment() -> str:
    """What counts depend on: machine, compiler, Cython, Python."""
    module = Path(_core.__file__)
    compiler = _MAJOR.search(compiler_of(module))
    cython = _CYTHON.search(module.read_bytes())
    return " ".join(
        (
            platform.machine(),
            f"{compiler[1].lower()}-{compiler[2]}" if compiler else "compiler-unknown",
            f"cython-{int(cython[1])}.{int(cython[2])}" if cython else "cython-unknown",
            f"cpython-{sys.version_info.major}.{sys.version_info.minor}",
        )
    )


def read_baselines() -> Baselines:
    return msgspec.json.decode(BASELINES.read_bytes(), type=Baselines) if BASELINES.exists() else {}


def record(counts: dict[str, int]) -> None:
    """Writes counts down as those of this environment."""
    baselines = read_baselines()
    baselines[environment()] = baselines.get(environment(), {}) | counts
    BASELINES.write_bytes(msgspec.json.format(msgspec.json.encode(baselines, order="sorted")) + b"\n")


def judge(counts: dict[str, int]) -> list[Verdict]:
    """Compares with what is written down.

    Raises:
        CannotCount: nothing is, of this environment.
    """
    known = read_baselines().get(environment())
    if known is None:
        raise CannotCount(
            f"no baseline for {environment()}: bench/work/baselines.json has {', '.join(read_baselines())}; "
            "`heapfast bench work --record` adds one"
        )
    return [Verdict(name, count, known[name]) for name, count in counts.items() if name in known]


def count(names: Sequence[str] = tuple(KERNELS), timeout_seconds: float = TIMEOUT_SECONDS) -> dict[str, int]:
    """Instructions of each kernel, by names as `prepare` of kernels.py takes them.

    Raises:
        CannotCount: there is no valgrind, or heapfast is not built in its release row.
    """
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise CannotCount("valgrind is not installed, and it is what counts instructions")
    if _build.BUILD_ROW != "release":
        raise CannotCount(f"heapfast is built in its {_build.BUILD_ROW} row, and counts are about the release row")
    with tempfile.TemporaryDirectory(prefix="heapfast-work-") as folder:
        out = Path(folder) / "callgrind.out"
        command = [
            valgrind,
            "--tool=callgrind",
            f"--toggle-collect={MARKER}",
            f"--dump-after={MARKER}",
            "--dump-instr=no",
            f"--callgrind-out-file={out}",
            sys.executable,
            "-m",
            "bench.work.counted",
            *names,
        ]
        asked = subprocess.run(
            command, env=_environ(), capture_output=True, text=True, timeout=timeout_seconds, check=False
        )
        if asked.returncode:
            raise RuntimeError(f"cannot count: valgrind ended with {asked.returncode}: {asked.stderr[-2000:]}")
        return {name: _total(out.with_name(f"{out.name}.{number}")) for number, name in enumerate(names, 1)}


def _environ() -> dict[str, str]:
    """As little as the process needs: names and values of the environment move its memory, and counts with it."""
    package = str(Path(_build.__file__).resolve().parents[1])
    return {
        # glibc copies long runs of bytes by one instruction that valgrind counts once a byte: whether a buffer grew in
        # place or was moved would be a twentieth of a list's count.
        "GLIBC_TUNABLES": ":".join(f"glibc.cpu.x86_rep_{what}_threshold={1 << 30}" for what in ("movsb", "stosb")),
        # The package that runs here, and not what may lie in the working directory.
        "PYTHONPATH": os.pathsep.join(dict.fromkeys((package, ROOT))),
        "PYTHONSAFEPATH": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _total(dump: Path) -> int:
    for line in dump.read_text().splitlines():
        if line.startswith(("summary:", "totals:")):
            return int(line.split()[1])
    raise RuntimeError(f"cannot count: {dump.name} has no total")
