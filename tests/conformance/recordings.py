"""What the recordings of both references have in common: lines of JSON, and times.

In      paths inside the shared folder
Out     values as they were recorded
Callers recordings.py of each reference
Source  README.md of the recordings
Never   knows what a line means
"""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Json = dict[str, Any]


def nanoseconds(seconds: float) -> int:
    """Unix seconds as nanoseconds, to the microsecond, which is all that a float of today holds."""
    return round(seconds * 1_000_000) * 1_000


def read_lines(path: Path) -> Iterator[Json]:
    """Each line of a .jsonl or .jsonl.gz."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
