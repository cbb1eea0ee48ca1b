"""The cluster once more: a number's age is told by its value, and a wrong number is found."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.load.model import Model, TooOld, Usage, WrongAnswer, read_pod, read_pods
from bench.load.quantity import parse_quantity
from heapfast.sim import loads
from heapfast.sim.cluster import Cluster, Pod
from heapfast.sim.options import SimulateOptions

OPTIONS = SimulateOptions(nodes=4, pods_per_node=30, containers=2, namespaces=3, seed=5)
NOW_MS = 1_800_000_000_000
MODEL = Model(OPTIONS)


def usages_of(cluster: Cluster, pod: Pod, at_ms: int) -> dict[str, Usage]:
    """What a kubelet that is asked now says of a pod."""
    values = cluster.expected_pod(pod.workload.namespace, pod.name, at_ms).containers
    return {name: Usage(value.cpu_millicores, value.working_set_bytes) for name, value in values.items()}


@given(behind_ms=st.integers(0, 140_000), later_ms=st.integers(0, 9_000), serial=st.integers(0, 99))
def test_the_value_alone_says_how_old_a_number_is(behind_ms: int, later_ms: int, serial: int) -> None:
    # A server that scraped `behind_ms` ago, in a cluster that was made at another time than the model.
    cluster = Cluster(OPTIONS, NOW_MS)
    pod = MODEL.draw_pods(100, seed=1)[serial % 90]
    scraped_ms = NOW_MS + 500_000
    read_ms = scraped_ms + behind_ms + later_ms
    age = MODEL.age(pod, usages_of(cluster, cluster.pods.items[pod.key], scraped_ms), read_ms)
    assert age is not None
    index = next(i for i in range(2) if cluster.container_load(pod, i).step_pages)
    name = pod.workload.containers[index].name
    sampled_ms = cluster.expected_container(pod.workload.namespace, pod.name, name, scraped_ms).sample_ms
    newest_ms = cluster.expected_container(pod.workload.namespace, pod.name, name, read_ms).sample_ms
    assert age.since_sample_ms == read_ms - sampled_ms
    if newest_ms == sampled_ms:
        assert age.overdue_ms == 0
    else:
        assert age.overdue_ms == read_ms - sampled_ms - cluster.sampling_ms


def test_the_kubelets_newest_number_is_not_overdue() -> None:
    cluster = Cluster(OPTIONS, NOW_MS)
    pod = MODEL.draw_pods(1, seed=1)[0]
    age = MODEL.age(pod, usages_of(cluster, cluster.pods.items[pod.key], NOW_MS), NOW_MS + 0.5)
    assert age is not None
    assert age.overdue_ms == 0
    assert age.since_sample_ms < cluster.sampling_ms + 1


def test_a_number_of_no_sample_has_no_age() -> None:
    pod = MODEL.draw_pods(1, seed=1)[0]
    wrong = {spec.name: Usage(1.0, loads.PAGE_BYTES * 7 + 1) for spec in pod.workload.containers}
    assert MODEL.age(pod, wrong, NOW_MS) is None
    assert MODEL.age(pod, {}, NOW_MS) is None


def everything(at_ms: int) -> dict[tuple[str, str], dict[str, Usage]]:
    cluster = Cluster(OPTIONS, NOW_MS)
    return {(pod.workload.namespace, pod.name): usages_of(cluster, pod, at_ms) for pod in cluster.pods.items.values()}


def test_a_list_of_right_numbers_passes() -> None:
    MODEL.check(everything(NOW_MS), NOW_MS, oldest_ms=11_000)


def test_a_pod_that_is_missing_is_found() -> None:
    usages = everything(NOW_MS)
    usages.popitem()
    with pytest.raises(WrongAnswer, match="1 of 120 pods are not in the answer"):
        MODEL.check(usages, NOW_MS, oldest_ms=11_000)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda usage: usage._replace(cpu_millicores=usage.cpu_millicores + 2), "millicores"),
        (lambda usage: usage._replace(memory_bytes=usage.memory_bytes + 1), "at no sample|bytes, want"),
    ],
    ids=["CPU", "memory"],
)
def test_a_wrong_number_is_found(wrong: object, says: str) -> None:
    usages = everything(NOW_MS)
    pod = MODEL.draw_pods(1, seed=1)[0]
    found = usages[(pod.workload.namespace, pod.name)]
    assert callable(wrong)
    found["main"] = wrong(found["main"])
    with pytest.raises(WrongAnswer, match=says):
        MODEL.check(usages, NOW_MS, oldest_ms=11_000)


def test_numbers_that_are_too_old_are_found() -> None:
    with pytest.raises(TooOld, match="ms old, want at most"):
        MODEL.check(everything(NOW_MS), NOW_MS + 60_000, oldest_ms=50_000)


def test_a_pod_that_is_not_in_the_cluster_is_found_and_one_that_was_replaced_may_have_another_name() -> None:
    usages = everything(NOW_MS)
    old = next(pod for pod in MODEL.cluster.pods.items.values() if not pod.workload.is_stateful)
    usages[(old.workload.namespace, "another")] = usages.pop((old.workload.namespace, old.name))
    with pytest.raises(WrongAnswer):
        MODEL.check(usages, NOW_MS, oldest_ms=11_000)
    model = Model(OPTIONS)
    model.replaced.add(old.key)
    model.check(usages, NOW_MS, oldest_ms=11_000)
    assert old.key not in {pod.key for pod in model.draw_pods(1_000, seed=1)}


def test_workloads_have_all_pods() -> None:
    assert sum(count for _, _, count in MODEL.workloads()) == 120


def test_an_answer_of_either_api_is_read() -> None:
    pod = {
        "metadata": {"name": "web-0", "namespace": "shop", "creationTimestamp": "2026-11-30T14:42:43Z"},
        "timestamp": "2026-11-30T14:42:34Z",
        "containers": [{"name": "main", "usage": {"cpu": "250013137n", "memory": "20Mi"}}],
    }
    want = {"main": Usage(250.013137, 20 << 20)}
    assert read_pod(msgspec.json.encode(pod)) == want
    assert read_pods(msgspec.json.encode({"items": [pod]})) == {("shop", "web-0"): want}
    assert read_pods(b'{"metadata": {}, "items": null}') == {}


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"items": [{"metadata": {}}]}'], ids=["nothing", "html", "nameless"]
)
def test_what_is_no_list_of_pods_is_a_wrong_answer(body: bytes) -> None:
    with pytest.raises(WrongAnswer):
        read_pods(body)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("81m", 0.081),
        ("250013137n", 0.250013137),
        ("45024Ki", 45024 * 1024),
        ("1k", 1000),
        ("1.5Gi", 1.5 * 2**30),
    ],
)
def test_quantities_are_numbers(text: str, value: float) -> None:
    assert float(parse_quantity(text)) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "m", "1x", "1mm"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - a Fraction says it in its own words
        parse_quantity(text)
