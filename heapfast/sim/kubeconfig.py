"""A kubeconfig for the simulated API server.

In      its URL, and the credentials to use
Out     a file that kubectl and client libraries read
Callers main
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from heapfast.sim.certificates import CLIENT_NAME, Certificates
from heapfast.sim.identities import VIEWER_NAME
from heapfast.sim.options import SimulateOptions

CONTEXT_NAME = "simulated"
VIEWER_CONTEXT_NAME = "viewer"


def write_kubeconfig(path: Path, url: str, options: SimulateOptions, certificates: Certificates | None) -> None:
    """Writes the file, readable by its owner alone. It is JSON, which every YAML reader takes."""
    cluster: dict[str, Any] = {"server": url}
    user: dict[str, Any] = {}
    if certificates is not None:
        cluster["certificate-authority"] = str(certificates.ca_file)
        user["client-certificate"] = str(certificates.client_cert_file)
        user["client-key"] = str(certificates.client_key_file)
    elif options.token:
        user["token"] = options.token
    config: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": CONTEXT_NAME,
        "clusters": [{"name": CONTEXT_NAME, "cluster": cluster}],
        "users": [{"name": CLIENT_NAME, "user": user}],
        "contexts": [_context(CONTEXT_NAME, CLIENT_NAME, "default")],
    }
    if options.viewer_token:
        config["users"].append({"name": VIEWER_NAME, "user": {"token": options.viewer_token}})
        config["contexts"].append(_context(VIEWER_CONTEXT_NAME, VIEWER_NAME, options.viewer_namespace))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(config), indent=2))


def _context(name: str, user: str, namespace: str) -> dict[str, Any]:
    return {"name": name, "context": {"cluster": CONTEXT_NAME, "user": user, "namespace": namespace}}
