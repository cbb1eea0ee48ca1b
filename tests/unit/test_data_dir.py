"""The folder that outlives the daemon: what cannot be one, and that two daemons never share it."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from heapfast.data_dir import DataDir, find_fault
from heapfast.errors import ConfigError


@pytest.fixture
def a_file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("")
    return path


def test_a_folder_that_is_there_or_can_be_made_is_fine_and_not_made_yet(tmp_path: Path) -> None:
    assert find_fault(str(tmp_path)) is None
    assert find_fault(str(tmp_path / "a" / "b")) is None
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_folder_is_refused(a_file: Path, tmp_path: Path) -> None:
    assert find_fault(str(a_file)) == "a directory: it is none"
    assert find_fault(str(a_file / "under")) == f"a directory: {a_file} is none"
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "nowhere")
    assert find_fault(str(dangling)) == "a directory: it is none"


def test_a_folder_that_may_not_be_written_to_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Asked of the system, and not read from mode bits: root and read-only file systems have rules of their own.
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    for path in (tmp_path, tmp_path / "new"):
        assert find_fault(str(path)) == f"a directory that this user may write to: {tmp_path} is not"


def test_a_folder_that_turns_out_not_to_be_writable_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ConfigError) as caught:
        DataDir.open(str(tmp_path))
    assert str(caught.value) == f"cannot use --data-dir {tmp_path}: Read-only file system"


def test_a_relative_path_means_where_the_daemon_was_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_fault("data") is None
    with DataDir.open("data") as data:
        assert data.path == tmp_path / "data"


def test_opening_makes_the_folder_with_its_parents_for_owner_and_group_alone(tmp_path: Path) -> None:
    with DataDir.open(str(tmp_path / "a" / "b")) as data:
        assert data.folder("segments") == tmp_path / "a" / "b" / "segments"
        assert data.folder("segments").is_dir()
        assert not (tmp_path / "a" / "b").stat().st_mode & stat.S_IRWXO


def test_a_second_daemon_is_told_who_has_the_folder(tmp_path: Path) -> None:
    with DataDir.open(str(tmp_path)), pytest.raises(ConfigError) as caught:
        DataDir.open(str(tmp_path))
    assert f"cannot use --data-dir {tmp_path}: pid {os.getpid()} on " in str(caught.value)
    assert str(caught.value).endswith("uses it; give each daemon one of its own")


def test_a_folder_that_was_closed_can_be_had_again_and_closing_twice_does_no_harm(tmp_path: Path) -> None:
    data = DataDir.open(str(tmp_path))
    data.close()
    data.close()
    DataDir.open(str(tmp_path)).close()


def test_a_daemon_that_was_killed_leaves_no_lock(tmp_path: Path) -> None:
    holder = (
        "import os, signal, sys\n"
        "from heapfast.data_dir import DataDir\n"
        "data = DataDir.open(sys.argv[1])\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", holder, str(tmp_path)], check=False)
    assert killed.returncode < 0
    assert (tmp_path / "lock").read_text().startswith("pid ")
    DataDir.open(str(tmp_path)).close()


def test_a_folder_that_cannot_be_made_in_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "segments").write_text("")
    with DataDir.open(str(tmp_path)) as data, pytest.raises(ConfigError) as caught:
        data.folder("segments")
    assert str(caught.value) == f"cannot use --data-dir {tmp_path}/segments: File exists"
