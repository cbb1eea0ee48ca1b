"""The hot kernels do no more work than they did: instructions, counted by valgrind, against those written down.

Not in tests/unit: half a minute, most of which is Python starting under valgrind. What differs by intent is recorded
with `heapfast bench work --record`, in the same commit.
"""

from pathlib import Path

import msgspec
import pytest

from bench.command import main
from bench.work import counting
from bench.work.counting import TOLERANCE, CannotCount, Verdict, count, environment, judge, read_baselines, record
from bench.work.kernels import KERNELS, prepare


@pytest.fixture
def baselines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "baselines.json"
    monkeypatch.setattr(counting, "BASELINES", path)
    return path


@pytest.mark.timeout(600)
def test_no_kernel_works_more_than_is_written_down() -> None:
    if environment() not in read_baselines():
        pytest.skip(f"NO BASELINE: {environment()}; `heapfast bench work --record` adds one")
    try:
        counts = count()
    except CannotCount as reason:
        pytest.skip(f"NOT COUNTED: {reason}")
    grown = [str(verdict) for verdict in judge(counts) if verdict.has_grown]
    assert not grown, f"more work than {1 + TOLERANCE:.2f} of what is written down: {'; '.join(grown)}"


def test_what_is_written_down_is_of_every_kernel() -> None:
    for where, counts in read_baselines().items():
        assert set(counts) == set(KERNELS), where
        assert all(counted > 10_000 for counted in counts.values())


@pytest.mark.parametrize("name", KERNELS)
def test_each_kernel_runs(name: str) -> None:
    prepare(name)()


def test_a_kernel_with_a_size_runs() -> None:
    prepare("round@3")()


@pytest.mark.parametrize(("counted", "has_grown"), [(1_000, False), (1_100, False), (1_101, True), (500, False)])
def test_growth_beyond_the_tolerance_is_growth(counted: int, has_grown: bool) -> None:
    assert Verdict("parse", counted, 1_000).has_grown is has_grown


def test_counts_are_judged_by_those_of_the_same_environment(baselines: Path) -> None:
    record({"parse": 1_000})
    assert judge({"parse": 1_200}) == [Verdict("parse", 1_200, 1_000)]
    record({"render": 5})
    assert read_baselines() == {environment(): {"parse": 1_000, "render": 5}}
    baselines.write_bytes(msgspec.json.encode({"sparc64": {"parse": 1_000}}))
    with pytest.raises(CannotCount, match="no baseline for .* has sparc64"):
        judge({"parse": 1_200})


def test_without_valgrind_nothing_is_counted_and_the_reason_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CannotCount, match="valgrind is not installed"):
        count()
    assert main(["work"]) == 2
    assert "valgrind is not installed" in capsys.readouterr().err


def test_an_environment_names_machine_compiler_cython_and_python() -> None:
    parts = environment().split()
    assert len(parts) == 4
    assert [part.partition("-")[0] for part in parts[2:]] == ["cython", "cpython"]
    assert "unknown" not in parts[2]
