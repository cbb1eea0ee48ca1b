"""Every micro bench has the same shape, and the cheap ones run. No figure is judged here."""

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

import heapfast
from bench.figures import Budget, at_least, at_most, missed
from bench.records import MicroResults
from bench.running import BENCHES
from tests.shared import REPOSITORY


def test_every_file_with_a_command_line_is_run() -> None:
    files = [path for path in (REPOSITORY / "bench/micro").glob("*.py") if '"__main__"' in path.read_text()]
    assert {path.stem for path in files} == set(BENCHES)


@pytest.mark.parametrize("name", BENCHES)
def test_each_is_smaller_when_it_is_quick(name: str) -> None:
    bench = importlib.import_module(f"bench.micro.{name}")
    assert 0 < bench.SCALE.quick < bench.SCALE.full
    assert bench.SCALE.unit
    assert all(isinstance(budget, Budget) for budget in bench.BUDGETS.values())


@pytest.mark.parametrize(
    "name", ["auth", "bodies", "index", "ingest", "k8s_lists", "names", "selectors", "stores", "wire"]
)
def test_a_cheap_one_gives_a_figure_for_every_budget(name: str) -> None:
    bench = importlib.import_module(f"bench.micro.{name}")
    figures = bench.run(bench.SCALE.quick)
    assert set(bench.BUDGETS) <= set(figures)
    assert all(figure >= 0 for figure in figures.values())


def test_the_command_runs_one_twice_and_writes_what_it_found(tmp_path: Path) -> None:
    # As tox does: beside the installed package, not beside the tree's.
    shutil.copytree(REPOSITORY / "bench", tmp_path / "bench")
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    asked = subprocess.run(
        [sys.executable, "-m", "bench", "micro", "auth", "--quick", "--runs", "2", "--json", "out.json"],
        cwd=tmp_path,
        env={**environ, "PYTHONPATH": str(Path(heapfast.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert asked.returncode == 0, asked.stderr
    results = msgspec.json.decode((tmp_path / "out.json").read_bytes(), type=MicroResults)
    assert results.is_quick
    assert list(results.benches) == ["auth"]
    measured = results.benches["auth"]
    assert len(measured.load_averages) == 2
    assert all(len(values) == 2 for values in measured.figures.values())
    assert set(measured.budgets) <= set(measured.figures)
    assert measured.missed == {}


def test_a_budget_is_met_at_its_limit() -> None:
    budgets = {"slow, us": at_most(10.0), "fast, GB/s": at_least(1.5)}
    assert missed({"slow, us": 10.0, "fast, GB/s": 1.5}, budgets) == []
    assert missed({"slow, us": 10.1, "fast, GB/s": 1.4}, budgets) == ["slow, us", "fast, GB/s"]
    assert [str(budget) for budget in budgets.values()] == ["≤ 10", "≥ 1.5"]


def test_a_budget_of_no_figure_is_a_bug() -> None:
    with pytest.raises(KeyError, match="slow"):
        missed({}, {"slow, us": at_most(10.0)})
