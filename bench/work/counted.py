"""Runs kernels under valgrind, each inside a call that valgrind knows by name.

In      names of kernels; `python -m bench.work.counted NAME...` under callgrind
Out     callgrind's own files, one dump a kernel, in order
Callers counting.py
Source  valgrind's manual: --toggle-collect and --dump-after; Python's C API: PyNumber_MatrixMultiply
Never   is run for anything but to be counted

The operator @ is a marker: the interpreter calls PyNumber_MatrixMultiply for it, through a table, on every version and
build, and nothing else in the process multiplies matrices. So what is counted is the kernel and the call of it,
whatever the kernel's own symbols are called.
"""

from __future__ import annotations

import gc
import sys
from typing import Final

from bench.work.kernels import Run, prepare

MARKER: Final = "PyNumber_MatrixMultiply"


class Marked:
    """`Marked(run) @ None` runs it once."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def __matmul__(self, other: None) -> object:
        return self._run()


def main() -> None:
    gc.disable()
    for name in sys.argv[1:]:
        marked = Marked(prepare(name))
        gc.collect()
        marked @ None


if __name__ == "__main__":
    main()
