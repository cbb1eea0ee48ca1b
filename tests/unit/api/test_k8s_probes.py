"""Probes: what makes each of them fail, and what does not."""

from __future__ import annotations

import pytest

from heapfast.api.secure_state import Signs
from tests.unit.api.k8s_cluster import SecureCluster


def _no() -> bool:
    return False


def _yes() -> bool:
    return True


async def test_ready_means_that_caches_are_synced_not_that_kubelets_answer() -> None:
    assert (await SecureCluster(n_answers=0).get("/readyz")).body == b"ok"


@pytest.mark.parametrize(("n_answers", "status"), [(0, 500), (1, 500), (2, 200)])
async def test_ready_may_be_told_to_wait_for_metrics(n_answers: int, status: int) -> None:
    cluster = SecureCluster(n_answers=n_answers, needs_metrics=True)
    assert (await cluster.get("/readyz")).status == status
    assert (await cluster.get("/livez")).status == 200


FAULTS = {
    "nodes": (
        Signs(are_nodes_synced=_no),
        {"readyz": {"metric-storage-ready", "metric-informer-sync"}, "livez": set(), "healthz": set()},
    ),
    "pods": (
        Signs(are_pods_synced=_no),
        {
            "readyz": {"metric-storage-ready", "metric-informer-sync", "metadata-informer-sync"},
            "livez": {"metadata-informer-sync"},
            "healthz": {"metadata-informer-sync"},
        },
    ),
    "rounds": (Signs(is_collecting=_no), {"readyz": set(), "livez": {"metric-collection-timely"}, "healthz": set()}),
    "stopping": (Signs(is_stopping=_yes), {"readyz": {"shutdown"}, "livez": set(), "healthz": set()}),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("probe", ["readyz", "livez", "healthz"])
async def test_each_fault_fails_its_checks(fault: str, probe: str) -> None:
    signs, failing = FAULTS[fault]
    cluster = SecureCluster(signs=signs)
    answer = await cluster.get(f"/{probe}?verbose")
    lines = answer.text.splitlines()
    failed = {line.removeprefix("[-]").split(" ")[0] for line in lines if line.startswith("[-]")}
    assert failed == failing[probe]
    assert answer.status == (500 if failed else 200)
    assert lines[-1] == f"{probe} check {'failed' if failed else 'passed'}"
    for name in failed:
        single = await cluster.get(f"/{probe}/{name}")
        assert (single.status, single.text.partition(":")[0]) == (500, "internal server error")
    excluded = "&".join(f"exclude={name}" for name in failed)
    assert (await cluster.get(f"/{probe}?{excluded}")).status == 200


async def test_what_upstream_s_suite_compares_is_the_same_byte_for_byte() -> None:
    cluster = SecureCluster()
    always = (
        "[+]ping ok\n[+]log ok\n[+]poststarthook/max-in-flight-filter ok\n"
        "[+]poststarthook/storage-object-count-tracker-hook ok\n"
    )
    assert (await cluster.get("/readyz?verbose")).text == (
        f"{always}[+]metric-storage-ready ok\n[+]metric-informer-sync ok\n[+]metadata-informer-sync ok\n"
        "[+]shutdown ok\nreadyz check passed\n"
    )
    assert (await cluster.get("/livez?verbose")).text == (
        f"{always}[+]metric-collection-timely ok\n[+]metadata-informer-sync ok\nlivez check passed\n"
    )


async def test_unknown_exclusions_are_quoted() -> None:
    text = (await SecureCluster().get("/livez?verbose&exclude=a%22b&exclude=%FF")).text
    assert 'no matches for "a\\"b","\\xff"\n' in text
