"""heapfast inspect: what it says of a folder, and that damage is a failure with a byte."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from rich.console import Console

from heapfast import cli
from heapfast.inspect_dir import Report, inspect, print_report
from heapfast.store.segments import find_segments, scan
from tests.unit.store.kept import ABOUT, KeptCluster
from tests.unit.store.test_segments import flipped


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def cluster(data: Path) -> KeptCluster:
    cluster = KeptCluster(data / "segments")
    cluster.live(30)
    return cluster


class Asleep:
    """Stands in for time.sleep: notes that somebody waits, and does something meanwhile."""

    def __init__(self, file: Path | None = None, text: bytes = b"") -> None:
        self.waits = 0
        self._file = file
        self._text = text

    def __call__(self, seconds: float) -> None:
        self.waits += 1
        if self._file is not None:
            self._file.write_bytes(self._text)


def look(data: Path, asleep: Asleep | None = None) -> Report:
    return inspect(data, asleep or Asleep())


def printed(report: Report) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        print_report(report, console)
    return capture.get()


def test_a_whole_folder_is_counted(cluster: KeptCluster, data: Path) -> None:
    report = look(data)
    first, second = report.segments
    assert not report.is_damaged
    assert (report.batches, first.batches, second.batches) == (30, 20, 10)
    assert [first.first_ns, first.last_ns, second.first_ns] == [cluster.stamps[i] for i in (0, 19, 20)]
    assert first.entities == {
        "namespace": 1, "node": 1, "pod": 1, "pod_container": 1, "sys_container": 1, "resource": 0,
    }  # fmt: skip
    assert (first.cluster, first.source, first.resolution_ns) == (ABOUT.cluster, ABOUT.source, ABOUT.resolution_ns)
    assert report.bytes == sum(path.stat().st_size for path in find_segments(data / "segments"))
    # What one batch holds, by the store itself.
    newest = cluster.store.newest
    assert newest is not None
    a_batch = sum(len(one["metrics"]) for one in newest.sets().values())
    # The first batch of all has no rates.
    assert 29 * a_batch < report.samples < 30 * a_batch
    assert report.bytes_a_sample == report.bytes / report.samples


def test_history_is_counted_by_number_and_size(cluster: KeptCluster, data: Path) -> None:
    (data / "history" / "hour").mkdir(parents=True)
    (data / "history" / "a.parquet").write_bytes(b"12345")
    (data / "history" / "hour" / "b.parquet").write_bytes(b"123")
    (data / "history" / "c.tmp").write_bytes(b"1")
    report = look(data)
    assert (report.history_files, report.history_bytes) == (2, 8)
    assert "history: 2 Parquet files, 8 bytes" in printed(report)


def test_damage_is_said_with_its_file_and_byte(cluster: KeptCluster, data: Path) -> None:
    path = find_segments(data / "segments")[0]
    record = scan(path).records[5]
    path.write_bytes(flipped(path.read_bytes(), record.detail_offset + 3))
    report = look(data)
    assert report.is_damaged
    fault = report.segments[0].fault
    assert fault is not None
    assert (fault.offset, fault.text, fault.is_torn) == (
        record.detail_offset, "the checksum of a detail is wrong", False,
    )  # fmt: skip
    assert (report.segments[0].batches, report.segments[1].batches) == (5, 10)
    assert f"{path.name}: the checksum of a detail is wrong, at byte {record.detail_offset}" in printed(report)


def test_a_record_that_a_daemon_is_writing_is_waited_for(cluster: KeptCluster, data: Path) -> None:
    path = find_segments(data / "segments")[1]
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    asleep = Asleep(path, whole)
    assert not look(data, asleep).is_damaged
    assert asleep.waits == 1


def test_half_a_record_that_stays_one_is_damage(cluster: KeptCluster, data: Path) -> None:
    path = find_segments(data / "segments")[1]
    last = scan(path).records[-1]
    path.write_bytes(path.read_bytes()[:-5])
    report = look(data)
    assert report.is_damaged
    fault = report.segments[1].fault
    assert fault is not None
    assert (fault.offset, fault.is_torn) == (last.offset, True)


def test_an_unknown_version_is_not_called_whole(cluster: KeptCluster, data: Path) -> None:
    path = find_segments(data / "segments")[0]
    text = path.read_bytes()
    path.write_bytes(text[:8] + struct.pack("<I", 9) + text[12:])
    report = look(data)
    assert report.is_damaged
    assert "it has version 9, want 1" in printed(report)


def test_looking_changes_nothing(cluster: KeptCluster, data: Path) -> None:
    path = find_segments(data / "segments")[1]
    path.write_bytes(path.read_bytes()[:-5])
    before = {one: one.read_bytes() for one in data.rglob("*") if one.is_file()}
    look(data)
    assert {one: one.read_bytes() for one in data.rglob("*") if one.is_file()} == before


def test_the_command_prints_a_table_and_its_code_says_whether_all_is_whole(
    cluster: KeptCluster, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["inspect", str(data)]) == 0
    out = capsys.readouterr().out
    assert "every checksum is right" in out
    assert "30 batches" in out
    path = find_segments(data / "segments")[0]
    path.write_bytes(flipped(path.read_bytes(), path.stat().st_size - 1))
    assert cli.main(["inspect", str(data)]) == 1
    assert "damaged" in capsys.readouterr().out


def test_the_command_gives_json(cluster: KeptCluster, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["inspect", "--json", str(data)]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["is_damaged"] is False
    assert [one["fault"] for one in report["segments"]] == [None, None]


def test_a_folder_that_is_empty_is_whole_and_one_that_is_not_there_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["inspect", str(tmp_path)]) == 0
    assert cli.main(["inspect", str(tmp_path / "away")]) == 1
    assert capsys.readouterr().err == f"heapfast: {tmp_path}/away: No such file or directory\n"
