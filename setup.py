"""Builds heapfast's compiled modules.

Everything static about the package is in pyproject.toml. This file holds what setuptools
cannot say there: the extensions in road order and, in BUILD_ROWS, the one table of compiler
directives and flags. HEAPFAST_BUILD picks the row; HEAPFAST_MODULES (comma-separated full
names) limits the build while working on one module; HEAPFAST_COMMIT states the commit where
there is no repository to ask.
"""

import os
import subprocess
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_py import build_py

EXTENSIONS = [
    # the floor
    "heapfast._build",
    "heapfast._text",
    "heapfast._histogram",
    "heapfast.codec._quantity",
    "heapfast.codec._rfc3339",
    "heapfast.codec._float",
    "heapfast.codec._duration",
    "heapfast.codec._percent",
    # 2: sockets -> bytes
    "heapfast.scrape._openssl",
    "heapfast.scrape._stream",
    "heapfast.scrape._response",
    "heapfast.scrape._deadlines",
    "heapfast.scrape._http",
    "heapfast.scrape._rhythm",
    "heapfast.scrape._target",
    "heapfast.scrape._counters",
    "heapfast.scrape._round",
    # 3: bytes -> rows
    "heapfast.wire._rows",
    "heapfast.wire._summary",
    "heapfast.wire._sample",
    "heapfast.wire._cadvisor",
    "heapfast.wire._exposition",
    "heapfast.wire._resource",
    # 4: memory and numbers
    "heapfast._requirements",
    "heapfast._entities",
    "heapfast._metrics",
    "heapfast._ledger",
    "heapfast._pack",
    "heapfast._frame",
    "heapfast._batch",
    "heapfast._name_list",
    "heapfast._kernels",
    "heapfast._ring",
    "heapfast._side",
    "heapfast._rates",
    "heapfast._enrich",
    "heapfast._sums",
    "heapfast._closing",
    "heapfast._extras",
    "heapfast._latest",
    "heapfast._expected",
    "heapfast._warm",
    "heapfast._core",
    "heapfast._segment",
    "heapfast._unpack",
    "heapfast._stored",
    "heapfast._restore",
    "heapfast._snapshot",
    "heapfast._grouping",
    "heapfast._percentile",
    "heapfast._aggregate",
    # 6: questions
    "heapfast.store._values",
    "heapfast.query._selector",
    # 7: answers as bytes
    "heapfast.render._json",
    "heapfast.render._order",
    "heapfast.render._names",
    "heapfast.render._series",
    "heapfast.render._export",
    "heapfast.render._exposition",
    "heapfast.render._query",
    "heapfast.render._arrow",
    "heapfast.render._usage",
    "heapfast.render._indent",
    "heapfast.render._fragments",
    "heapfast.render._roster",
    "heapfast.render._freshness",
    "heapfast.render._k8s_items",
    "heapfast.render._k8s_json",
    "heapfast.render._k8s_protobuf",
    # 8: questions over sockets
    "heapfast.api._awaitables",
    "heapfast.api._http",
    "heapfast.api._outgoing",
    "heapfast.api._connection",
    # batches out
    "heapfast.sinks._walk",
    "heapfast.sinks._framed",
    "heapfast.sinks._graphite",
    "heapfast.sinks._influxdb",
    "heapfast.sinks._prometheus",
    "heapfast.sinks._statsd",
    "heapfast.sinks._documents",
    "heapfast.sinks._riemann",
    "heapfast.sinks._otlp",
    "heapfast.sinks._log",
    # the side road to long memory
    "heapfast.history._order",
    "heapfast.history._rows",
    # the simulated cluster
    "heapfast.sim._bodies",
    "heapfast.sim._rows",
]

CHECKED = {
    "boundscheck": True,
    "wraparound": True,
    "initializedcheck": True,
    "nonecheck": True,
    "cdivision": False,
    "overflowcheck": False,
}
UNCHECKED = {
    "boundscheck": False,
    "wraparound": False,
    "initializedcheck": False,
    "nonecheck": False,
    "cdivision": True,
    "overflowcheck": False,
}

