"""Servers as data: how each is started against the simulated cluster, and whose API it speaks.

In      `--server` texts
Out     ServerSpec; argv for one cluster
Callers bench/command.py, turn.py
Source  the servers' own flags, as their documentation has them
Never   knows how any of them is built

metrics-server and heapfast get the same flags to the letter: heapfast takes its place.
"""

from __future__ import annotations

import hashlib
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from bench.load.profiles import Dialect
from heapfast import _build
from heapfast.errors import ConfigError

_METRICS_SERVER_FLAGS: Final = (
    "--kubeconfig={kubeconfig}",
    "--authentication-kubeconfig={kubeconfig}",
    "--authorization-kubeconfig={kubeconfig}",
    "--kubelet-certificate-authority={ca_file}",
    "--kubelet-preferred-address-types=InternalIP",
    "--kubelet-use-node-status-port",
    "--bind-address=127.0.0.1",
    "--secure-port={port}",
    "--cert-dir={folder}",
    "--metric-resolution={resolution_seconds}s",
)
_HEAPSTER_SOURCE: Final = (
    "inClusterConfig=false",
    "kubeletHttps=true",
    "kubeletPort={kubelet_port}",
    "auth={kubeconfig}",
)
_HEAPSTER_FLAGS: Final = (
    f"--source=kubernetes.summary_api:?{'&'.join(_HEAPSTER_SOURCE)}",
    "--listen-ip=127.0.0.1",
    "--heapster-port={port}",
    "--metric-resolution={resolution_seconds}s",
)
_OURS: Final = (sys.executable, "-m", "heapfast")

#: What a bare path, or no path, stands for: dialect, flags, how it tells its version.
_KNOWN: Final[dict[str, tuple[Dialect, tuple[str, ...]]]] = {
    "heapfast": (Dialect.METRICS_K8S_IO, _METRICS_SERVER_FLAGS),
    "heapfast-heapster": (Dialect.HEAPSTER, _HEAPSTER_FLAGS),
    "metrics-server": (Dialect.METRICS_K8S_IO, _METRICS_SERVER_FLAGS),
    "heapster": (Dialect.HEAPSTER, _HEAPSTER_FLAGS),
}
OURS: Final = ("heapfast", "heapfast-heapster")
_VERSION_SECONDS: Final = 20.0

HELP: Final = (
    "heapfast, heapfast-heapster, metrics-server=BINARY, heapster=BINARY, "
    "or NAME:DIALECT=COMMAND with {kubeconfig} {ca_file} {kubelet_port} {api_url} {port} {folder} "
    "{resolution_seconds} in it, or NAME:DIALECT=URL[#PID] of one that runs already; "
    f"DIALECT is one of {', '.join(dialect.value for dialect in Dialect)}; repeatable"
)


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """What a command line may need to know."""

    kubeconfig: str
    ca_file: str
    api_url: str
    kubelet_port: int
    port: int
    folder: str
    resolution_seconds: int


class ServerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One server.

    Attributes:
        command: with {places}; empty for one that runs already at `url`.
        pid: of one that runs already, so that its CPU and memory are measured too; 0 = not known.
    """

    name: str
    dialect: Dialect
    command: tuple[str, ...] = ()
    url: str = ""
    pid: int = 0

    def argv(self, places: Places) -> list[str]:
        values = msgspec.to_builtins(places)
        return [word.format(**values) for word in self.command]

    def environ(self) -> dict[str, str]:
        """What its process needs beside this one's: ours is the package that runs here, whatever the folder."""
        if self.name not in OURS:
            return {}
        return {"PYTHONSAFEPATH": "1", "PYTHONPATH": str(Path(_build.__file__).resolve().parents[1])}

    def shown_command(self) -> str:
        """The command line as it is written down: without anybody's folders."""
        if not self.command:
            return ""
        if self.name in OURS:
            return " ".join(("heapfast", *self.command[len(_OURS) :]))
        return " ".join((Path(self.command[0]).name, *self.command[1:]))


def parse_server(text: str) -> ServerSpec:
    """Raises ConfigError."""
    head, _, command = text.partition("=")
    name, _, dialect_text = head.partition(":")
    if dialect_text:
        return _stated(name, dialect_text, command)
    if name in OURS and not command:
        dialect, flags = _KNOWN[name]
        return ServerSpec(name=name, dialect=dialect, command=(*_OURS, *flags))
    if name in _KNOWN and name not in OURS and command:
        dialect, flags = _KNOWN[name]
        return ServerSpec(name=name, dialect=dialect, command=(_program(command), *flags))
    raise ConfigError([f"--server: got {text!r}, want {HELP}"])


def _stated(name: str, dialect_text: str, command: str) -> ServerSpec:
    dialects = {dialect.value: dialect for dialect in Dialect}
    if not name or dialect_text not in dialects or not command:
        raise ConfigError([f"--server: got {name}:{dialect_text}={command}, want {HELP}"])
    dialect = dialects[dialect_text]
    if command.startswith(("http://", "https://")):
        url, _, pid = command.partition("#")
        if urlsplit(url).port is None or (pid and not pid.isdigit()):
            raise ConfigError([f"--server {name}: got {command!r}, want a URL with a port, perhaps #PID"])
        return ServerSpec(name=name, dialect=dialect, url=url, pid=int(pid or 0))
    words = shlex.split(command)
    known = dict.fromkeys(Places.__struct_fields__, "")
    for word in words:
        try:
            word.format(**known)
        except (KeyError, IndexError, ValueError) as error:
            raise ConfigError([f"--server {name}: cannot fill in {word!r}: {error}"]) from error
    return ServerSpec(name=name, dialect=dialect, command=(_program(words[0]), *words[1:]))


def _program(path: str) -> str:
    found = shutil.which(path)
    if found is None:
        raise ConfigError([f"--server: {path} is no program"])
    return str(Path(found).resolve())


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Which program it was, for the record.

    Attributes:
        version: what it says when asked for it; "" when it says nothing.
        sha256: of the program file; "" for heapfast, which the provenance has, and for one that ran already.
    """

    version: str
    sha256: str
    command: str


def identify(spec: ServerSpec) -> Identity:
    """Asks a server's program for its version."""
    if not spec.command:
        return Identity(version="", sha256="", command="")
    program = spec.command[: len(_OURS)] if spec.name in OURS else spec.command[:1]
    try:
        asked = subprocess.run(
            [*program, "--version"], capture_output=True, text=True, timeout=_VERSION_SECONDS, check=False
        )
        version = next((line for line in (asked.stdout + asked.stderr).splitlines() if line.strip()), "")
    except (OSError, subprocess.TimeoutExpired):
        version = ""
    sha256 = "" if spec.name in OURS else hashlib.sha256(Path(spec.command[0]).read_bytes()).hexdigest()
    return Identity(version=version.strip(), sha256=sha256, command=spec.shown_command())
