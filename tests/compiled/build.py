"""Builds a probe: a .pyx of this folder that reaches what Python cannot.

In      the name of a probe, a folder to build in
Out     the probe, imported
Callers tests that look inside; nothing of the package
Never   writes beside the sources, or into another test's folder
"""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

from Cython.Build import cythonize
from setuptools import Distribution, Extension
from setuptools.command.build_ext import build_ext

import heapfast

HERE = Path(__file__).parent
ROOT = Path(heapfast.__file__).parents[1]


def build_probe(name: str, folder: Path) -> ModuleType:
    """Compiles tests/compiled/<name>.pyx against the package's .pxd files; takes some seconds."""
    source = folder / f"{name}.pyx"
    shutil.copyfile(HERE / source.name, source)
    extension = Extension(name, [str(source)], extra_compile_args=["-O1", "-fno-strict-aliasing"])
    extensions = cythonize([extension], include_path=[str(ROOT)], compiler_directives={"language_level": 3}, quiet=True)
    command = build_ext(Distribution({"name": name, "ext_modules": extensions}))
    command.build_lib = command.build_temp = str(folder)
    command.ensure_finalized()
    command.run()
    spec = importlib.util.spec_from_file_location(name, command.get_ext_fullpath(name))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