# Columns hold int64 or double in one and the same buffer, and "absent" is told by its bits in both: a compiler that
# takes the two for separate memory may load a sum before it is stored.
COMMON_CFLAGS = ["-fno-strict-aliasing", "-Wno-unused-function", "-Wno-unreachable-code"]

BUILD_ROWS = {
    "release": {
        "directives": UNCHECKED,
        "cflags": ["-O2", "-g1"],
        "ldflags": [],
        "macros": [],
    },
    "debug": {
        "directives": CHECKED,
        "cflags": ["-O1", "-g", "-UNDEBUG"],
        "ldflags": [],
        "macros": [("HEAPFAST_DEBUG", "1")],
    },
    "coverage": {
        "directives": {**CHECKED, "linetrace": True},
        "cflags": ["-O0", "-g"],
        "ldflags": [],
        "macros": [("CYTHON_TRACE_NOGIL", "1"), ("CYTHON_USE_SYS_MONITORING", "0")],
    },
    "sanitize": {
        "directives": CHECKED,
        "cflags": ["-O1", "-g", "-UNDEBUG", "-fsanitize=address,undefined", "-fno-omit-frame-pointer"],
        "ldflags": ["-fsanitize=address,undefined"],
        "macros": [("HEAPFAST_DEBUG", "1")],
    },
}


class BuildPackage(build_py):
    """Copies the Python part, and nothing but it.

    setuptools reuses its staging folder, and would ship files that the tree no longer has.
    """

    def run(self):
        super().run()
        if self.editable_mode:
            return
        root = Path(self.build_lib)
        copied = {Path(name) for name in self.get_outputs(include_bytecode=False)}
        compiled = {root / self.get_finalized_command("build_ext").get_ext_filename(name) for name in EXTENSIONS}
        for path in root.rglob("*"):
            if path.is_file() and path not in copied | compiled:
                path.unlink()
        (root / "heapfast/commit.txt").write_text(f"{commit()}\n")


def commit():
    """The commit that is being built, "unknown" where nothing says."""
    stated = os.environ.get("HEAPFAST_COMMIT")
    if stated:
        return stated
    try:
        asked = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return asked.stdout.strip()


def extensions(row, only):
    build = BUILD_ROWS[row]
    for name in EXTENSIONS:
        if only and name not in only:
            continue
        yield Extension(
            name,
            [name.replace(".", "/") + ".pyx"],
            extra_compile_args=build["cflags"] + COMMON_CFLAGS,
            extra_link_args=build["ldflags"],
            define_macros=[*build["macros"], ("HEAPFAST_BUILD_ROW", f'"{row}"')],
        )


def c_folder(row, annotate):
    """Where the C of a row goes; None is beside the sources."""
    if annotate:
        return "build/cython-annotate"
    # Cython's coverage plugin looks there; tox builds that row in a copy of the tree.
    return None if row == "coverage" else f"build/cython-{row}"


def main():
    row = os.environ.get("HEAPFAST_BUILD", "release")
    if row not in BUILD_ROWS:
        raise SystemExit(f"cannot build row {row!r}: HEAPFAST_BUILD must be one of {', '.join(BUILD_ROWS)}")
    annotate = os.environ.get("HEAPFAST_ANNOTATE") == "1"
    only = set(filter(None, os.environ.get("HEAPFAST_MODULES", "").split(",")))
    unknown = only - set(EXTENSIONS)
    if unknown:
        raise SystemExit(f"cannot build {', '.join(sorted(unknown))}: not in EXTENSIONS of setup.py")
    setup(
        # A staging folder for each row: objects of one row must never pass for another's.
        options={
            "build": {"build_base": f"build/{row}"},
            "build_ext": {"parallel": os.cpu_count() or 1},
        },
        cmdclass={"build_py": BuildPackage},
        ext_modules=cythonize(
            list(extensions(row, only)),
            build_dir=c_folder(row, annotate),
            annotate=annotate,
            force=annotate,
            compiler_directives={
                "language_level": 3,
                "embedsignature": True,
                "binding": True,
                **BUILD_ROWS[row]["directives"],
            },
            nthreads=0 if only else 2,
        ),
    )


if __name__ == "__main__":
    main()
