"""Who heapfast is to the API server and to kubelets, and how that stays current.

In      a token, a token file, or the answer of a kubeconfig
Out     a bearer token and a client certificate, at any moment without waiting
Callers config makes one of these; client and the kubelet client ask it
Source  spec/heapster-pipeline.md 3.2; bound service account tokens live an hour and rotate in their file
Never   shows a secret in a text or a repr
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from heapfast.clock import Clock
from heapfast.errors import ConfigError
from heapfast.kube.kubeconfig import Kubeconfig

log = logging.getLogger(__name__)

#: A rotated file is noticed within this time. Tokens are replaced long before they end.
TOKEN_FILE_MAX_AGE_SECONDS: Final = 60.0
#: A token is replaced this long before its end, so that none ends under way.
EXPIRY_MARGIN_SECONDS: Final = 60.0
#: A plugin that gives tokens which are refused at once is not run more often than this.
MIN_RELOAD_SECONDS: Final = 10.0


class ClientCertificate(NamedTuple):
    """A certificate, with its chain, and its key, both PEM."""

    certificate_pem: str
    key_pem: str

    def __repr__(self) -> str:
        return "ClientCertificate(...)"


class Credentials:
    """Fixed credentials; without arguments those of an anonymous client."""

    def __init__(self, token: str | None = None, certificate: ClientCertificate | None = None) -> None:
        self._token = token
        self._certificate = certificate

    def token(self) -> str | None:
        """The bearer token of this moment. Cheap, never waits; loop only."""
        return self._token

    def certificate(self) -> ClientCertificate | None:
        return self._certificate

    async def refresh(self, *, refused: bool = False) -> bool:
        """Replace what is about to end.

        Args:
            refused: the server answered 401 to what `token` gave.

        Returns:
            True when there is something new to try.
        """
        return False


class TokenFile(Credentials):
    """A token in a file that something else rotates."""

    def __init__(self, path: Path, *, clock: Clock, certificate: ClientCertificate | None = None) -> None:
        """Read the file; an OSError or ValueError says why it cannot be read, or that it is empty."""
        super().__init__(_read_token(path), certificate)
        self._path = path
        self._clock = clock
        self._read_at = clock.monotonic()
        self._is_readable = True

    def token(self) -> str | None:
        if self._clock.monotonic() - self._read_at >= TOKEN_FILE_MAX_AGE_SECONDS:
            self._reload()
        return self._token

    async def refresh(self, *, refused: bool = False) -> bool:
        if not refused:
            return False
        before = self._token
        self._reload()
        return self._token != before

    def _reload(self) -> None:
        """Take the file's content; keep the last good token when there is none."""
        self._read_at = self._clock.monotonic()
        try:
            self._token = _read_token(self._path)
        except (OSError, ValueError) as error:
            if self._is_readable:
                log.warning("cannot re-read the token, going on with the last one: %s", error)
            self._is_readable = False
        else:
            self._is_readable = True


class KubeconfigCredentials(Credentials):
    """What a kubeconfig gives; loaded again when it ends, and when it is refused.

    The second covers what states no end: token files, plugins without expirationTimestamp, a
    kubeconfig that was edited.
    """

    def __init__(self, first: Kubeconfig, load: Callable[[], Kubeconfig], *, clock: Clock) -> None:
        super().__init__(_bearer_token(first), _certificate(first))
        self._load = load
        self._clock = clock
        self._expires_at_seconds = first.expires_at_seconds
        self._loaded_at = clock.monotonic()
        self._lock = asyncio.Lock()

    async def refresh(self, *, refused: bool = False) -> bool:
        token_before = self._token
        async with self._lock:
            if self._token != token_before:
                return True  # another caller has done it while this one waited
            if not (refused or self._is_ending()):
                return False
            if self._clock.monotonic() - self._loaded_at < MIN_RELOAD_SECONDS:
                return False
            return await self._reload()

    def _is_ending(self) -> bool:
        if self._expires_at_seconds is None:
            return False
        return self._clock.now_ns() / 1e9 >= self._expires_at_seconds - EXPIRY_MARGIN_SECONDS

    async def _reload(self) -> bool:
        before = (self._token, self._certificate)
        self._loaded_at = self._clock.monotonic()
        try:
            answer = await asyncio.to_thread(self._load)
            self._token, self._certificate = _bearer_token(answer), _certificate(answer)
        except ConfigError as error:
            log.warning("cannot renew the credentials, going on with the last ones: %s", error)
            return False
        self._expires_at_seconds = answer.expires_at_seconds
        return (self._token, self._certificate) != before


def _read_token(path: Path) -> str:
    token = path.read_text(encoding="utf-8").strip()
    if not token:
        raise ValueError(f"{path} is empty")
    return token


def _bearer_token(kubeconfig: Kubeconfig) -> str | None:
    """The token of a kubeconfig; a ConfigError when it wants another scheme."""
    if kubeconfig.authorization is None:
        return None
    scheme, _, token = kubeconfig.authorization.partition(" ")
    if scheme != "Bearer":
        raise ConfigError(
            f"cannot use the kubeconfig: got {scheme.lower()} authentication (user name and password, which "
            "Kubernetes dropped in 1.19), want a token, a certificate or an exec plugin"
        )
    return token.strip()


def _certificate(kubeconfig: Kubeconfig) -> ClientCertificate | None:
    if kubeconfig.certificate_pem is None or kubeconfig.key_pem is None:
        return None
    return ClientCertificate(kubeconfig.certificate_pem, kubeconfig.key_pem)
