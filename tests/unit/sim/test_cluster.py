"""The model: alike for one seed, distinct where it must be, and true to its expected values."""

import pytest

from heapfast.sim import shapes
from heapfast.sim.churn import Churn
from heapfast.sim.cluster import Cluster
from heapfast.sim.options import SimulateOptions


def picture(cluster: Cluster) -> list[tuple[str, str, str, int, int]]:
    """All of a cluster's pods that matters to a client."""
    return [
        (key, cluster.pod_uid(pod), pod.node.name, pod.start_ms, pod.resource_version)
        for key, pod in sorted(cluster.pods.items.items())
    ]


@pytest.fixture
def cluster(options: SimulateOptions, now_ms: int) -> Cluster:
    return Cluster(options, now_ms)


def test_one_seed_gives_one_cluster(options: SimulateOptions, now_ms: int) -> None:
    assert picture(Cluster(options, now_ms)) == picture(Cluster(options, now_ms))
    other = SimulateOptions(nodes=4, pods_per_node=10, seed=8)
    assert {uid for _, uid, *_ in picture(Cluster(options, now_ms))}.isdisjoint(
        uid for _, uid, *_ in picture(Cluster(other, now_ms))
    )


def test_names_addresses_and_uids_are_distinct(now_ms: int) -> None:
    cluster = Cluster(SimulateOptions(nodes=600, pods_per_node=20, namespaces=9), now_ms)
    assert len(cluster.pods) == 12_000
    assert len({cluster.pod_uid(pod) for pod in cluster.pods.items.values()}) == 12_000
    assert len({host.address for host in cluster.hosts}) == 600
    assert {host.address.split(".")[0] for host in cluster.hosts} == {"127"}


def test_suffixes_repeat_only_after_all_were_used() -> None:
    assert len({shapes.suffix(number) for number in range(20_000)}) == 20_000


@pytest.mark.parametrize(
    ("index", "address"), [(0, "127.1.0.1"), (254, "127.1.0.255"), (255, "127.1.1.0"), (65_535, "127.2.0.0")]
)
def test_node_addresses_count_through_loopback(index: int, address: str) -> None:
    assert shapes.node_address(index) == address


def test_every_size_down_to_an_empty_cluster_can_be_made(now_ms: int) -> None:
    assert len(Cluster(SimulateOptions(nodes=1, pods_per_node=0, namespaces=1), now_ms).pods) == 0


def test_pods_run_since_before_the_cluster_was_looked_at(cluster: Cluster, now_ms: int) -> None:
    for pod in cluster.pods.items.values():
        assert pod.phase == "Running"
        assert pod.node.host.boot_ms < pod.created_ms < pod.start_ms < now_ms
        assert pod.start_ms % 1000 == 0


def test_a_restart_starts_all_counters_of_the_node_from_zero(cluster: Cluster, now_ms: int) -> None:
    host = cluster.hosts[0]
    pod = next(iter(host.pods.values()))
    cluster.restart(host, now_ms)
    later = now_ms + 20_000
    values = cluster.expected_pod(pod.workload.namespace, pod.name, later).total
    assert values.start_ms == now_ms // 1000 * 1000
    assert values.cpu_usage_ns == values.cpu_millicores * (values.sample_ms - values.start_ms) * 1000
    assert cluster.expected_node(host.name, later).total.start_ms == values.start_ms


# -- churn -----------------------------------------------------------------------------------------


def test_churn_does_not_depend_on_how_often_it_is_asked(options: SimulateOptions, now_ms: int) -> None:
    often, once = Cluster(options, now_ms), Cluster(options, now_ms)
    churn = Churn(often, 90, now_ms)
    for at_ms in range(now_ms, now_ms + 60_001, 100):
        churn.advance(at_ms)
    Churn(once, 90, now_ms).advance(now_ms + 60_000)
    assert picture(often) == picture(once)
    assert churn.replaced_total == 90


def test_churn_keeps_the_number_of_pods(cluster: Cluster, now_ms: int) -> None:
    Churn(cluster, 600, now_ms).advance(now_ms + 120_000)
    assert len(cluster.pods) == 40
    assert sum(len(host.pods) for host in cluster.hosts) == sum(
        pod.phase == "Running" for pod in cluster.pods.items.values()
    )


def test_a_replacement_is_pending_until_its_containers_start(cluster: Cluster, now_ms: int) -> None:
    churn = Churn(cluster, 0, now_ms)
    key = next(key for key, pod in cluster.pods.items.items() if not pod.workload.is_stateful)
    new = churn.replace(key, now_ms)
    assert key not in cluster.pods.items
    assert new.phase == "Pending"
    assert not cluster.expected_pod(new.workload.namespace, new.name, now_ms).listed
    churn.advance(now_ms + 10_000)
    running = cluster.pods.items[new.key]
    assert running.phase == "Running"
    assert now_ms < running.start_ms <= now_ms + 3_000
    assert running.node.host.pods[new.key] is running


def test_a_stateful_sets_replacement_keeps_its_name_and_changes_its_uid(cluster: Cluster, now_ms: int) -> None:
    churn = Churn(cluster, 0, now_ms)
    stateful = Cluster(SimulateOptions(nodes=4, pods_per_node=60, namespaces=4), now_ms)
    churn = Churn(stateful, 0, now_ms)
    key, old = next((key, pod) for key, pod in stateful.pods.items.items() if pod.workload.is_stateful)
    new = churn.replace(key, now_ms)
    assert new.key == key
    assert stateful.pod_uid(new) != stateful.pod_uid(old)
    assert new.labels["statefulset.kubernetes.io/pod-name"] == new.name


def test_a_pod_deleted_before_its_start_never_starts(cluster: Cluster, now_ms: int) -> None:
    churn = Churn(cluster, 0, now_ms)
    new = churn.replace(next(iter(cluster.pods.items)), now_ms)
    cluster.delete_pod(new.key)
    churn.advance(now_ms + 10_000)
    assert new.key not in cluster.pods.items
    assert new.key not in new.node.host.pods


def test_some_replacements_move_to_another_node(cluster: Cluster, now_ms: int) -> None:
    churn = Churn(cluster, 0, now_ms)
    moved = 0
    for _ in range(40):
        key, old = next(iter(cluster.pods.items.items()))
        moved += churn.replace(key, now_ms).node.host is not old.node.host
    assert 0 < moved <= 10


def test_churn_of_nothing_at_all_ends(now_ms: int) -> None:
    empty = Cluster(SimulateOptions(nodes=1, pods_per_node=0), now_ms)
    churn = Churn(empty, 60, now_ms)
    churn.advance(now_ms + 60_000)
    assert churn.replaced_total == 0


def test_a_negative_rate_is_refused(cluster: Cluster, now_ms: int) -> None:
    with pytest.raises(ValueError, match="cannot churn: got -1"):
        Churn(cluster, -1, now_ms)
