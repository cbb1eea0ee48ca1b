"""Where figures come from."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from bench.provenance import UNKNOWN, compiler_of, provenance
from heapfast._build import BUILD_ROW


def test_it_says_all_that_a_figure_depends_on() -> None:
    where = provenance()
    assert set(msgspec.to_builtins(where)) == {
        "build_row", "commit", "compiler", "cores", "cpu", "is_modified", "kernel", "load_average", "memory_mb",
        "python", "taken",
    }  # fmt: skip
    assert abs((datetime.now(UTC) - datetime.fromisoformat(where.taken)).total_seconds()) < 60
    assert where.build_row == BUILD_ROW
    assert where.python.endswith(platform.python_version())
    assert where.cores == os.cpu_count()
    assert where.memory_mb > 0
    assert where.load_average >= 0
    assert all((where.commit, where.cpu, where.kernel, where.compiler))


@pytest.mark.parametrize(
    ("content", "compiler"),
    [
        (b"\0GCC: (Debian 12.2.0-14+deb12u1) 12.2.0\0.shstrtab", "GCC: (Debian 12.2.0-14+deb12u1) 12.2.0"),
        (b"\0Debian clang version 19.1.7 (3)\0.shstrtab", "clang version 19.1.7 (3)"),
        (b"nothing of the kind", UNKNOWN),
    ],
)
def test_the_compiler_is_the_one_that_made_the_module(content: bytes, compiler: str, tmp_path: Path) -> None:
    module = tmp_path / "_build.so"
    module.write_bytes(content)
    assert compiler_of(module) == compiler
