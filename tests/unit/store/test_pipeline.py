"""Every numbered example of the pipeline's specification, on every store."""

from __future__ import annotations

from typing import Any

import pytest

from heapfast.catalog.keys import Kind
from heapfast.errors import StoreError
from tests.unit.store import golden
from tests.unit.store.aggregation_cases import AGGREGATION_CASES
from tests.unit.store.cases import Case, Want
from tests.unit.store.engines import ENGINES, Compiled, Engine, Naive, Sets, put
from tests.unit.store.enricher_cases import ENRICHER_CASES
from tests.unit.store.node_cases import NODE_CASES
from tests.unit.store.rate_cases import RATE_CASES, RateCase
from tests.unit.store.rows import SECOND_NS, T0_NS, Node, container, pod

C = "namespace:shop/pod:web/container:c"


@pytest.fixture(params=ENGINES, ids=lambda engine: engine.name)
def engine(request: pytest.FixtureRequest) -> Engine:
    new_engine: type[Naive] | type[Compiled] = request.param
    return new_engine()


def _labeled(metric_set: dict[str, Any]) -> dict[tuple[str, str], int | float]:
    return {(entry["name"], entry["labels"]["resource_id"]): entry["value"] for entry in metric_set["labeled"]}


def _rates(metric_set: dict[str, Any]) -> dict[str, int | float]:
    return {metric: value for metric, value in metric_set["metrics"].items() if metric.endswith("_rate")}


def _without_uptime(metric_set: dict[str, Any]) -> dict[str, int | float]:
    return {metric: value for metric, value in metric_set["metrics"].items() if metric != "uptime"}


@pytest.mark.parametrize("case", RATE_CASES, ids=lambda case: case.name)
def test_rate_of_two_samples(engine: Engine, case: RateCase) -> None:
    slot = put(engine, [Node()])["n1"]
    new_at = case.old_at + case.elapsed_ns
    old = container("shop", "web", "c", case.old, at=case.old_at, start=case.old_start) | (case.more_old or {})
    new = container("shop", "web", "c", case.new, at=new_at, start=case.new_start) | (case.more_new or {})

    engine.ingest([old], slot, T0_NS)
    engine.tick(T0_NS, T0_NS)
    engine.ingest([new], slot, T0_NS + 60 * SECOND_NS)
    got = engine.tick(T0_NS + 60 * SECOND_NS, T0_NS + 60 * SECOND_NS)[C]

    rates = _rates(got)
    assert rates == case.rates
    assert {name: type(rate) for name, rate in rates.items()} == {
        name: int if name == "cpu/usage_rate" else float for name in case.rates
    }
    assert {entry: rate for entry, rate in _labeled(got).items() if entry[0].endswith("_rate")} == {
        (name, disk): rate for name, disks in (case.disk_rates or {}).items() for disk, rate in disks.items()
    }


def test_first_batch_has_no_rates(engine: Engine) -> None:
    """R-46."""
    slot = put(engine, [Node()])["n1"]
    engine.ingest([container("shop", "web", "c", {"cpu/usage": 5, "network/rx": 5})], slot, T0_NS)
    assert _rates(engine.tick(T0_NS, T0_NS)[C]) == {}


def test_batch_that_is_not_newer_is_refused_and_not_remembered(engine: Engine) -> None:
    """R-41: batches stamped 60, 180, 120 and 240 s, in this order."""
    slot = put(engine, [Node()])["n1"]
    rates = []
    for stamp, used in ((60, 0), (180, 12_000_000_000), (120, 6_000_000_000), (240, 30_000_000_000)):
        at = T0_NS + stamp * SECOND_NS
        engine.ingest([container("shop", "web", "c", {"cpu/usage": used}, at=at)], slot, at)
        if stamp == 120:
            with pytest.raises(StoreError, match="want later than"):
                engine.tick(at, at)
        else:
            rates.append(engine.tick(at, at)[C]["metrics"].get("cpu/usage_rate"))
    assert rates == [None, 100, 300]


def test_entity_that_missed_a_batch_has_no_rate_after_it(engine: Engine) -> None:
    """R-42."""
    slot = put(engine, [Node()])["n1"]
    sets: Sets = {}
    for stamp in (60, 120, 180):
        at = T0_NS + stamp * SECOND_NS
        row = container("shop", "web", "c", {"cpu/usage": stamp}, at=at)
        engine.ingest([] if stamp == 120 else [row], slot, at)
        sets = engine.tick(at, at)
        assert (C in sets) == (stamp != 120)
    assert _rates(sets[C]) == {}


def test_rate_returns_two_batches_after_a_stub(engine: Engine) -> None:
    """E-14, the batch after."""
    slot = put(engine, [Node()])["n1"]
    for stamp, rate in ((60, None), (120, 1000)):
        at = T0_NS + stamp * SECOND_NS
        engine.ingest([container("shop", "web", "c", {"cpu/usage": stamp * SECOND_NS}, at=at)], slot, at)
        assert engine.tick(at, at)[C]["metrics"].get("cpu/usage_rate") == rate


