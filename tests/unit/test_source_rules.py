"""Rules of the house that no linter knows, held against every source of the repository."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shared import REPOSITORY

#: Longer than this, a file has most likely a second idea in it. Each exception says which one idea it is.
MAX_LINES = 600
LONG_FILES = {
    "heapfast/_core.pyx": "the class Store; its parts that stand alone are modules beside it",
}

DIRECTIVES = re.compile(
    r"#\s*cython:|@(?:cython\.)?(?:boundscheck|wraparound|cdivision|initializedcheck|nonecheck|overflowcheck|binding)"
)
NOGIL_FUNCTION = re.compile(
    r"^\s*(?:cdef|cpdef)\s[^=\n]*\([^()]*(?:\([^()]*\)[^()]*)*\)([^:\n(]*)\bnogil\b", re.MULTILINE
)
EXCEPTION_FORM = re.compile(r"\bnoexcept\b|\bexcept\b")
OPEN_ENDS = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")
BLANKET_IGNORE = re.compile(r"#\s*(?:noqa|type:\s*ignore|pragma:\s*no cover)(?![:\[])")
#: Where this repository was written and where its tools came from is nobody's business.
MACHINE = re.compile(r"(?<![\w.$}/-])/(?:work|home|root|Users)/|pypi\.org|pythonhosted|\bghcr\.io\b|registry\.npmjs")

#: A source that a docstring names, perhaps with folders before it.
SOURCE_NAME = re.compile(r"(?<![\w./-])[\w./-]*\w\.(?:pyx?|pxd)\b")

THIS_FILE = Path(__file__).relative_to(REPOSITORY).as_posix()
TEXT_ENDINGS = {".py", ".pyi", ".pyx", ".pxd", ".md", ".toml", ".ini", ".txt", ".yaml", ".yml", ".sh", ""}


def tracked() -> list[str]:
    """Sources by path from the root: what git tracks, and what it would if asked to."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [name for name in listed.stdout.splitlines() if (REPOSITORY / name).is_file()]


SOURCES = tracked()
PYTHON = [name for name in SOURCES if name.endswith(".py")]
CYTHON = [name for name in SOURCES if name.endswith((".pyx", ".pxd"))]
PACKAGE = [name for name in (*PYTHON, *CYTHON) if name.startswith("heapfast/")]
TEXTS = [name for name in SOURCES if Path(name).suffix in TEXT_ENDINGS and name != THIS_FILE]


def lines_with(pattern: re.Pattern[str], names: list[str]) -> list[str]:
    return [
        f"{name}:{number}: {line.strip()}"
        for name in names
        for number, line in enumerate((REPOSITORY / name).read_text().splitlines(), 1)
        if pattern.search(line)
    ]


def undecided_functions(text: str) -> Iterator[str]:
    """nogil functions that do not say how they report an exception."""
    for match in NOGIL_FUNCTION.finditer(text):
        if not EXCEPTION_FORM.search(match[1]):
            yield match[0].strip()


def is_seen_from(name: str, source: str) -> bool:
    folder = Path(name).parent
    if any((around / source).as_posix() in SOURCES for around in (folder, *folder.parents)):
        return True
    return any(other.startswith(f"{folder.as_posix()}/") and other.endswith(f"/{source}") for other in SOURCES)


def test_the_sources_are_found() -> None:
    assert {"heapfast/errors.py", "heapfast/_types.pxd", "setup.py", "tests/conftest.py"} <= set(SOURCES)


def test_check_directives_live_in_setup_py_alone() -> None:
    assert lines_with(DIRECTIVES, CYTHON) == []


def test_every_nogil_function_states_its_exception_form() -> None:
    found = [f"{name}: {text}" for name in CYTHON for text in undecided_functions((REPOSITORY / name).read_text())]
    assert found == []


@pytest.mark.parametrize(
    ("text", "undecided"),
    [
        ("cdef int f(int a) nogil:", 1),
        ("cdef int f(\n    const char* a,\n    int (*b)(int) noexcept,\n) nogil", 1),
        ("cdef int f(int a) noexcept nogil:", 0),
        ("cdef int f(int a) except -1 nogil:", 0),
        ("cdef inline void f(\n    int a,\n) noexcept nogil", 0),
        ("cdef int f(int a):\n    with nogil:\n        pass", 0),
    ],
)
def test_a_nogil_function_without_exception_form_is_found(text: str, undecided: int) -> None:
    assert len(list(undecided_functions(text))) == undecided


def test_nothing_is_left_open() -> None:
    assert lines_with(OPEN_ENDS, TEXTS) == []


def test_every_ignore_names_its_rule() -> None:
    assert lines_with(BLANKET_IGNORE, PYTHON + CYTHON) == []


def test_no_machine_and_no_registry_is_named() -> None:
    assert lines_with(MACHINE, TEXTS) == []


@pytest.mark.parametrize("name", PACKAGE)
def test_every_module_says_what_it_is(name: str) -> None:
    text = (REPOSITORY / name).read_text()
    if name.endswith(".py"):
        assert ast.get_docstring(ast.parse(text)), f"{name} has no docstring"
    else:
        assert text.startswith('"""'), f"{name} has no docstring"


@pytest.mark.parametrize("name", PACKAGE)
def test_every_source_that_a_docstring_names_is_there(name: str) -> None:
    """Beside the module, below it, or in any folder around it: `Callers` is of no use when who is named has moved."""
    docstring = (REPOSITORY / name).read_text().split('"""', 2)[1]
    missing = [source for source in SOURCE_NAME.findall(docstring) if not is_seen_from(name, source)]
    assert missing == []


@pytest.mark.parametrize(
    ("name", "source", "is_seen"),
    [
        ("heapfast/api/app.py", "errors.py", True),
        ("heapfast/api/app.py", "auth/middleware.py", True),
        ("heapfast/scrape/sources/cadvisor.py", "_deadlines.pyx", True),
        ("heapfast/summaries.py", "monitoring.py", True),
        ("heapfast/api/app.py", "heapfast/_types.pxd", True),
        ("heapfast/api/app.py", "_deadlines.pyx", False),
        ("heapfast/sim/registry.py", "apiserver/lists.py", False),
    ],
)
def test_a_source_is_seen_from_beside_below_and_within(name: str, source: str, is_seen: bool) -> None:
    assert is_seen_from(name, source) is is_seen


def test_every_compiled_module_that_python_imports_has_a_stub() -> None:
    python = "\n".join((REPOSITORY / name).read_text() for name in PYTHON)
    missing = []
    for name in CYTHON:
        module = name.removesuffix(".pyx").replace("/", ".")
        imported = re.search(rf"^\s*(?:from|import) {re.escape(module)}\b", python, re.MULTILINE)
        if imported and name.endswith(".pyx") and name.removesuffix("x") + "i" not in SOURCES:
            missing.append(module)
    assert missing == []


def test_long_files_are_one_idea() -> None:
    lengths = {name: len((REPOSITORY / name).read_text().splitlines()) for name in PACKAGE}
    assert {name for name, length in lengths.items() if length > MAX_LINES} == set(LONG_FILES)
