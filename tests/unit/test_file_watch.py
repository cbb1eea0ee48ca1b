"""Files that change: what is noticed, and what a new content that will not do leads to."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from heapfast.errors import ConfigError
from heapfast.file_watch import POLL_SECONDS, FileWatch


class Watched:
    """Two files in a folder, and what became of their changes."""

    def __init__(self, folder: Path) -> None:
        self.one, self.two = folder / "one", folder / "two"
        self.one.write_text("1")
        self.two.write_text("2")
        self.outcomes: list[str] = []
        self.reloads = 0
        self.fault = ""
        self.watch = FileWatch([self.one, str(self.two)], self._reload, self.outcomes.append)

    def _reload(self) -> None:
        self.reloads += 1
        if self.fault:
            raise ConfigError(self.fault)


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_what_does_not_change_is_left_alone(watched: Watched) -> None:
    for _ in range(3):
        watched.watch.poll()
    assert watched.reloads == 0


def later(path: Path) -> None:
    """Give a file a time of change that it has not had."""
    found = path.stat()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 1))


def both_later(watched: Watched) -> None:
    later(watched.one)
    later(watched.two)


CHANGES: list[tuple[str, Callable[[Watched], object]]] = [
    ("a new time", lambda watched: os.utime(watched.one, ns=(0, 1))),
    ("a new size", lambda watched: watched.two.write_text("22")),
    ("gone", lambda watched: watched.one.unlink()),
    ("both", both_later),
]


@pytest.mark.parametrize("change", [row[1] for row in CHANGES], ids=[row[0] for row in CHANGES])
def test_a_change_reloads_once(watched: Watched, change: Callable[[Watched], object]) -> None:
    change(watched)
    watched.watch.poll()
    watched.watch.poll()
    assert (watched.reloads, watched.outcomes) == (1, ["reloaded"])


def test_a_file_renamed_into_place_is_noticed_though_it_looks_the_same(watched: Watched) -> None:
    found = watched.one.stat()
    other = watched.one.with_name("other")
    other.write_text("3")
    os.utime(other, ns=(found.st_atime_ns, found.st_mtime_ns))
    other.replace(watched.one)
    watched.watch.poll()
    assert watched.reloads == 1


def test_a_folder_swapped_as_kubernetes_swaps_secrets_is_noticed(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tls.crt").write_text(name)
    link = tmp_path / "data"
    link.symlink_to("first")
    (tmp_path / "tls.crt").symlink_to("data/tls.crt")
    outcomes: list[str] = []
    watch = FileWatch([tmp_path / "tls.crt"], lambda: None, outcomes.append)
    fresh = tmp_path / "data-new"
    fresh.symlink_to("second")
    fresh.replace(link)
    watch.poll()
    assert outcomes == ["reloaded"]


def test_a_change_that_will_not_do_is_told_once_and_mended_by_the_next(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    watched.fault = "cannot use the key: it does not belong to the certificate"
    later(watched.one)
    for _ in range(3):
        watched.watch.poll()
    assert (watched.reloads, watched.outcomes) == (1, ["refused"])
    watched.fault = ""
    later(watched.two)
    watched.watch.poll()
    assert watched.outcomes == ["refused", "reloaded"]
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]
    assert "does not belong to the certificate; the content before stays in use" in caplog.text


def test_a_file_that_comes_later_is_noticed(tmp_path: Path) -> None:
    outcomes: list[str] = []
    watch = FileWatch([tmp_path / "later"], lambda: None, outcomes.append)
    (tmp_path / "later").write_text("x")
    watch.poll()
    assert outcomes == ["reloaded"]


async def test_it_looks_again_and_again(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("0")
    slept: list[float] = []
    outcomes: list[str] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        path.write_text("x" * (1 + len(slept)))
        if len(slept) > 3:
            await asyncio.Event().wait()

    task = asyncio.create_task(FileWatch([path], lambda: None, outcomes.append, sleep=sleep).run())
    while len(slept) <= 3:
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert slept == [POLL_SECONDS] * 4
    assert outcomes == ["reloaded"] * 3
