"""What holds for every test: which build is tested, on which loop, and what fails beside its asserts.

In      HEAPFAST_BUILD (set by tox): the row of setup.py's table that must be running
Out     uvloop for every async test; a test fails when its loop met an exception that nobody handled;
        hypothesis without chance
Callers pytest
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import hypothesis
import pytest
import uvloop
from hypothesis.internal.conjecture import providers

import heapfast
from heapfast._build import BUILD_ROW
from tests.shared import REPOSITORY

# The same examples on every machine and every run; how long one takes is pytest-timeout's business.
hypothesis.settings.register_profile("heapfast", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("heapfast")
# It would mix in constants of whatever modules of ours are loaded by then: other tests would change the examples.
if "_get_local_constants" in vars(providers):
    vars(providers)["_get_local_constants"] = lambda: vars(providers)["_local_constants"]

# Tests share bench's scenarios. Putting the tree on sys.path for that would put its heapfast there too.
_bench = ModuleType("bench")
_bench.__path__ = [str(REPOSITORY / "bench")]
sys.modules.setdefault("bench", _bench)

_unhandled: list[str] = []


def pytest_configure() -> None:
    wanted = os.environ.get("HEAPFAST_BUILD", BUILD_ROW)
    if wanted != BUILD_ROW:
        raise pytest.UsageError(f"cannot test the {wanted} build: {heapfast.__file__} is a {BUILD_ROW} build")


def pytest_report_header() -> str:
    return f"heapfast: {heapfast.__version__}, {BUILD_ROW} build, {Path(heapfast.__file__).parent}"


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": _new_loop}


def _new_loop() -> asyncio.AbstractEventLoop:
    loop = uvloop.new_event_loop()
    loop.set_exception_handler(_note_unhandled)
    return loop


def _note_unhandled(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    _unhandled.append(f"{context['message']}: {context.get('exception')!r}")


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_teardown() -> Iterator[None]:
    # After the fixtures, because closing the loop is where forgotten tasks speak up.
    yield
    if _unhandled:
        met, _unhandled[:] = list(_unhandled), []
        pytest.fail("the loop met exceptions that nobody handled:\n" + "\n".join(met), pytrace=False)
