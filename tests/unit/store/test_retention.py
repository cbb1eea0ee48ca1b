"""How long batches stay readable, and which of their points an interval has: spec 6.1 and 8.10."""

from __future__ import annotations

import pytest

from heapfast.catalog.keys import Kind
from tests.unit.store.engines import ENGINES, Compiled, Engine, Naive, Series, put
from tests.unit.store.rows import SECOND_NS, T0_NS, Node, node, resource

N1 = "n1"
EVER = {"start_ns": 0, "end_ns": T0_NS * 2}


@pytest.fixture(params=ENGINES, ids=lambda engine: engine.name)
def engine(request: pytest.FixtureRequest) -> Engine:
    new_engine: type[Naive] | type[Compiled] = request.param
    return new_engine()


def _batch(engine: Engine, slot: int, timestamp_ns: int, now_ns: int, value: int = 1) -> None:
    rows = [
        node(
            metrics={"memory/usage": value, "memory/rss": value},
            resources=[resource("filesystem", "/", usage=value)],
            at=timestamp_ns,
        )
    ]
    engine.ingest(rows, slot, now_ns)
    engine.tick(timestamp_ns, now_ns)


def _short(engine: Engine) -> Series:
    return engine.series("memory/rss", Kind.NODE, N1, **EVER)


def _long(engine: Engine) -> Series:
    return engine.series("memory/usage", Kind.NODE, N1, **EVER)


def test_batch_leaves_when_a_later_one_comes_and_it_is_140_s_old(engine: Engine) -> None:
    """T-01."""
    slot = put(engine, [Node()])[N1]
    sizes = []
    for age in (160, 141, 139, 80, 20):
        _batch(engine, slot, T0_NS - age * SECOND_NS, T0_NS)
        sizes.append(len(_short(engine)))
    assert sizes == [1, 1, 1, 2, 3]


def test_batch_leaves_at_exactly_its_retention(engine: Engine) -> None:
    slot = put(engine, [Node()])[N1]
    _batch(engine, slot, T0_NS, T0_NS)
    _batch(engine, slot, T0_NS + SECOND_NS, T0_NS + 140 * SECOND_NS - 1)
    assert len(_short(engine)) == 2
    _batch(engine, slot, T0_NS + 2 * SECOND_NS, T0_NS + 140 * SECOND_NS)
    assert [at for at, _ in _short(engine)] == [T0_NS + SECOND_NS, T0_NS + 2 * SECOND_NS]


def test_interval_has_both_its_ends(engine: Engine) -> None:
    """T-03."""
    slot = put(engine, [Node()])[N1]
    for number in range(3):
        at = T0_NS + number * 20 * SECOND_NS
        _batch(engine, slot, at, at, value=number)
    middle = T0_NS + 20 * SECOND_NS
    for metric in ("memory/usage", "memory/rss"):
        assert engine.series(metric, Kind.NODE, N1, start_ns=middle, end_ns=middle) == [(middle, 1)]
        assert engine.series(metric, Kind.NODE, N1, start_ns=middle + 1, end_ns=middle + 1) == []
        assert [v for _, v in engine.series(metric, Kind.NODE, N1, start_ns=middle, end_ns=middle * 2)] == [1, 2]
        assert [v for _, v in engine.series(metric, Kind.NODE, N1, start_ns=0, end_ns=middle)] == [0, 1]


@pytest.mark.parametrize(("late_seconds", "short", "long"), [(8, 3, 15), (25, 2, 15)], ids=["T-04", "T-05"])
def test_lateness_decides_how_many_batches_stay(engine: Engine, late_seconds: int, short: int, long: int) -> None:
    slot = put(engine, [Node()])[N1]
    for number in range(20):
        at = T0_NS + number * 60 * SECOND_NS
        _batch(engine, slot, at, at + late_seconds * SECOND_NS, value=number)
    assert len(_short(engine)) == short
    assert [value for _, value in _long(engine)] == list(range(20 - long, 20))


def test_labels_of_a_resource_match_whole(engine: Engine) -> None:
    """T-06, the other way round: fewer, more and other labels than the entry has."""
    slot = put(engine, [Node()])[N1]
    _batch(engine, slot, T0_NS, T0_NS, value=7)

    def read(**labels: str) -> Series:
        return engine.resource_series("filesystem/usage", labels, Kind.NODE, N1, **EVER)

    assert read(resource_id="/") == [(T0_NS, 7)]
    assert read() == []
    assert read(resource_id="/", x="y") == []
    assert read(resource_id="logs") == []
    assert read(x="/") == []


def test_names_outlive_their_batch_in_the_short_class_only(engine: Engine) -> None:
    slot = put(engine, [Node()])[N1]
    _batch(engine, slot, T0_NS, T0_NS)
    later = T0_NS + 200 * SECOND_NS
    engine.tick(later, later)
    found = engine.store.find(Kind.NODE, N1)
    assert engine.store.metric_names(Kind.NODE, found) == []
    assert _short(engine) == []
    assert len(_long(engine)) == 1


def test_empty_store_has_no_newest_batch(engine: Engine) -> None:
    before = engine.store.newest
    engine.tick(T0_NS, T0_NS)
    assert before is None
    assert engine.store.newest.timestamp_ns == T0_NS


@pytest.mark.parametrize("new_engine", ENGINES, ids=lambda engine: engine.name)
def test_retention_and_its_metrics_can_be_chosen(new_engine: type[Naive] | type[Compiled]) -> None:
    engine = new_engine(
        short_retention_ns=10 * SECOND_NS, long_retention_ns=100 * SECOND_NS, long_metrics=("memory/rss",)
    )
    slot = put(engine, [Node()])[N1]
    for number in range(4):
        at = T0_NS + number * 40 * SECOND_NS
        _batch(engine, slot, at, at, value=number)
    assert [value for _, value in engine.series("memory/rss", Kind.NODE, N1, **EVER)] == [1, 2, 3]
    assert [value for _, value in engine.series("memory/usage", Kind.NODE, N1, **EVER)] == [3]
