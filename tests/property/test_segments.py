"""Segments against the naive reader, and against every cut and every flip."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from heapfast._batch import Batch
from heapfast._core import Store
from heapfast._restore import Restoring
from heapfast._segment import Encoder
from heapfast.catalog.keys import Kind, key
from heapfast.errors import StoreError
from heapfast.sim._rows import rows_of
from heapfast.store.naive.segments import NaiveStored, read_segment
from heapfast.store.segments import make_header, make_record_header, scan, take_segment
from tests.property.test_store import answers
from tests.unit.core.cluster import WEB
from tests.unit.store.kept import ABOUT, KeptCluster, all_series, restored_from, settle
from tests.unit.store.rows import SECOND_NS, T0_NS


def open_all(store: Store) -> None:
    """Nodes and pods as the API server has them: both before and after the restart."""
    for name in ("n1", "n2"):
        store.put_node(name, hostname=f"{name}.example", host_id=f"id-{name}", labels="")
    for namespace in ("a", "b"):
        store.put_namespace(namespace, f"uid-{namespace}")
        for pod in ("p", "q"):
            store.put_pod(namespace, pod, uid=f"kubelet-{pod}", labels="l:1")


class Segments:
    """A store whose batches are encoded one by one."""

    def __init__(self) -> None:
        self.store = Store(resolution_ns=15 * SECOND_NS)
        open_all(self.store)
        self.encoder = Encoder(self.store)
        self.encoder.begin()
        self.text = make_header(ABOUT)
        self.batches: list[Batch] = []
        self.parts: list[tuple[int, bytes, bytes]] = []
        self.now_ns = T0_NS

    def tick(self) -> None:
        self.now_ns += 15 * SECOND_NS
        closing = self.store.swap(self.now_ns)
        closing.run()
        batch = self.store.commit(closing, self.now_ns)
        self.batches.append(batch)
        head, detail = self.encoder.encode(batch)
        self.encoder.accept()
        self.parts.append((batch.timestamp_ns, bytes(head), bytes(detail)))
        self.text += make_record_header(batch.timestamp_ns, head, detail) + bytes(head) + bytes(detail)


def sets_of(stored: NaiveStored) -> dict[str, dict[str, int | float]]:
    """Metrics by key, as Batch.sets() has them; resources left to the other test."""
    return {
        key(entity[0], *entity[1]): stored.metrics.get(entity, {})
        for entity in stored.facts
        if entity[0] != Kind.RESOURCE
    }  # fmt: skip


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
@given(st.data())
def test_what_was_written_is_what_both_readers_read(data: st.DataObject) -> None:
    segments = Segments()
    for _ in range(data.draw(st.integers(1, 4))):
        for name, namespace in (("n1", "a"), ("n2", "b")):
            if data.draw(st.booleans()):
                rows = rows_of(data.draw(answers(segments.now_ns, namespace)))
                segments.store.ingest(rows, segments.store.find(Kind.NODE, name), segments.now_ns)
        segments.tick()
    # The slow reader, batch by batch.
    _, found = read_segment(segments.text)
    assert [one.timestamp_ns for one in found] == [one.timestamp_ns for one in segments.batches]
    for stored, batch in zip(found, segments.batches, strict=True):
        want = {name: one["metrics"] for name, one in batch.sets().items()}
        assert sets_of(stored) == want
    # The fast one, into a store.
    store = Store(resolution_ns=15 * SECOND_NS)
    restoring = Restoring(store, segments.now_ns)
    for part in segments.parts:
        restoring.take(*part)
    assert restoring.finish() == len(segments.parts)
    open_all(store)
    restoring.seal()
    assert restoring.publish()
    assert not restoring.is_foreign
    was = segments.batches[-1].sets()
    now = store.newest.sets() if store.newest is not None else {}
    # Who is not the API server's is left out.
    assert now == {name: one for name, one in was.items() if _is_known(name)}
    theirs = all_series(segments.store)
    assert {k: v for k, v in all_series(store).items() if k in theirs} == theirs


def _is_known(name: str) -> bool:
    return "else" not in name


CUTS = KeptCluster()
CUTS.live(2)
CUTS.store.put_pod("shop", "late", uid="uid-late", labels="")
CUTS.live(2)
TEXT = CUTS.text
SERIES = all_series(CUTS.store)


def read(path: Path, text: bytes) -> tuple[list[int], dict[tuple[str, str], list[tuple[int, int | float]]], int | None]:
    """Stamps and series that a store has of a file, and the byte that is said to be wrong."""
    path.write_bytes(text)
    segment = scan(path)
    # At a resolution so coarse that the newest batch is served, whichever it is.
    store = Store(resolution_ns=60 * SECOND_NS)
    restoring = Restoring(store, CUTS.at)
    fault = segment.fault
    if segment.about is not None:
        fault = take_segment(restoring, segment, from_ns=0, until_ns=CUTS.at, with_detail=True)
        restoring.finish()
        settle(store, restoring)
    series = all_series(store)
    stamps = sorted({stamp for one in series.values() for stamp, _ in one})
    return stamps, series, None if fault is None else fault.offset


def check(stamps: list[int], series: dict[tuple[str, str], list[tuple[int, int | float]]]) -> None:
    """A prefix of the batches, and of each series not one sample that never was."""
    assert stamps == CUTS.stamps[: len(stamps)]
    for name, samples in series.items():
        assert samples == SERIES[name][: len(samples)], name


def test_a_file_that_is_whole_is_read_whole(tmp_path: Path) -> None:
    assert read(tmp_path / "a.segment", TEXT) == (CUTS.stamps, SERIES, None)


@pytest.mark.parametrize("part", range(8))
def test_a_file_cut_at_any_byte_gives_the_batches_before_it(tmp_path: Path, part: int) -> None:
    path = tmp_path / "a.segment"
    ends, first = [record.end for record in _records(path)], _records(path)[0].offset
    for at in range(part, len(TEXT), 8):
        stamps, series, offset = read(path, TEXT[:at])
        check(stamps, series)
        assert len(stamps) == sum(end <= at for end in ends)
        assert (offset is None) == (at in (*ends, first)), at


@pytest.mark.parametrize("part", range(8))
def test_a_file_with_any_byte_flipped_never_gives_a_wrong_value(tmp_path: Path, part: int) -> None:
    path = tmp_path / "a.segment"
    draw = random.Random(part)
    for at in range(part, len(TEXT), 8):
        damaged = bytearray(TEXT)
        damaged[at] ^= 1 << draw.randrange(8)
        stamps, series, offset = read(path, bytes(damaged))
        check(stamps, series)
        assert offset is not None, f"byte {at} can be flipped without notice"
        assert offset <= at


def _records(path: Path) -> tuple[Any, ...]:
    path.write_bytes(TEXT)
    return scan(path).records


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
@given(st.data())
def test_parts_of_any_bytes_whose_checksums_are_right_end_the_segment_at_worst(data: st.DataObject) -> None:
    """Checksums hold what disks do; what a head states of lengths and slots is still not to be believed."""
    records = [(one, *read_parts_of(one)) for one in range(len(CUTS.stamps))]
    restoring = Restoring(Store(), CUTS.at)
    for n, head, detail in records:
        parts = [bytearray(head), bytearray(detail)]
        for _ in range(data.draw(st.integers(0, 2))):
            part = data.draw(st.sampled_from(parts))
            at = data.draw(st.integers(0, len(part) - 1))
            part[at] = data.draw(st.integers(0, 255))
        try:
            restoring.take(CUTS.stamps[n], bytes(parts[0]), bytes(parts[1]))
        except StoreError:
            break
    restoring.finish()
    restoring.seal()
    while not restoring.publish():
        pass


def read_parts_of(n: int) -> tuple[bytes, bytes]:
    at = 24 + int.from_bytes(TEXT[12:16], "little")
    for _ in range(n + 1):
        n_head, n_detail = (int.from_bytes(TEXT[at + 16 + 8 * i : at + 24 + 8 * i], "little") for i in range(2))
        start = at + 40
        at = start + n_head + n_detail
    return TEXT[start : start + n_head], TEXT[start + n_head : at]


def test_the_pod_of_the_story_is_served_after_all_of_it(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "a.segment").write_bytes(TEXT)
    store, found = restored_from(tmp_path / "s", CUTS.at)
    settle(store, found.restoring)
    assert store.newest is not None
    assert store.newest.present(Kind.POD, store.find(Kind.POD, *WEB)) != 0
