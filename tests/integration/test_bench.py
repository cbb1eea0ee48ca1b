"""A whole turn of `heapfast bench compare` on a small cluster: everything that it counts is counted."""

from __future__ import annotations

import msgspec
import pytest

from bench.compare.rounds import CompareResults, compare
from bench.compare.servers import parse_server
from bench.compare.summary import summarise, table_of
from bench.compare.turn import FRESHNESS, Routine
from bench.load.profiles import PROFILES
from bench.scenarios import Scenario

SCENARIO = Scenario(name="tiny", nodes=3, pods_per_node=20, containers=2, namespaces=3, resolution_seconds=5)
ROUTINE = Routine(quiet_resolutions=1, load_seconds=4.0, newcomers=1)


@pytest.mark.timeout(240)
async def test_a_server_goes_through_its_turn_and_one_that_cannot_is_named_with_its_reason() -> None:
    servers = [parse_server("heapfast-heapster"), parse_server("broken:heapster=false")]
    results = [found async for found in compare(servers, SCENARIO, ROUTINE, 1, lambda text: None)][-1]
    assert set(results.failed) == {"broken"}
    assert "ended with 1" in results.failed["broken"]
    (turn,) = results.turns
    assert turn.scrapes == turn.scrapes_due == 3
    assert turn.quiet_cpu_seconds is not None
    assert turn.load_cpu_seconds is not None
    assert 0 < turn.quiet_cpu_seconds < turn.quiet_seconds
    assert turn.quiet_rss_max_bytes is not None
    assert turn.quiet_rss_max_bytes > 10**7
    assert {stream.name for stream in turn.streams} == {spec.name for spec in PROFILES["everyone"]} | {FRESHNESS}
    assert all(not stream.errors for stream in turn.streams), [stream.errors for stream in turn.streams]
    assert turn.ages is not None
    assert turn.ages.unknown == 0
    assert 0 < turn.ages.p50 < 40
    assert len(turn.newcomers) == 1
    assert msgspec.json.decode(msgspec.json.encode(results), type=CompareResults) == results
    assert summarise(results)[0].newcomers == 1
    assert table_of(results).row_count > 10
