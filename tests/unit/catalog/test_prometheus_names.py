import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heapfast.catalog.keys import Kind
from heapfast.catalog.metrics import CATALOG
from heapfast.catalog.prometheus_names import (
    ENTITY_LABELS,
    FAMILIES,
    KIND_NAMES,
    PREFIX,
    family_of,
    find_metric,
)
from tests.shared import REPOSITORY

NAME = re.compile("[a-z][a-z0-9_]*")
UNITS_BY_SUFFIX = {"_seconds", "_bytes", "_cores", "_ratio"}

#: metric -> what one of the stored unit is in the family's: held apart from the table that is tested.
CONVERSIONS = {
    ("cpu/usage", 2_500_000_000): 2.5,
    ("uptime", 1500): 1.5,
    ("cpu/usage_rate", 250): 0.25,
    ("cpu/request", 100): 0.1,
    ("cpu/limit", 2000): 2.0,
    ("cpu/node_capacity", 4000): 4.0,
    ("cpu/node_allocatable", 3900): 3.9,
    ("memory/usage", 4096): 4096.0,
    ("memory/node_capacity", 4096): 4096.0,
    ("memory/node_utilization", 0.5): 0.5,
    ("network/rx_rate", 12.5): 12.5,
    ("filesystem/inodes", 7): 7.0,
    ("accelerator/duty_cycle", 40): 0.4,
}


@pytest.mark.parametrize("metric", CATALOG, ids=lambda metric: metric.name)
@pytest.mark.parametrize("kind", KIND_NAMES, ids=lambda kind: kind.name)
def test_every_metric_of_every_kind_has_a_valid_family(kind, metric):
    family = family_of(kind, metric.name)
    assert NAME.fullmatch(family.name)
    assert family.name.startswith(f"{PREFIX}{KIND_NAMES[kind]}_")
    assert (family.type == "counter") == family.name.endswith("_total")
    assert family.openmetrics_name.endswith(f"_{family.unit}" if family.unit else "")
    assert family.labels == ENTITY_LABELS[kind] + metric.labels
    assert len(set(family.labels)) == len(family.labels)
    assert family.help.endswith(".")
    assert "\n" not in family.help
    assert find_metric(family.name) == (kind, metric.name)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)
def test_a_name_that_ends_in_a_unit_declares_it(family):
    name = family.openmetrics_name
    if "_per_second" in name:
        assert not family.unit
        return
    stated = [unit[1:] for unit in UNITS_BY_SUFFIX if name.endswith(unit)]
    assert stated == ([family.unit] if family.unit else [])


def test_no_two_families_share_a_name_in_either_format():
    for names in (
        [family.name for family in FAMILIES.values()],
        [family.openmetrics_name for family in FAMILIES.values()],
    ):
        assert len(set(names)) == len(names) == len(KIND_NAMES) * len(CATALOG)


@pytest.mark.parametrize(("metric", "stored"), CONVERSIONS, ids=[metric for metric, _ in CONVERSIONS])
def test_values_are_divided_into_base_units(metric, stored):
    assert stored / family_of(Kind.NODE, metric).divisor == CONVERSIONS[metric, stored]


def test_what_is_counted_in_bytes_or_nanoseconds_or_milliseconds_keeps_its_dimension():
    wanted = {"bytes": ("bytes", 1), "ns": ("seconds", 10**9), "ms": ("seconds", 1000)}
    for metric in CATALOG:
        if metric.unit and not metric.name.startswith("filesystem/inodes"):
            family = family_of(Kind.POD, metric.name)
            assert (family.unit, family.divisor) == wanted[metric.unit]


@pytest.mark.parametrize(
    ("name", "sample_name"),
    [
        pytest.param("queue_length", "heapfast_container_custom_queue_length", id="plain"),
        pytest.param("qps", "heapfast_container_custom_qps", id="short"),
        pytest.param("http/5xx", "heapfast_container_custom_U__http_2F_5xx", id="slash"),
        pytest.param("a_b.c", "heapfast_container_custom_U__a__b_2E_c", id="underscore and dot"),
        pytest.param("U__x", "heapfast_container_custom_U__U____x", id="looks escaped"),
        pytest.param("größe", "heapfast_container_custom_U__gr_F6__DF_e", id="not ASCII"),
    ],
)
def test_custom_metrics_are_named_both_ways(name, sample_name):
    family = family_of(Kind.POD_CONTAINER, f"custom/{name}")
    assert family.name == sample_name
    assert family.type == "unknown"
    assert find_metric(sample_name) == (Kind.POD_CONTAINER, f"custom/{name}")


@given(name=st.text(min_size=1, max_size=20), kind=st.sampled_from(sorted(KIND_NAMES)))
def test_any_custom_name_is_valid_and_found_again(name, kind):
    family = family_of(kind, f"custom/{name}")
    assert re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", family.name)
    assert find_metric(family.name) == (kind, f"custom/{name}")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("up", id="somebody else's"),
        pytest.param("heapfast_ticks_total", id="a self-metric"),
        pytest.param("heapfast_pod_cpu_usage_seconds", id="no sample"),
        pytest.param("heapfast_pod_custom_", id="no name"),
        pytest.param("heapfast_pod_custom_U__ab", id="escaped without need"),
        pytest.param("heapfast_pod_custom_U___FFFFFF_", id="no such letter"),
        pytest.param("heapfast_pod_custom_a-b", id="not escaped"),
        pytest.param("heapfast_pod_custom_qps\n", id="a line's end"),
    ],
)
def test_other_names_are_nobodys(name):
    assert find_metric(name) is None


def test_resources_are_no_kind_of_their_own():
    with pytest.raises(KeyError):
        family_of(Kind.RESOURCE, "filesystem/usage")
    with pytest.raises(KeyError):
        family_of(Kind.RESOURCE, "custom/qps")


def test_no_self_metric_looks_like_an_entitys():
    kinds = "|".join(KIND_NAMES.values())
    clash = re.compile(f'"{PREFIX}({kinds})_')
    found = [path for path in (REPOSITORY / "heapfast").rglob("*.py") if clash.search(path.read_text())]
    assert found == []


def test_the_documentation_lists_every_metric():
    text = (REPOSITORY / "docs" / "exposition.md").read_text()
    for metric in CATALOG:
        family = family_of(Kind.POD, metric.name)
        ending = family.name.removeprefix(f"{PREFIX}pod_")
        assert re.search(rf"^\| `{metric.name}` \| `{ending}` \| {family.type} \|", text, re.MULTILINE), metric.name
