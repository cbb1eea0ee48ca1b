"""Finds out where the API server is and with what credentials it is asked.

In      the options of Heapster's source URI, the environment, mounted service account files, a kubeconfig
Out     ApiAccess
Callers daemon, secure_port.py
Source  spec/heapster-pipeline.md 3.2
Never   connects to anything; parses the URI, which config/uris.py does

There are three ways, as in Heapster: the service account of the pod heapfast runs in (the
default), a kubeconfig (read with a kept library, see kubeconfig.py), and an anonymous client.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from heapfast.clock import Clock
from heapfast.errors import ConfigError
from heapfast.kube.access import ApiAccess
from heapfast.kube.credentials import Credentials, KubeconfigCredentials, TokenFile
from heapfast.kube.kubeconfig import load_kubeconfig
from heapfast.kube.proxy import proxy_for

log = logging.getLogger(__name__)

SERVICE_ACCOUNT_DIR: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class SourceOptions(Struct, frozen=True, kw_only=True):
    """The options of a source URI that concern the API server. Defaults are Heapster's.

    Attributes:
        server: "scheme://host[:port]" when the URI has both scheme and host, else empty; replaces
            the in-cluster server, and is ignored where a kubeconfig names one.
        in_cluster: `inClusterConfig`.
        insecure: `insecure`; a kubeconfig has its own.
        auth: path of a kubeconfig; counts only without in_cluster.
        use_service_account: `useServiceAccount`: the mounted token replaces any other, if it is there.
    """

    server: str = ""
    in_cluster: bool = True
    insecure: bool = False
    auth: str = ""
    use_service_account: bool = False


def resolve(
    options: SourceOptions,
    *,
    environ: Mapping[str, str] = os.environ,
    service_account_dir: Path = SERVICE_ACCOUNT_DIR,
    clock: Clock | None = None,
) -> ApiAccess:
    """Find the API server. Blocks: reads files and, for a kubeconfig, runs a child (kubeconfig.py).

    Raises:
        ConfigError: with every fault that was found.
    """
    clock = clock or Clock()
    faults: list[str] = []
    if options.server and not _is_server(options.server):
        faults.append(f"cannot use server {options.server!r}: want http://HOST[:PORT] or https://HOST[:PORT]")
    if options.in_cluster:
        access = _in_cluster(options, environ, service_account_dir, clock, faults)
    elif options.auth:
        access = _from_kubeconfig(options.auth, environ, clock, faults)
    else:
        access = _anonymous(options, environ, faults)
    if access is not None and options.use_service_account:
        access = _with_service_account(access, service_account_dir, clock)
    if access is not None:
        try:
            access.ssl_context()
        except (OSError, ValueError) as error:
            faults.append(f"cannot use the CA or client certificate of {access.source}: {error}")
    if faults or access is None:
        raise ConfigError(faults)
    return access


def _is_server(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        return False


def _in_cluster(
    options: SourceOptions, environ: Mapping[str, str], directory: Path, clock: Clock, faults: list[str]
) -> ApiAccess | None:
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT")
    if not host or not port:
        faults.append(
            "cannot find the API server as a pod does: KUBERNETES_SERVICE_HOST or KUBERNETES_SERVICE_PORT is not set; "
            "outside a cluster give --kubeconfig=FILE, or inClusterConfig=false and a server in the URL of --source"
        )
    credentials = Credentials()
    try:
        credentials = TokenFile(directory / "token", clock=clock)
    except (OSError, ValueError) as error:
        faults.append(f"cannot read the service account's token: {error}")
    if not host or not port or faults:
        return None
    server = options.server or f"https://{f'[{host}]' if ':' in host else host}:{port}"
    return ApiAccess(
        server=server.rstrip("/"),
        ca_pem=None if options.insecure else _mounted_ca(directory / "ca.crt"),
        insecure=options.insecure,
        proxy=proxy_for(server, environ),
        source="in-cluster",
        credentials=credentials,
    )


def _mounted_ca(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        # As the reference: a cluster whose API server has a public certificate mounts none.
        log.warning("cannot read the cluster's CA, taking the machine's list instead: %s", error)
        return None


def _from_kubeconfig(path: str, environ: Mapping[str, str], clock: Clock, faults: list[str]) -> ApiAccess | None:
    if not Path(path).is_file():
        faults.append(f"cannot use the kubeconfig {path}: no such file")
        return None
    try:
        loaded = load_kubeconfig(path)
        if not _is_server(loaded.server):
            faults.append(
                f"cannot use the kubeconfig {path}: got server {loaded.server!r}, want http:// or https:// and a host"
            )
            return None
        credentials = KubeconfigCredentials(loaded, lambda: load_kubeconfig(path), clock=clock)
    except ConfigError as error:
        faults.extend(error.faults)
        return None
    return ApiAccess(
        server=loaded.server.rstrip("/"),
        ca_pem=loaded.ca_pem,
        insecure=loaded.insecure,
        tls_server_name=loaded.tls_server_name,
        proxy=loaded.proxy or proxy_for(loaded.server, environ),
        source=f"kubeconfig {path}",
        credentials=credentials,
    )


def _anonymous(options: SourceOptions, environ: Mapping[str, str], faults: list[str]) -> ApiAccess | None:
    if not options.server:
        faults.append("cannot find the API server: inClusterConfig=false needs auth=KUBECONFIG or a server in the URI")
    if faults:  # a server that cannot be used is among them by now
        return None
    server = options.server.rstrip("/")
    return ApiAccess(server=server, insecure=options.insecure, proxy=proxy_for(server, environ))


def _with_service_account(access: ApiAccess, directory: Path, clock: Clock) -> ApiAccess:
    """Put the mounted token in place of the bearer token; without one everything stays as it was."""
    try:
        credentials = TokenFile(directory / "token", clock=clock, certificate=access.credentials.certificate())
    except (OSError, ValueError) as error:
        log.info("useServiceAccount=true changes nothing: %s", error)
        return access
    return ApiAccess(
        server=access.server,
        ca_pem=access.ca_pem,
        insecure=access.insecure,
        tls_server_name=access.tls_server_name,
        proxy=access.proxy,
        source=f"{access.source}, token of the service account",
        credentials=credentials,
    )
