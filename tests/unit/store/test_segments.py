"""Segments: what a restarted store has of them, and what becomes of files that are not as they should be."""

from __future__ import annotations

import logging
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest

from heapfast._batch import Batch
from heapfast._core import Store
from heapfast._restore import Restoring
from heapfast._segment import Encoder
from heapfast.catalog.keys import Kind
from heapfast.errors import StoreError
from heapfast.sim._rows import rows_of
from heapfast.store.segments import HEADER, RECORD, find_segments, make_header, scan
from tests.unit.core.cluster import EVER, WEB, spec
from tests.unit.store.kept import (
    ABOUT,
    LONG_NS,
    RESOLUTION_NS,
    KeptCluster,
    all_series,
    open_folder,
    put_web,
    restored_from,
    settle,
)
from tests.unit.store.rows import SECOND_NS, START_NS, container, custom, node, pod, resource

POD = (Kind.POD, *WEB)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "segments"


@pytest.fixture
def cluster(folder: Path) -> KeptCluster:
    return KeptCluster(folder)


def test_a_restarted_store_has_every_set_and_every_series(cluster: KeptCluster, folder: Path) -> None:
    newest = cluster.live(6)
    store, found = restored_from(folder, cluster.at)
    assert found.restoring.batches == 6
    assert store.newest is None, "nobody has said yet who is there"
    settle(store, found.restoring)
    assert store.newest is not None
    assert store.newest.sets() == newest.sets()
    assert all_series(store) == all_series(cluster.store)


def test_the_first_batch_after_a_restart_has_rates(cluster: KeptCluster, folder: Path) -> None:
    cluster.live(2)
    store, found = restored_from(folder, cluster.at)
    settle(store, found.restoring)
    was, cluster.store = cluster.store, store
    rate = cluster.live().value(Kind.POD_CONTAINER, cluster.slot(Kind.POD_CONTAINER, *WEB, "c"), 16)
    assert rate == 200
    assert cluster.value("network/rx_rate", *POD) == pytest.approx(2e8)
    assert was.newest is not None


def test_no_rate_spans_a_container_that_started_anew_meanwhile(cluster: KeptCluster, folder: Path) -> None:
    cluster.live(2)
    store, found = restored_from(folder, cluster.at)
    settle(store, found.restoring)
    cluster.store = store
    cluster.tick(*cluster.web(cluster.cpu_ns + 10**9, start=START_NS + 1))
    assert cluster.value("cpu/usage_rate", Kind.POD_CONTAINER, *WEB, "c") is None


def test_the_latest_view_serves_at_once_what_it_served_before(cluster: KeptCluster, folder: Path) -> None:
    cluster.live(3)
    store, found = restored_from(folder, cluster.at)
    # Asked before the newest batch is sealed: an autoscaler does not wait for it.
    put_web(store)
    for sample, kind, names in (("node_sample", Kind.NODE, ("n1",)), ("pod_sample", *_split(POD))):
        now, then = (getattr(one.latest, sample) for one in (store, cluster.store))
        status, *usage = now(store.find(kind, *names), cluster.at)
        assert status == 0
        assert usage[:4] == list(then(cluster.slot(kind, *names), cluster.at))[1:5]
    assert found.restoring.batches == 3


def _split(entity: tuple[Any, ...]) -> tuple[Kind, tuple[str, ...]]:
    return entity[0], entity[1:]


def test_the_first_answer_after_a_restart_goes_on_from_the_last_one_before(cluster: KeptCluster, folder: Path) -> None:
    cluster.live(1)
    store, _ = restored_from(folder, cluster.at)
    put_web(store)
    pod_slot = store.find(*POD)
    assert store.latest.pod_sample(pod_slot, cluster.at)[0] != 0, "one point makes no rate"
    cluster.store = store
    cluster.ingest(*cluster.web(cluster.cpu_ns + 3 * SECOND_NS), node=store.find(Kind.NODE, "n1"))
    status, cpu, *_ = store.latest.pod_sample(pod_slot, cluster.at)
    assert (status, cpu) == (0, 200_000_000)


def test_the_latest_view_forgets_a_pod_that_has_another_uid_now(cluster: KeptCluster, folder: Path) -> None:
    cluster.live(3)
    store, found = restored_from(folder, cluster.at)
    put_web(store, uid="uid-2")
    assert store.latest.pod_sample(store.find(*POD), cluster.at)[0] != 0
    # Its series go on, as Heapster's would; but the new pod has none of the old one's numbers as its own.
    store.put_pod("shop", "other", uid="uid-3", labels="")
    assert found.restoring.batches == 3


