"""Real servers that several tests of a file share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import store_servers


@pytest.fixture(scope="module")
def influxdb_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Host and port of an InfluxDB 1.x."""
    with store_servers.influxdb(tmp_path_factory.mktemp("influxdb")) as host:
        yield host


@pytest.fixture(scope="module", params=["prometheus", "victoria_metrics", "thanos"])
def remote_store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[store_servers.RemoteStore]:
    """A server that takes remote writes and PromQL."""
    folder: Path = tmp_path_factory.mktemp(request.param)
    with getattr(store_servers, request.param)(folder) as store:
        yield store
