"""A kubeconfig for the simulated API server.

In      its URL, and the credential to use
Out     a file that kubectl and client libraries read
Callers main
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from heapfast.sim.certificates import CLIENT_NAME, Certificates

CONTEXT_NAME = "simulated"


def write_kubeconfig(path: Path, url: str, token: str, certificates: Certificates | None) -> None:
    """Writes the file, readable by its owner alone. It is JSON, which every YAML reader takes."""
    cluster: dict[str, Any] = {"server": url}
    user: dict[str, Any] = {}
    if certificates is not None:
        cluster["certificate-authority"] = str(certificates.ca_file)
        user["client-certificate"] = str(certificates.client_cert_file)
        user["client-key"] = str(certificates.client_key_file)
    elif token:
        user["token"] = token
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": CONTEXT_NAME,
        "clusters": [{"name": CONTEXT_NAME, "cluster": cluster}],
        "users": [{"name": CLIENT_NAME, "user": user}],
        "contexts": [
            {"name": CONTEXT_NAME, "context": {"cluster": CONTEXT_NAME, "user": CLIENT_NAME, "namespace": "default"}}
        ],
    }
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(config), indent=2))
