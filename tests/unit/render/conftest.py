"""What the tests of metrics.k8s.io's answers stand on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from tests.compiled.build import build_probe
from tests.unit.render.usage import Usage


@pytest.fixture(scope="session")
def new_usage(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Usage]:
    """Makes clusters without anybody in them."""
    probe = build_probe("_usage_probe", tmp_path_factory.mktemp("usage_probe"))
    return partial(Usage, probe.UsageProbe)
