"""Recordings that live beside the checkout: conformance vectors and fixtures.

In      a path inside the shared folder, such as "conformance/heapster"
Out     where it is on this machine; the recordings' own program that compares
Callers every test that reads a recording
Never   writes there
"""

from __future__ import annotations

import importlib.util
import os
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


def shared_path(name: str) -> Path:
    """Finds a recording, or skips the test and says what would run it."""
    root = Path(os.environ.get("HEAPFAST_SHARED") or REPOSITORY.parent / "shared")
    path = root / name
    if not path.exists():
        pytest.skip(f"NO RECORDINGS: {path} does not exist; HEAPFAST_SHARED names the folder that has {name}")
    return path


@cache
def load_matcher(folder: str) -> ModuleType:
    """match.py of a reference's recordings: how an answer is compared with the recorded one."""
    spec = importlib.util.spec_from_file_location("match", shared_path(f"{folder}/match.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
