"""Manifests as a cluster would get them: rendered by kubectl, or by helm where there is one.

In      the name of an overlay, or values for the chart
Out     objects, as plain dicts
Callers the tests beside it
Never   talks to a cluster
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.shared import REPOSITORY

DEPLOY = REPOSITORY / "deploy"
CHART = DEPLOY / "chart" / "heapfast"
KUBERNETES = "1.34.0"
OVERLAYS = sorted(path.name for path in (DEPLOY / "overlays").iterdir())

Manifest = dict[str, Any]


class Objects:
    """What would be applied together."""

    def __init__(self, text: str) -> None:
        self.all: list[Manifest] = [one for one in yaml.safe_load_all(text) if one]

    def kinds(self) -> list[str]:
        return sorted(one["kind"] for one in self.all)

    def get(self, kind: str, name: str | None = None) -> Manifest:
        """The one object of a kind (and name)."""
        (found,) = (
            one for one in self.all if one["kind"] == kind and (name is None or one["metadata"]["name"] == name)
        )
        return found

    def names(self, kind: str) -> set[str]:
        return {one["metadata"]["name"] for one in self.all if one["kind"] == kind}

    @property
    def pod(self) -> Manifest:
        pod: Manifest = self.get("Deployment")["spec"]["template"]
        return pod

    @property
    def container(self) -> Manifest:
        (container,) = self.pod["spec"]["containers"]
        return dict(container)


@functools.cache
def render_overlay(name: str) -> Objects:
    """What `kubectl apply -k deploy/overlays/NAME` would apply."""
    return Objects(_run("kubectl", "kustomize", str(DEPLOY / "overlays" / name)))


@functools.cache
def render_with_components(*names: str) -> Objects:
    """What the base with these components would apply."""
    with tempfile.TemporaryDirectory() as folder:

        def relative(*parts: str) -> str:
            return os.path.relpath(Path(DEPLOY, *parts).resolve(), Path(folder).resolve())

        kustomization = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [relative("base")],
            "components": [relative("components", name) for name in names],
        }
        Path(folder, "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        return Objects(_run("kubectl", "kustomize", folder))


def render_chart(*settings: str) -> Objects:
    """What `helm install metrics-server --set SETTING ...` would apply."""
    return Objects(_run(*_helm(settings)))


def refuse_chart(*settings: str) -> str:
    """What helm says to values that cannot be installed."""
    words = _helm(settings)
    result = subprocess.run([find_program(words[0]), *words[1:]], capture_output=True, text=True, timeout=60)
    assert result.returncode != 0
    return result.stderr


def _helm(settings: Iterable[str]) -> list[str]:
    options = [word for setting in settings for word in ("--set", setting)]
    # Which Kubernetes helm assumes without a cluster depends on how it was built.
    return [
        *("helm", "template", "metrics-server", str(CHART)),
        *("--namespace=kube-system", f"--kube-version={KUBERNETES}"),
        *options,
    ]


def _run(program: str, *words: str) -> str:
    result = subprocess.run([find_program(program), *words], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    return result.stdout


def find_program(program: str) -> str:
    """Where a program is; skips the test when there is none."""
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"NO {program.upper()}: what it renders is not tested; put {program} on the PATH")
    return str(Path(path))