def test_who_is_not_there_any_more_is_not_shown(folder: Path) -> None:
    cluster = KeptCluster(folder)
    n2 = cluster.put_node("n2")
    cluster.store.put_pod("shop", "gone", uid="uid-9", labels="", containers=(spec("c"),))
    for _ in range(2):
        cluster.ingest(node("n2", {"memory/usage": 1}), pod("shop", "gone"), container("shop", "gone", "c"), node=n2)
        cluster.live()
    store, found = restored_from(folder, cluster.at)
    settle(store, found.restoring)
    newest = store.newest
    assert newest is not None
    assert newest.names(Kind.NODE) == ["n1"]
    assert newest.names(Kind.POD) == ["web"]
    assert newest.names(Kind.NAMESPACE) == ["shop"]
    assert [key for key in newest.sets() if "gone" in key or "n2" in key] == []
    # What it was is history all the same.
    assert len(store.series(Kind.NODE, store.find(Kind.NODE, "n2"), store.metric_id("memory/usage"), *EVER)) == 2


def test_slots_of_who_is_gone_are_given_back_in_the_end(cluster: KeptCluster, folder: Path) -> None:
    cluster.store.put_pod("shop", "gone", uid="uid-9", labels="", containers=(spec("c"),))
    cluster.ingest(pod("shop", "gone"), container("shop", "gone", "c"))
    cluster.live()
    store, found = restored_from(folder, cluster.at)
    settle(store, found.restoring)
    assert store.find(Kind.POD, "shop", "gone") >= 0
    cluster.store, cluster.folder = store, None
    for _ in range(2):
        cluster.at += LONG_NS
        cluster.tick(*cluster.web(1))
    assert store.find(Kind.POD, "shop", "gone") == -1
    assert store.find(*POD) >= 0


