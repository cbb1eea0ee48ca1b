"""Recordings that live beside the checkout: conformance vectors and fixtures.

In      a path inside the shared folder, such as "conformance/heapster"
Out     where it is on this machine
Callers every test that reads a recording
Never   writes there
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


def shared_path(name: str) -> Path:
    """Finds a recording, or skips the test and says what would run it."""
    root = Path(os.environ.get("HEAPFAST_SHARED") or REPOSITORY.parent / "shared")
    path = root / name
    if not path.exists():
        pytest.skip(f"NO RECORDINGS: {path} does not exist; HEAPFAST_SHARED names the folder that has {name}")
    return path
