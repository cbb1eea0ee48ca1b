"""The store under churn stays as large as it is."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.shared import REPOSITORY

HOURS = float(os.environ.get("HEAPFAST_SOAK_HOURS", "0"))


@pytest.mark.timeout(HOURS * 3600 + 120)
def test_memory_stays_flat_while_pods_come_and_go() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.soak.store_leaks"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
