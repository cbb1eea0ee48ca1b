"""The recorded scenarios: what went in, what came out, and when.

In      the folder conformance/heapster of the shared recordings (its README.md says what each member is)
Out     Scenario, with its inputs in the order of time
Callers replay.py and the tests of this folder
Never   interprets an input
"""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from datetime import UTC, datetime, time
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tests.shared import shared_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCENARIOS = ("plain", "odd", "flags", "fields", "cadvisor")

Json = dict[str, Any]


@dataclass(frozen=True)
class RecordedBatch:
    """A batch that the reference made.

    Attributes:
        timestamp: end of its window, as answers state it.
        timestamp_ns: the same, Unix ns.
        closed_ns: when it reached the sinks, Unix ns.
        sets: metric sets by key, as in batches.jsonl.
    """

    timestamp: str
    timestamp_ns: int
    closed_ns: int
    sets: dict[str, Json]


@dataclass(frozen=True)
class Scenario:
    """One recorded run of the reference."""

    name: str
    about: Json
    inputs: list[Json]
    batches: list[RecordedBatch]
    vectors: list[Json]

    @property
    def flags(self) -> list[str]:
        return list(self.about["flags"])


def nanoseconds(seconds: float) -> int:
    """Unix seconds as nanoseconds, to the microsecond, which is all that a float of today holds."""
    return round(seconds * 1_000_000) * 1_000


@cache
def load(name: str) -> Scenario:
    """Reads a scenario; skips the test when the recordings are not there."""
    folder = shared_path("conformance/heapster") / name
    inputs = list(_lines(folder / "inputs.jsonl"))
    return Scenario(
        name,
        json.loads((folder / "scenario.json").read_text("utf-8")),
        sorted(inputs, key=lambda entry: entry["at"]),
        [_batch(line) for line in _lines(folder / "batches.jsonl")],
        list(_lines(folder / "vectors.jsonl")),
    )


@cache
def matcher() -> ModuleType:
    """match.py of the recordings: how an answer is compared with the recorded one."""
    path = shared_path("conformance/heapster/match.py")
    spec = importlib.util.spec_from_file_location("heapster_match", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _lines(path: Path) -> Iterator[Json]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _batch(line: Json) -> RecordedBatch:
    stamp = datetime.fromisoformat(line["timestamp"])
    closed = datetime.combine(stamp.date(), time.fromisoformat(line["logged_at"]), UTC)
    return RecordedBatch(
        line["timestamp"], nanoseconds(stamp.timestamp()), nanoseconds(closed.timestamp()), line["sets"]
    )
