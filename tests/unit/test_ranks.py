"""Who may import whom: the table of ranks, held against every import and cimport."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shared import REPOSITORY

PACKAGE = REPOSITORY / "heapfast"

#: Own folder or a lower rank; folders of one rank do not know each other.
RANKS = (
    (
        "errors",
        "units",
        "clock",
        "tls",
        "serving",
        "self_signed",
        "data_dir",
        "file_watch",
        "summaries",
        "histograms",
        "_histogram",
        "backoff",
        "_build",
        "_types",
        "_prefetch",
        "_text",
    ),
    ("catalog", "codec"),
    ("wire",),
    ("_core",),
    ("store",),
    ("kube", "scrape", "processors", "query", "auth"),
    ("render", "history"),
    ("api", "sinks"),
    ("pipeline", "config", "sim"),
    (
        "daemon",
        "secure_port",
        "listening",
        "consumers",
        "long_memory",
        "places",
        "warm_restart",
        "inspect_dir",
        "process_tuning",
        "batches_out",
        "cli",
        "parse_file",
        "__main__",
    ),
)
RANK = {name: rank for rank, names in enumerate(RANKS) for name in names}

#: The modules beside _core that it has grown into; from outside they count as _core.
CORE = frozenset(
    (
        "_core",
        "_requirements",
        "_entities",
        "_metrics",
        "_ledger",
        "_pack",
        "_frame",
        "_batch",
        "_name_list",
        "_kernels",
        "_ring",
        "_side",
        "_rates",
        "_enrich",
        "_sums",
        "_closing",
        "_extras",
        "_latest",
        "_expected",
        "_warm",
        "_segment",
        "_unpack",
        "_stored",
        "_restore",
        "_snapshot",
        "_grouping",
        "_percentile",
        "_aggregate",
    )
)

#: Files that lie side by side in heapfast/ itself are one folder.
FLOOR = frozenset(RANKS[0])
TOP = frozenset(RANKS[-1])

SOURCES = sorted(path for ending in ("py", "pyi", "pyx", "pxd") for path in PACKAGE.rglob(f"*.{ending}"))

_CIMPORT = re.compile(r"^\s*(?:from\s+(\S+)\s+c?import\s+(\([^)]*\)|[^\n]*)|c?import\s+([^\n]*))", re.MULTILINE)
_STRING = re.compile(r'"""(?:.|\n)*?"""|#[^\n]*')


def part_of(module: str) -> str:
    """heapfast.wire._rows -> wire; heapfast itself -> ""."""
    name = module.removeprefix("heapfast").lstrip(".").partition(".")[0]
    return "_core" if name in CORE else name


def module_of(path: Path) -> str:
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imported_by(path: Path) -> Iterator[str]:
    """Every module of heapfast that a source names, what only types need left out."""
    text = path.read_text()
    yield from _imported_by_python(text) if path.suffix in (".py", ".pyi") else _imported_by_cython(text)


def _imported_by_python(text: str) -> Iterator[str]:
    tree = ast.parse(text)
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in line {node.lineno}"
            yield from _joined(node.module or "", [alias.name for alias in node.names])


def _imported_by_cython(text: str) -> Iterator[str]:
    for match in _CIMPORT.finditer(_STRING.sub("", text)):
        if match[1]:
            yield from _joined(match[1], re.findall(r"\w+", re.sub(r"\bas\s+\w+", "", match[2])))
        else:
            yield from (name.split()[0] for name in match[3].split(","))


def _joined(module: str, names: list[str]) -> Iterator[str]:
    # `from heapfast import daemon` names heapfast.daemon; a name of heapfast/__init__.py is no module.
    if module == "heapfast":
        yield from (f"heapfast.{name}" for name in names if not name.startswith("__"))
    else:
        yield module


def may_import(importer: str, imported: str) -> bool:
    if imported in ("", importer):
        return True
    if {importer, imported} <= FLOOR or {importer, imported} <= TOP:
        return importer != "_types"  # it imports nothing, so that everyone may cimport it
    return RANK[imported] < RANK[importer]


@pytest.mark.parametrize("path", SOURCES, ids=[str(path.relative_to(PACKAGE)) for path in SOURCES])
def test_a_module_imports_its_own_folder_or_a_lower_rank(path: Path) -> None:
    importer = part_of(module_of(path))
    assert importer in RANK or importer == "", f"{importer} has no rank: add it to the table"
    modules = {name for name in imported_by(path) if name.split(".")[0] == "heapfast"}
    wrong = sorted(name for name in modules if not may_import(importer, part_of(name)))
    assert not wrong, f"{importer} (rank {RANK.get(importer)}) must not import {', '.join(wrong)}"


@pytest.mark.parametrize(
    ("text", "modules"),
    [
        ("import os, heapfast.clock as c", ["os", "heapfast.clock"]),
        ("from heapfast.wire import _rows", ["heapfast.wire"]),
        ("from heapfast import daemon, __version__", ["heapfast.daemon"]),
        ("def f():\n    from heapfast.api.app import App", ["heapfast.api.app"]),
        ("if TYPE_CHECKING:\n    import heapfast.api\nimport heapfast.cli", ["heapfast.cli"]),
    ],
)
def test_imports_are_found_in_python(text: str, modules: list[str]) -> None:
    assert list(_imported_by_python(text)) == modules


@pytest.mark.parametrize(
    ("text", "modules"),
    [
        ("from heapfast._types cimport (\n    KIND_POD,\n    span_t,\n)", ["heapfast._types"]),
        ("cimport heapfast._core as core", ["heapfast._core"]),
        ("from heapfast cimport _text as t, _types", ["heapfast._text", "heapfast._types"]),
        ("cdef f():\n    from heapfast.errors import ParseError  # import nothing", ["heapfast.errors"]),
        ('"""\nimport heapfast.api\n"""\n# cimport heapfast.cli', []),
    ],
)
def test_imports_are_found_in_cython(text: str, modules: list[str]) -> None:
    assert list(_imported_by_cython(text)) == modules


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("wire", "wire", True),
        ("wire", "_core", False),
        ("api", "render", True),
        ("kube", "scrape", False),
        ("pipeline", "config", False),
        ("_text", "_types", True),
        ("_types", "_text", False),
        ("cli", "daemon", True),
        ("sim", "daemon", False),
    ],
)
def test_the_table_of_ranks_decides(importer: str, imported: str, allowed: bool) -> None:
    assert may_import(importer, imported) is allowed
