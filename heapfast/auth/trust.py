"""Whose certificates count at this moment.

In      settings of the cluster's config map, and of flags, which win
Out     the front proxy's and the client certificates' authenticators; the handshake learns the authorities
Callers config_map.py and secure_port.py change it, chain.py asks it for every request
Source  spec/metrics-k8s-io.md 11.1
Never   goes half way: settings with a fault change nothing
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from heapfast.auth.request_header import FrontProxy, RemoteHeaders
from heapfast.auth.x509 import CertificateCheck, ClientCertificates
from heapfast.errors import ConfigError

_DEFAULT_HEADERS: Final = RemoteHeaders()


class FrontProxySettings(NamedTuple):
    """Who is a front proxy, and which headers it sends.

    Attributes:
        ca_pem: authorities of front proxies' certificates.
        allowed_names: common names; empty for all.
    """

    ca_pem: str
    allowed_names: frozenset[str] = frozenset()
    headers: RemoteHeaders = _DEFAULT_HEADERS


class AuthSettings(NamedTuple):
    """What certificates mean; None where nothing is said.

    Attributes:
        client_ca_pem: authorities of clients' certificates.
        front_proxy: without it no caller can ask on another's behalf.
    """

    client_ca_pem: str | None = None
    front_proxy: FrontProxySettings | None = None


def read_files(
    client_ca_file: str | Path,
    front_proxy_ca_file: str | Path,
    allowed_names: Iterable[str] = (),
    headers: RemoteHeaders = _DEFAULT_HEADERS,
) -> AuthSettings:
    """Make settings of what flags name; names and headers count when there is a file for the front proxy.

    Args:
        client_ca_file, front_proxy_ca_file: PEM; "" for none.

    Raises:
        ConfigError: a file cannot be read.
    """
    client_ca_pem = _read_file("--client-ca-file", client_ca_file)
    proxy_ca_pem = _read_file("--requestheader-client-ca-file", front_proxy_ca_file)
    proxy = FrontProxySettings(proxy_ca_pem, frozenset(allowed_names), headers) if proxy_ca_pem else None
    return AuthSettings(client_ca_pem, proxy)


class Trust:
    """The authenticators in force. Belongs to the loop.

    Attributes:
        front_proxy: None when there is none.
        client_certificates: None when client certificates say nothing.

    Args:
        use_in_handshake: makes new connections take certificates of these authorities (PEM) and no others;
            raises ConfigError. Connections that are open stay, so every request is checked here all the same.
    """

    def __init__(self, use_in_handshake: Callable[[Sequence[str]], None]) -> None:
        self._use_in_handshake = use_in_handshake
        self._cluster = AuthSettings()
        self._flags = AuthSettings()
        self.front_proxy: FrontProxy | None = None
        self.client_certificates: ClientCertificates | None = None

    def use_cluster(self, settings: AuthSettings) -> None:
        """Take what the cluster says, where no flag says something else.

        Raises:
            ConfigError: an authority cannot be read.
        """
        self._use(settings, self._flags)
        self._cluster = settings

    def use_flags(self, settings: AuthSettings) -> None:
        """Take what flags say; raises as `use_cluster`."""
        self._use(self._cluster, settings)
        self._flags = settings

    def _use(self, cluster: AuthSettings, flags: AuthSettings) -> None:
        client_ca_pem = flags.client_ca_pem or cluster.client_ca_pem
        proxy = flags.front_proxy or cluster.front_proxy
        authorities: list[str] = []
        client_certificates = front_proxy = None
        if client_ca_pem:
            check = _read_ca(client_ca_pem, "client CA")
            client_certificates = ClientCertificates(check)
            authorities.append(check.authorities_pem)
        if proxy:
            check = _read_ca(proxy.ca_pem, "request-header CA")
            front_proxy = FrontProxy(check, proxy.allowed_names, proxy.headers)
            authorities.append(check.authorities_pem)
        self._use_in_handshake(authorities)
        self.client_certificates = client_certificates
        self.front_proxy = front_proxy


def _read_file(flag: str, path: str | Path) -> str | None:
    if not path:
        return None
    try:
        return Path(path).read_text()
    except OSError as error:
        raise ConfigError(f"{flag}: cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{flag}: cannot read {path}: want PEM certificates, got no text") from error


def _read_ca(pem: str, what: str) -> CertificateCheck:
    try:
        return CertificateCheck(pem)
    except ValueError as error:
        raise ConfigError(f"cannot use the {what}: want PEM certificates, got none that can be read") from error
