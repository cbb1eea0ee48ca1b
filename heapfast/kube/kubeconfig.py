"""What a kubeconfig says, read by the Kubernetes client library in a process of its own.

In      the path of a kubeconfig
Out     Kubeconfig: server, CA, credentials of the current context; exec plugins have been run
Callers config, at start; credentials, when what they have expires or is refused
Source  kubernetes_asyncio.config: exec plugins, OIDC, token files, inline data, relative paths
Never   writes the kubeconfig; shows a token or a key other than through its pipe

Why a process: importing kubernetes_asyncio.config imports the library's whole generated
client. Measured beyond aiohttp, which we need anyway: 39 MB of memory for good, and 0.2 s. A
child that lives for half a second costs the daemon none of it, and gives exec plugins a
time limit. lightkube was the alternative: 6 MB, but it only parses; its exec plugins are
tied to its own HTTP client, do not know client.authentication.k8s.io/v1, and give no
certificates or expiry times. In a cluster none of this runs: that is two files (config.py).
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec

from heapfast.errors import ConfigError

#: An exec plugin may ask a remote service, so it gets longer than the work itself.
LOAD_TIMEOUT_SECONDS: Final = 60.0


class Kubeconfig(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The current context of a kubeconfig, with all files read.

    Attributes:
        authorization: value of the Authorization header, None for none.
        expires_at_seconds: Unix time at which `authorization` ends; None when nobody knows.
        ca_pem, certificate_pem, key_pem: PEM texts.
    """

    server: str
    ca_pem: str | None = None
    certificate_pem: str | None = None
    key_pem: str | None = None
    authorization: str | None = None
    expires_at_seconds: float | None = None
    insecure: bool = False
    tls_server_name: str | None = None
    proxy: str | None = None

    def __repr__(self) -> str:
        return f"Kubeconfig(server={self.server!r})"


class Fault(msgspec.Struct, tag=True):
    """Why the child could not answer."""

    message: str


def load_kubeconfig(path: str) -> Kubeconfig:
    """Read a kubeconfig; blocks for about half a second plus the exec plugin's time.

    Raises:
        ConfigError: the file, its current context or its exec plugin is not usable.
    """
    command = [sys.executable, "-m", __name__, path]
    with subprocess.Popen(  # noqa: S603 - our own interpreter and module; the path is an argument, not a command
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # so that an exec plugin that hangs can be ended together with the child
    ) as child:
        try:
            answer, errors = child.communicate(timeout=LOAD_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            raise ConfigError(
                f"cannot load kubeconfig {path}: got no answer, want one within {LOAD_TIMEOUT_SECONDS:.0f} seconds"
            ) from None
    if child.returncode == 0:
        return msgspec.json.decode(answer, type=Kubeconfig)
    try:
        fault = msgspec.json.decode(answer, type=Fault).message
    except msgspec.DecodeError:
        last_words = errors.decode(errors="replace").strip().rpartition("\n")[2]
        fault = f"loader ended with {child.returncode}: {last_words}"
    raise ConfigError(f"cannot load kubeconfig {path}: {fault}")


async def _load_here(path: str) -> Kubeconfig:
    """Do the work, in the child."""
    from kubernetes_asyncio.client import Configuration
    from kubernetes_asyncio.config import load_kube_config

    configuration = Configuration()
    loader = await load_kube_config(path, client_configuration=configuration, persist_config=False)
    expiry = getattr(loader, "exec_plugin_expiry", None)
    return Kubeconfig(
        server=configuration.host or "",
        ca_pem=_read(configuration.ssl_ca_cert),
        certificate_pem=_read(configuration.cert_file),
        key_pem=_read(configuration.key_file),
        authorization=configuration.api_key.get("BearerToken"),
        expires_at_seconds=expiry.timestamp() if expiry else None,
        insecure=not configuration.verify_ssl,
        tls_server_name=configuration.tls_server_name,
        proxy=configuration.proxy,
    )


def _read(path: str | None) -> str | None:
    return Path(path).read_text(encoding="ascii") if path else None


def _main(path: str) -> int:
    try:
        answer: Kubeconfig | Fault = asyncio.run(_load_here(path))
    except Exception as error:  # the root of this process: whatever the library raises is the parent's to tell
        answer = Fault(message=f"{type(error).__name__}: {error}")
    sys.stdout.buffer.write(msgspec.json.encode(answer))
    return 1 if isinstance(answer, Fault) else 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1]))
