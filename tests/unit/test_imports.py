"""Every module can be imported first, alone, in a fresh process."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import heapfast

PACKAGE = Path(heapfast.__file__).parent


def module_names() -> list[str]:
    """Every module of the package that is tested, compiled ones included."""
    names = set()
    for path in (*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.so")):
        parts = path.relative_to(PACKAGE.parent).parts
        names.add(".".join((*parts[:-1], parts[-1].partition(".")[0])).removesuffix(".__init__"))
    return sorted(names)


# A forked child starts as fresh as its parent is: one that has imported nothing of heapfast. What heapfast is built
# on may be there, since whether a module can come first is a question of its own imports: without it this test takes
# twice as long.
IMPORT_EACH = textwrap.dedent(
    """
    import importlib, os, sys, traceback
    import aiohttp.web, cryptography.x509, falcon.asgi, msgspec, prometheus_client, pyroaring, rich.table
    import uvicorn, uvloop

    assert "heapfast" not in sys.modules

    failed = []
    for name in sys.argv[1:]:
        child = os.fork()
        if child == 0:
            try:
                importlib.import_module(name)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        if os.waitpid(child, 0)[1]:
            failed.append(name)
    sys.exit(f"cannot import alone: {', '.join(failed)}" if failed else 0)
    """
)


def import_each(names: list[str]) -> subprocess.CompletedProcess[str]:
    # Whatever a module warns about at import counts as a failure too.
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORT_EACH, *names], capture_output=True, text=True, timeout=100
    )


def test_every_module_can_be_imported_alone() -> None:
    names = module_names()
    assert {"heapfast.cli", "heapfast._build", "heapfast.config.build"} <= set(names)
    result = import_each(names)
    assert result.returncode == 0, result.stderr


def test_a_module_that_cannot_be_imported_is_noticed() -> None:
    result = import_each(["heapfast.errors", "heapfast.nowhere"])
    assert result.returncode == 1
    assert "cannot import alone: heapfast.nowhere" in result.stderr


@pytest.mark.parametrize(
    ("argv", "unwanted"),
    [
        (["--version"], {"asyncio", "uvloop", "falcon", "aiohttp", "rich"}),
        (["--help"], {"asyncio", "uvloop", "falcon", "aiohttp", "rich"}),
        (["check-config", "--source=kubernetes"], {"asyncio", "uvloop", "falcon", "aiohttp", "rich"}),
    ],
)
def test_a_command_imports_only_what_it_needs(argv: list[str], unwanted: set[str]) -> None:
    script = "import sys; from heapfast.cli import main; main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    result = subprocess.run([sys.executable, "-c", script, *argv], capture_output=True, text=True, timeout=100)
    assert result.returncode == 0, result.stderr
    assert not unwanted & set(result.stderr.split())
