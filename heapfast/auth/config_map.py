"""The cluster's own settings for add-on API servers, followed as they change.

In      the config map kube-system/extension-apiserver-authentication, as plain texts by key
Out     Trust is told
Callers secure_port.py loads it before anything is served; kube's Reflector brings every change
Source  spec/metrics-k8s-io.md 11.1
Never   lets settings with a fault, or their disappearance, replace those that worked
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

import msgspec

from heapfast.auth.monitoring import AuthMonitoring
from heapfast.auth.request_header import RemoteHeaders
from heapfast.auth.trust import AuthSettings, FrontProxySettings, Trust
from heapfast.errors import ConfigError, KubeError

log = logging.getLogger(__name__)

NAME: Final = "kube-system/extension-apiserver-authentication"

_strings: Final = msgspec.json.Decoder(list[str])


def read_settings(data: Mapping[str, str]) -> AuthSettings:
    """Read the config map's data; a key that is missing is one that says nothing.

    Raises:
        ConfigError: every fault that was found.
    """
    faults: list[str] = []

    def names(key: str) -> tuple[str, ...]:
        text = data.get(key, "")
        try:
            found = tuple(_strings.decode(text)) if text else ()
        except msgspec.DecodeError:
            faults.append(f"{key}: want a JSON array of strings")
            return ()
        # An empty prefix would take every header, Authorization too, for something known of the user.
        if not all(name.strip() for name in found):
            faults.append(f"{key}: want names, got an empty one")
        return found

    def headers(key: str) -> tuple[bytes, ...]:
        return tuple(name.lower().encode() for name in names(key))

    remote = RemoteHeaders(
        username=headers("requestheader-username-headers"),
        group=headers("requestheader-group-headers"),
        extra_prefixes=headers("requestheader-extra-headers-prefix"),
        uid=headers("requestheader-uid-headers"),
    )
    allowed_names = frozenset(names("requestheader-allowed-names"))
    if faults:
        raise ConfigError([f"cannot use config map {NAME}: {fault}" for fault in faults])
    proxy_ca_pem = data.get("requestheader-client-ca-file")
    return AuthSettings(
        data.get("client-ca-file") or None,
        FrontProxySettings(proxy_ca_pem, allowed_names, remote) if proxy_ca_pem else None,
    )


class ConfigMap(Protocol):
    """The object as the watch brings it."""

    @property
    def data(self) -> Mapping[str, str]: ...


class ConfigMapFollower:
    """Keeps Trust equal to the config map; a consumer of kube's Reflector."""

    def __init__(self, trust: Trust, monitoring: AuthMonitoring) -> None:
        self._trust = trust
        self._monitoring = monitoring
        self._seen: Mapping[str, str] | None = None  # the last data, good or bad

    async def load(self, fetch: Callable[[], Awaitable[ConfigMap]], *, tolerates_failure: bool) -> None:
        """Read the config map once, before serving.

        Args:
            fetch: raises KubeError.
            tolerates_failure: --authentication-tolerate-lookup-failure; start without, and let the watch bring it.

        Raises:
            ConfigError: it could not be read, or has faults, and that is not tolerated.
        """
        try:
            config_map = await fetch()
            self._use(config_map.data)
        except (KubeError, ConfigError) as error:
            if not tolerates_failure:
                raise ConfigError(
                    f"cannot read config map {NAME}: {error};"
                    " --authentication-tolerate-lookup-failure starts without it,"
                    " --authentication-skip-lookup never reads it"
                ) from error
            log.warning("no front proxy and no client certificate is trusted until this ends: %s", error)

    def upsert(self, item: ConfigMap) -> None:
        """Take the config map as it is now."""
        if item.data == self._seen:
            return  # every list brings it again
        try:
            self._use(item.data)
        except ConfigError as error:
            log.error("%s; what was in force before stays", error)
        else:
            log.info("config map %s: took its settings", NAME)

    def delete(self, key: str) -> None:
        """Note that it is gone; the settings stay, as they do with kube-apiserver's own add-ons."""
        self._seen = None
        log.warning("config map %s is gone; what was in force before stays", key)

    def synced(self) -> None:
        """Note that there was a first list."""
        if self._seen is None:
            log.warning("there is no config map %s: no front proxy and no client certificate is trusted", NAME)

    def _use(self, data: Mapping[str, str]) -> None:
        self._seen = dict(data)
        try:
            self._trust.use_cluster(read_settings(data))
        except ConfigError:
            self._monitoring.settings("refused")
            raise
        self._monitoring.settings("applied")
