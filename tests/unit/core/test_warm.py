"""That memory is asked for ahead: no answer tells, only time does."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from heapfast import _core

FOLDER = Path(_core.__file__).parent


@pytest.mark.parametrize("module", ["_warm", "render/_k8s_items"])
def test_the_compiler_keeps_all_that_is_asked_for(module: str) -> None:
    """It drops calls of what it takes for doing nothing: see _prefetch.pxd."""
    objdump = shutil.which("objdump")
    (binary,) = FOLDER.glob(f"{module}.*.so")
    source = FOLDER / f"{module}.pyx"
    if objdump is None or platform.machine() != "x86_64" or not source.exists():
        pytest.skip("SKIPPED: no objdump, no x86-64, or no source beside the binary to count prefetches in")
    code = subprocess.run([objdump, "-d", binary], capture_output=True, text=True, check=True).stdout
    asked_for = len(re.findall(r"^ +prefetch\(", source.read_text(), re.MULTILINE))
    assert asked_for > 0
    assert len(re.findall(r"\sprefetch\w* ", code)) >= asked_for