def test_another_clusters_segments_stay_unread(
    cluster: KeptCluster, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.live()
    store, found = restored_from(folder, cluster.at, cluster="https://elsewhere")
    assert (found.restoring.batches, store.stats()["batches"]) == (0, 0)
    assert "1 of 1 segments are another cluster's" in caplog.text


def test_what_has_not_one_pod_that_the_api_server_knows_is_thrown_away(cluster: KeptCluster, folder: Path) -> None:
    cluster.live(3)
    store, found = restored_from(folder, cluster.at)
    put_web(store, uid="another-clusters-web")
    found.restoring.seal()
    # A step a call: the two batches behind the newest, and then the view of the latest samples.
    assert [found.restoring.publish() for _ in range(4)] == [False, False, True, True]
    assert found.restoring.is_foreign
    assert store.newest is None
    assert store.stats()["batches"] == 0
    assert store.latest.node_sample(store.find(Kind.NODE, "n1"), cluster.at)[0] != 0


def test_stale_batches_are_history_alone(cluster: KeptCluster, folder: Path) -> None:
    cluster.live(4)
    at = cluster.at + 3 * RESOLUTION_NS
    store, found = restored_from(folder, at)
    settle(store, found.restoring)
    assert found.restoring.batches == 4
    assert store.newest is None
    assert store.latest.counts(at) == (0, 0)
    # With the first tick the series go on, but no rate spans the time that nobody watched.
    cluster.store, cluster.at = store, at
    cluster.tick(*cluster.web(10**15))
    assert cluster.value("cpu/usage_rate", Kind.POD_CONTAINER, *WEB, "c") is None
    assert cluster.series("cpu/usage_rate", Kind.POD_CONTAINER, *WEB, "c") == [200, 200, 200]


def test_what_is_older_than_retention_is_left_out(cluster: KeptCluster, folder: Path) -> None:
    cluster.live(4)
    store, found = restored_from(folder, cluster.at + LONG_NS)
    assert (found.restoring.batches, store.stats()["batches"]) == (0, 0)
    store, found = restored_from(folder, cluster.at + LONG_NS - RESOLUTION_NS - 1)
    assert found.restoring.batches == 2


def test_short_metrics_reach_back_no_further_than_they_would(cluster: KeptCluster, folder: Path) -> None:
    cluster.live(20)
    store, found = restored_from(folder, cluster.at)
    settle(store, found.restoring)
    assert all_series(store) == all_series(cluster.store)
    assert (store.stats()["batches"], store.stats()["short_batches"]) == (20, 10)


def test_long_metrics_may_be_others_than_before(cluster: KeptCluster, folder: Path) -> None:
    cluster.live(20)
    store, found = restored_from(folder, cluster.at, long_metrics=("memory/working_set", "memory/usage"))
    settle(store, found.restoring)
    slot = store.find(Kind.NODE, "n1")
    lengths = {
        name: len(store.series(Kind.NODE, slot, store.metric_id(name), *EVER))
        for name in ("memory/usage", "memory/working_set", "cpu/usage_rate")
    }
    # Long before and now; long now, and kept as far as the segment that was read whole reaches; long before.
    assert lengths["memory/usage"] == 20
    assert 10 <= lengths["memory/working_set"] <= 20
    assert lengths["cpu/usage_rate"] == 10


def test_another_resolution_or_retention_changes_nothing_that_was_kept(cluster: KeptCluster, folder: Path) -> None:
    cluster.live(20)
    store, found = restored_from(folder, cluster.at, resolution_ns=60 * SECOND_NS, long_retention_ns=150 * SECOND_NS)
    settle(store, found.restoring)
    slot = store.find(Kind.NODE, "n1")
    series = store.series(Kind.NODE, slot, store.metric_id("memory/usage"), *EVER)
    assert [stamp for stamp, _ in series] == cluster.stamps[-10:]


def test_batches_of_a_clock_that_was_set_back_are_left_out_and_deleted(
    cluster: KeptCluster, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.live(4)
    back = cluster.stamps[1]
    store, found = restored_from(folder, back)
    settle(store, found.restoring)
    assert found.restoring.newest_ns == back
    assert "has the clock been set back?" in caplog.text
    [old] = find_segments(folder)
    cluster.store, cluster.at = store, back
    cluster.folder = open_folder(folder, store, found)
    cluster.encoder.begin()
    cluster.live()
    assert old.exists(), "it has what is not from the future, too"
    store, found = restored_from(folder, cluster.at)
    assert found.restoring.newest_ns == cluster.at
    # One that is all of the future goes with the first batch.
    early = KeptCluster(None)
    early.at -= LONG_NS // 2
    early.folder = open_folder(folder, early.store, found)
    early.live()
    assert [one.records[0].timestamp_ns for one in map(scan, find_segments(folder))] == [early.at]


def test_custom_metrics_and_resources_come_back(folder: Path) -> None:
    cluster = KeptCluster(folder, long_metrics=("custom/qps",))
    rows = [
        node(
            metrics={"memory/usage": 1},
            resources=[
                resource("filesystem", "/", usage=7),
                {**resource("accelerator", "0", memory_total=3), "make": "m", "model": "n"},
            ],
        ),
        container(*WEB, "c", {"memory/usage": 2}, custom=[custom("qps", 2.5), custom("queue", 3)]),
    ]
    for _ in range(12):
        batch = cluster.keep(cluster.tick(*rows))
    store, found = restored_from(folder, cluster.at, long_metrics=("custom/qps",))
    settle(store, found.restoring)
    assert store.newest is not None
    assert store.newest.sets() == batch.sets()
    assert all_series(store) == all_series(cluster.store)
    assert len(all_series(store)["NAMESPACE:shop/POD:web/POD_CONTAINER:c", "custom/qps"]) == 12


def test_a_store_that_is_in_use_is_not_refilled() -> None:
    store = Store()
    store.ingest(rows_of([node()]), store.put_node("n", hostname="", host_id="", labels=""), 1)
    with pytest.raises(StoreError, match="BUG: a store is refilled before it is used"):
        Restoring(store, 1)


def test_segments_roll_over_and_each_can_be_read_alone(cluster: KeptCluster, folder: Path) -> None:
    cluster.live(50)
    paths = find_segments(folder)
    assert len(paths) == 3
    paths[0].unlink()
    store, found = restored_from(folder, cluster.at)
    settle(store, found.restoring)
    assert store.newest is not None
    assert cluster.store.newest is not None
    assert store.newest.sets() == cluster.store.newest.sets()
    assert found.restoring.batches == sum(len(scan(path).records) for path in paths[1:])


def test_old_segments_are_deleted(cluster: KeptCluster, folder: Path) -> None:
    cluster.live(150)
    segments = [scan(path) for path in find_segments(folder)]
    assert len(segments) == 4
    assert all(one.records[-1].timestamp_ns > cluster.at - LONG_NS for one in segments)


def test_a_file_of_which_nothing_can_be_read_goes_when_it_is_old(cluster: KeptCluster, folder: Path) -> None:
    cluster.live()
    [path] = find_segments(folder)
    at = scan(path).records[0].offset
    path.write_bytes(flipped(path.read_bytes(), at))
    os.utime(path, ns=(cluster.at, cluster.at))
    store, found = restored_from(folder, cluster.at)
    put_web(store)
    cluster.store, cluster.folder = store, open_folder(folder, store, found)
    cluster.encoder.begin()
    cluster.live()
    assert path.exists()
    cluster.at += LONG_NS
    cluster.live()
    assert not path.exists()


# -- files that are not as they should be ----------------------------------------------------------


def flipped(text: bytes, at: int) -> bytes:
    return text[:at] + bytes([text[at] ^ 0x10]) + text[at + 1 :]


def test_an_unknown_version_is_refused_and_left_alone(
    cluster: KeptCluster, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.live(2)
    [path] = find_segments(folder)
    text = path.read_bytes()
    path.write_bytes(text[:8] + struct.pack("<I", 2) + text[12:])
    store, found = restored_from(folder, cluster.at)
    assert found.restoring.batches == 0
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.getMessage() == f"{path} is left alone: it has version 2, want 1: another heapfast wrote it"
    later = open_folder(folder, store, found)
    put_web(store)
    cluster.store, cluster.folder, cluster.at = store, later, cluster.at + 10 * LONG_NS
    cluster.encoder.begin()
    cluster.live()
    assert path.exists()


@pytest.mark.parametrize(
    "what", ["no segment", "a cut header", "an empty file", "a header alone", "a wrong checksum", "no JSON"]
)
def test_a_file_that_is_no_segment_stops_nothing(
    what: str, cluster: KeptCluster, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.live(2)
    odd = folder / "00000000000000000000.segment"
    fixed = struct.pack("<8sII", b"HEAPFAST", 1, 2)
    odd.write_bytes(
        {
            "no segment": b"\x7fELF" * 100,
            "a cut header": b"HEAPFAST\1",
            "an empty file": b"",
            "a header alone": make_header(ABOUT),
            "a wrong checksum": HEADER.pack(b"HEAPFAST", 1, 1 << 30, 0, 0),
            "no JSON": fixed + struct.pack("<II", zlib.crc32(fixed), zlib.crc32(b"[]")) + b"[]",
        }[what]
    )
    caplog.set_level(logging.INFO)
    _, found = restored_from(folder, cluster.at)
    assert found.restoring.batches == 2
    assert str(odd) in caplog.text
    # What has nothing in it goes; what may have something of somebody's stays.
    assert odd.exists() == (what in ("no segment", "a wrong checksum", "no JSON"))


def test_a_torn_tail_is_cut_off(cluster: KeptCluster, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    cluster.live(3)
    [path] = find_segments(folder)
    last = scan(path).records[-1]
    whole = path.read_bytes()
    path.write_bytes(whole[: last.end - 1])
    caplog.set_level(logging.INFO)
    _, found = restored_from(folder, cluster.at)
    assert found.restoring.batches == 2
    assert path.stat().st_size == last.offset
    assert f"the last {last.end - 1 - last.offset} bytes are no whole record" in caplog.text


def test_a_damaged_record_costs_the_rest_of_its_segment_and_no_more(
    cluster: KeptCluster, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.live(50)
    paths = find_segments(folder)
    segment = scan(paths[1])
    at = segment.records[3].head_offset + 5
    paths[1].write_bytes(flipped(paths[1].read_bytes(), at))
    store, found = restored_from(folder, cluster.at)
    settle(store, found.restoring)
    assert store.newest is not None
    assert cluster.store.newest is not None
    assert store.newest.sets() == cluster.store.newest.sets()
    assert found.restoring.batches == 50 - (len(segment.records) - 3)
    assert f"{paths[1]}: the checksum of a head is wrong, at byte {segment.records[3].head_offset}" in caplog.text
    # What is left is what it was, sample for sample.
    kept, was = all_series(store), all_series(cluster.store)
    assert kept.keys() == was.keys()
    for key, series in kept.items():
        assert set(series) <= set(was[key])


def test_a_batch_whose_head_and_header_disagree_is_not_taken(cluster: KeptCluster) -> None:
    cluster.live()
    head, detail = _parts(cluster.text)
    restoring = Restoring(Store(), cluster.at)
    with pytest.raises(StoreError, match="a head of another batch"):
        restoring.take(cluster.at - 1, head, detail)


def _parts(text: bytes) -> tuple[bytes, bytes]:
    """Head and detail of the first record."""
    start = HEADER.size + struct.unpack_from("<I", text, 12)[0]
    _, _, _, n_head, n_detail, _, _ = RECORD.unpack_from(text, start)
    at = start + RECORD.size
    return text[at : at + n_head], text[at + n_head : at + n_head + n_detail]


def test_stamps_must_grow(cluster: KeptCluster) -> None:
    cluster.live()
    head, detail = _parts(cluster.text)
    restoring = Restoring(Store(), cluster.at)
    restoring.take(cluster.at, head, detail)
    restoring.begin_segment()
    with pytest.raises(StoreError, match="want later than"):
        restoring.take(cluster.at, head, detail)


def test_about_is_what_the_file_says(cluster: KeptCluster, folder: Path) -> None:
    cluster.live()
    assert [scan(path).about for path in find_segments(folder)] == [ABOUT]


# -- two sources -----------------------------------------------------------------------------------


def two_source_ticks(cluster: KeptCluster, n: int) -> list[Batch]:
    """Some ticks, every fourth of them with the side source."""
    batches = []
    for _ in range(n):
        cluster.cpu_ns += 3 * SECOND_NS
        values = {"cpu/usage": cluster.cpu_ns, "memory/working_set": 1000}
        cluster.ingest(
            node("", values, at=cluster.at) | {"start_ns": None}, container(*WEB, "c", values, uid="", at=cluster.at)
        )
        if (cluster.at // RESOLUTION_NS) % 4 == 0:
            rx = cluster.cpu_ns // 1000
            cluster.ingest(
                node(metrics={"network/rx": rx, "memory/usage": 9}, at=cluster.at),
                pod(*WEB, {"network/rx": rx}, at=cluster.at),
                container(
                    *WEB, "c", {"memory/usage": 8}, at=cluster.at, resources=[resource("disk", "sda", read_bytes=rx)]
                ),
                is_side=True,
            )
        batches.append(cluster.keep(cluster.tick()))
    return batches


@pytest.mark.parametrize("ticks", range(5, 10))
def test_what_the_side_source_said_is_carried_over_a_restart(folder: Path, ticks: int) -> None:
    side_ns = 4 * RESOLUTION_NS
    cluster = KeptCluster(folder, side_ns=side_ns)
    two_source_ticks(cluster, ticks)
    store, found = restored_from(folder, cluster.at, side_ns=side_ns)
    settle(store, found.restoring)
    again = KeptCluster(side_ns=side_ns)
    again.store, again.at, again.cpu_ns = store, cluster.at, cluster.cpu_ns
    again.n1 = store.find(Kind.NODE, "n1")
    again.encoder = Encoder(store)
    # As if nothing had happened: the same answers give the same batches.
    for went_on, restarted in zip(two_source_ticks(cluster, 6), two_source_ticks(again, 6), strict=True):
        assert restarted.sets() == went_on.sets()


@pytest.mark.parametrize(("before_ns", "after_ns"), [(0, 4 * RESOLUTION_NS), (4 * RESOLUTION_NS, 0)])
def test_a_side_source_may_come_and_go_with_a_restart(folder: Path, before_ns: int, after_ns: int) -> None:
    cluster = KeptCluster(folder, side_ns=before_ns)
    if before_ns:
        two_source_ticks(cluster, 5)
    else:
        cluster.live(5)
    store, found = restored_from(folder, cluster.at, side_ns=after_ns)
    settle(store, found.restoring)
    assert found.restoring.batches == 5
    cluster.store, cluster.folder = store, None
    cluster.n1 = store.find(Kind.NODE, "n1")
    cluster.encoder = Encoder(store)
    if after_ns:
        two_source_ticks(cluster, 5)
    else:
        cluster.live(5)
    assert cluster.value("cpu/usage_rate", Kind.POD_CONTAINER, *WEB, "c") == 200


def test_what_comes_after_a_restart_is_what_would_have_come_without(cluster: KeptCluster, folder: Path) -> None:
    cluster.live(7)
    store, found = restored_from(folder, cluster.at)
    settle(store, found.restoring)
    again = KeptCluster()
    again.store, again.at, again.cpu_ns = store, cluster.at, cluster.cpu_ns
    again.n1 = store.find(Kind.NODE, "n1")
    again.encoder = Encoder(store)
    for _ in range(4):
        assert cluster.live().sets() == again.live().sets()
    assert all_series(store) == all_series(cluster.store)