@pytest.mark.parametrize("case", ENRICHER_CASES + AGGREGATION_CASES + NODE_CASES, ids=lambda case: case.name)
def test_batch_after_the_processors(engine: Engine, case: Case) -> None:
    slot = put(engine, case.objects).get("n1")
    sets: Sets = {}
    for number, rows in enumerate(case.ticks):
        at = T0_NS + number * 60 * SECOND_NS
        if rows:
            assert slot is not None
            engine.ingest(rows, slot, at)
        sets = engine.tick(at, at)

    if case.exactly:
        assert set(sets) == set(case.want)
    for key, want in case.want.items():
        if want is None:
            assert key not in sets
        else:
            _check(sets[key], want)


def _check(got: dict[str, Any], want: Want) -> None:
    for metric, value in want.metrics.items():
        assert got["metrics"].get(metric) == value, metric
    for label, text in want.labels.items():
        assert got["labels"].get(label) == text, label
    if want.only_metrics:
        assert set(_without_uptime(got)) == {metric for metric, value in want.metrics.items() if value is not None}
    if want.only_labels:
        assert set(got["labels"]) == {label for label, text in want.labels.items() if text is not None}
    if want.labeled is not None:
        assert _labeled(got) == want.labeled
    for member, time_ns in (
        ("scrape_time_ns", want.scrape_ns),
        ("create_time_ns", want.create_ns),
        ("start_time_ns", want.start_ns),
    ):
        if time_ns != "any":
            assert got[member] == time_ns, member


def test_golden_scenario(engine: Engine) -> None:
    """Spec 8.13, both cycles."""
    slot = put(engine, golden.OBJECTS)["n1"]
    sets: Sets = {}
    for number, (rows, metrics) in enumerate(zip(golden.TICKS, (golden.FIRST, golden.SECOND), strict=True)):
        at = T0_NS + number * 60 * SECOND_NS
        engine.ingest(rows, slot, at)
        sets = engine.tick(at, at)
        assert {key: _without_uptime(got) for key, got in sets.items()} == {
            key: pytest.approx(values, rel=1e-15) for key, values in metrics.items()
        }
        assert {key: got["labels"] for key, got in sets.items()} == golden.LABELS
        assert {key: _labeled(got) for key, got in sets.items() if got["labeled"]} == golden.LABELED
    for key, times in golden.TIMES.items():
        assert (sets[key]["scrape_time_ns"], sets[key]["create_time_ns"], sets[key]["start_time_ns"]) == times, key


@pytest.mark.parametrize(
    ("start_ns", "uptime"),
    [
        (T0_NS - 90_500_000_000, 90_500),
        (T0_NS - 1, 0),
        (T0_NS - 1_999_999, 1),
        (T0_NS, 0),
        (T0_NS + 1_999_999, -1),
    ],
)
def test_uptime_counts_from_the_start_to_the_ingest(engine: Engine, start_ns: int, uptime: int) -> None:
    """S-17; milliseconds are cut towards zero."""
    slot = put(engine, [Node()])["n1"]
    engine.ingest([pod("shop", "web", start=start_ns)], slot, T0_NS)
    assert engine.tick(T0_NS, T0_NS)["namespace:shop/pod:web"]["metrics"] == {"uptime": uptime}


def test_second_answer_in_one_tick_replaces_the_first(engine: Engine) -> None:
    slot = put(engine, [Node()])["n1"]
    for used in (5, 7):
        engine.ingest([container("shop", "web", "c", {"memory/usage": used}, at=T0_NS + used)], slot, T0_NS)
    sets = engine.tick(T0_NS, T0_NS)
    assert sets[C]["metrics"]["memory/usage"] == 7
    assert sets["namespace:shop"]["metrics"]["memory/usage"] == 7


def test_removed_objects_no_longer_enrich(engine: Engine) -> None:
    slot = put(engine, golden.OBJECTS)["n1"]
    engine.store.remove_pod("shop", "web-1")
    engine.store.remove_namespace("shop")
    engine.ingest(golden.TICKS[0], slot, T0_NS)
    sets = engine.tick(T0_NS, T0_NS)
    assert "cpu/request" not in sets[golden.WEB]["metrics"]
    assert "labels" not in sets[golden.WEB]["labels"]
    assert "namespace_id" not in sets[golden.WEB]["labels"]
    assert sets["namespace:shop"]["labels"]["namespace_id"] == ""
    assert sets["namespace:shop"]["metrics"]["cpu/request"] == 1000


def test_entity_has_names_of_its_metrics_and_of_its_resources(engine: Engine) -> None:
    slot = put(engine, golden.OBJECTS)["n1"]
    for number, rows in enumerate(golden.TICKS):
        at = T0_NS + number * 60 * SECOND_NS
        engine.ingest(rows, slot, at)
        engine.tick(at, at)
    web = engine.store.find(Kind.POD, "shop", "web-1")
    names = {"uptime", *golden.SECOND[golden.WEB], *(name for name, _ in golden.LABELED[golden.WEB])}
    assert engine.store.metric_names(Kind.POD, web) == sorted(names)
