"""The cluster's settings: what they say, and what becomes of them when they change or have faults."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from heapfast.auth.config_map import ConfigMapFollower, read_settings
from heapfast.auth.monitoring import AuthMonitoring
from heapfast.auth.request_header import RemoteHeaders
from heapfast.auth.trust import AuthSettings, FrontProxySettings, Trust, read_files
from heapfast.errors import ConfigError, KubeError
from tests.unit.auth.certificates import NOW_NS, authority, client
from tests.unit.auth.chains import CONFIG_MAP

CA = "requestheader-client-ca-file"


def without(*keys: str) -> dict[str, str]:
    return {key: text for key, text in CONFIG_MAP.items() if key not in keys}


NAMES = [
    ("allowed names", "requestheader-allowed-names", '["a","b"]', FrontProxySettings("P", frozenset("ab"))),
    ("no allowed names", "requestheader-allowed-names", "[]", FrontProxySettings("P")),
    ("an empty text", "requestheader-allowed-names", "", FrontProxySettings("P")),
    ("users", "requestheader-username-headers", '["X-A","X-B"]', RemoteHeaders(username=(b"x-a", b"x-b"))),
    ("groups", "requestheader-group-headers", '["X-A"]', RemoteHeaders(group=(b"x-a",))),
    ("uids", "requestheader-uid-headers", '["X-A"]', RemoteHeaders(uid=(b"x-a",))),
    ("extra", "requestheader-extra-headers-prefix", '["X-A-"]', RemoteHeaders(extra_prefixes=(b"x-a-",))),
]  # fmt: skip
NOTHING = RemoteHeaders((), (), (), ())


@pytest.mark.parametrize(("key", "text", "wanted"), [row[1:] for row in NAMES], ids=[row[0] for row in NAMES])
def test_each_key_says_one_thing(key: str, text: str, wanted: FrontProxySettings | RemoteHeaders) -> None:
    proxy = read_settings({CA: "P", key: text}).front_proxy
    assert proxy is not None
    if isinstance(wanted, FrontProxySettings):
        assert proxy == wanted._replace(headers=NOTHING)
    else:
        changed = {
            member: value for member, value in wanted._asdict().items() if value != getattr(RemoteHeaders(), member)
        }
        assert proxy.headers == NOTHING._replace(**changed)


def test_what_is_missing_says_nothing() -> None:
    assert read_settings({}) == AuthSettings(None, None)
    assert read_settings({"client-ca-file": "C"}) == AuthSettings("C", None)
    assert read_settings({CA: "P"}) == AuthSettings(None, FrontProxySettings("P", frozenset(), NOTHING))
    assert read_settings({"client-ca-file": "", CA: ""}) == AuthSettings(None, None)


FAULTS = [
    ("no JSON", '["a"', "want a JSON array of strings"),
    ("no array", '"a"', "want a JSON array of strings"),
    ("numbers", "[1]", "want a JSON array of strings"),
    ("null", "null", "want a JSON array of strings"),
    ("an empty name", '["a",""]', "want names, got an empty one"),
    ("a blank name", '[" "]', "want names, got an empty one"),
]
LISTS = [key for key in CONFIG_MAP if not key.endswith("-file")]


@pytest.mark.parametrize(("text", "fault"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
@pytest.mark.parametrize("key", LISTS)
def test_a_fault_names_its_key(key: str, text: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=f"{key}: {fault}"):
        read_settings(CONFIG_MAP | {key: text})


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        read_settings(CONFIG_MAP | dict.fromkeys(LISTS, "x"))
    assert len(caught.value.faults) == len(LISTS)


# ---- followed as it changes -----------------------------------------------------------------------


@dataclass
class ConfigMap:
    data: Mapping[str, str]


class Follower:
    """A follower with its trust, and what the handshake was told."""

    def __init__(self) -> None:
        self.handshake: list[str] = []
        self.trust = Trust(self._use)
        self.registry = CollectorRegistry()
        self.follower = ConfigMapFollower(self.trust, AuthMonitoring(self.registry))

    def _use(self, authorities: object) -> None:
        self.handshake = list(authorities)  # type: ignore[call-overload]

    def count(self, outcome: str) -> float | None:
        return self.registry.get_sample_value("heapfast_auth_settings_total", {"outcome": outcome})

    def trusts(self, known_as: str) -> bool:
        """Whether a certificate counts, the front proxy's with a user header."""
        chain = [client(known_as)]
        headers = [(b"x-remote-user", b"u")]
        proxy, clients = self.trust.front_proxy, self.trust.client_certificates
        return bool(proxy and proxy.find_user(chain, headers, NOW_NS)) or bool(
            clients and clients.find_user(chain, NOW_NS)
        )

    async def load(self, answer: Mapping[str, str] | KubeError, *, tolerates_failure: bool = False) -> None:
        async def fetch() -> ConfigMap:
            if isinstance(answer, KubeError):
                raise answer
            return ConfigMap(answer)

        await self.follower.load(fetch, tolerates_failure=tolerates_failure)


LOADS: list[tuple[str, Mapping[str, str] | KubeError]] = [
    ("no API server", KubeError("cannot reach it", reason="connect")),
    ("no config map", KubeError("cannot get it: 404", 404, reason="status_404")),
    ("no permission", KubeError("cannot get it: 403", 403, reason="status_403")),
    ("a fault in it", CONFIG_MAP | {"requestheader-allowed-names": "x"}),
    ("a CA that is none", CONFIG_MAP | {"client-ca-file": "x"}),
]


@pytest.mark.parametrize("answer", [row[1] for row in LOADS], ids=[row[0] for row in LOADS])
async def test_without_settings_there_is_no_start_unless_that_is_tolerated(
    answer: Mapping[str, str] | KubeError, caplog: pytest.LogCaptureFixture
) -> None:
    follower = Follower()
    with pytest.raises(ConfigError, match="--authentication-tolerate-lookup-failure"):
        await follower.load(answer)
    assert not caplog.records
    await follower.load(answer, tolerates_failure=True)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert (follower.trust.front_proxy, follower.trust.client_certificates) == (None, None)
    follower.follower.upsert(ConfigMap(CONFIG_MAP))
    assert follower.trusts("front-proxy")
    assert follower.trusts("client-alice")


@pytest.mark.parametrize(
    ("missing", "trusted"),
    [
        ((), {"front-proxy", "client-alice"}),
        (("client-ca-file",), {"front-proxy"}),
        ((CA,), {"client-alice"}),
        (("client-ca-file", CA), set()),
    ],
)
async def test_a_ca_that_is_missing_disables_what_it_is_for(missing: tuple[str, ...], trusted: set[str]) -> None:
    follower = Follower()
    await follower.load(without(*missing))
    assert {known_as for known_as in ("front-proxy", "client-alice") if follower.trusts(known_as)} == trusted
    assert len(follower.handshake) == len(trusted)


async def test_a_change_counts_at_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    follower = Follower()
    await follower.load(CONFIG_MAP)
    follower.follower.upsert(ConfigMap(CONFIG_MAP | {CA: authority("front-proxy-ca-2").pem}))
    assert not follower.trusts("front-proxy")
    assert follower.trusts("front-proxy-ca2")
    assert follower.trusts("client-alice")
    assert follower.handshake == [authority("cluster-ca").pem, authority("front-proxy-ca-2").pem]
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert (follower.count("applied"), follower.count("refused")) == (2, None)


CHANGES = [
    ("a list that is none", {"requestheader-group-headers": "x"}),
    ("a CA that is none", {CA: "x"}),
    ("a CA that is broken", {"client-ca-file": CONFIG_MAP["client-ca-file"].replace("MII", "AAA", 1)}),
]


@pytest.mark.parametrize("change", [row[1] for row in CHANGES], ids=[row[0] for row in CHANGES])
async def test_a_change_with_a_fault_changes_nothing_and_is_told_once(
    change: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    follower = Follower()
    await follower.load(CONFIG_MAP)
    handshake = follower.handshake
    for _ in range(3):
        follower.follower.upsert(ConfigMap(CONFIG_MAP | {"requestheader-allowed-names": "[]"} | change))
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "what was in force before stays" in caplog.text
    assert (follower.count("applied"), follower.count("refused")) == (1, 1)
    assert follower.trusts("front-proxy")
    assert not follower.trusts("front-proxy-other-name")
    assert follower.handshake is handshake
    follower.follower.upsert(ConfigMap(CONFIG_MAP))
    assert follower.count("applied") == 2


async def test_settings_that_disappear_stay_in_force(caplog: pytest.LogCaptureFixture) -> None:
    follower = Follower()
    await follower.load(CONFIG_MAP)
    follower.follower.delete("kube-system/extension-apiserver-authentication")
    assert follower.trusts("front-proxy")
    assert "is gone" in caplog.text
    follower.follower.upsert(ConfigMap(CONFIG_MAP))
    assert follower.count("applied") == 2


def test_a_cluster_without_the_config_map_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    Follower().follower.synced()
    assert "no front proxy and no client certificate is trusted" in caplog.text


async def test_a_cluster_with_it_is_not(caplog: pytest.LogCaptureFixture) -> None:
    follower = Follower()
    follower.follower.upsert(ConfigMap(CONFIG_MAP))
    follower.follower.synced()
    assert not caplog.records


# ---- flags ----------------------------------------------------------------------------------------


def proxy_of(known_as: str, *allowed: str) -> FrontProxySettings:
    return FrontProxySettings(authority(known_as).pem, frozenset(allowed))


FLAGS = [
    ("none", AuthSettings(), {"front-proxy", "client-alice"}),
    ("the front proxy's CA", AuthSettings(None, proxy_of("front-proxy-ca-2")), {"front-proxy-ca2", "client-alice"}),
    ("the client CA", AuthSettings(authority("foreign-ca").pem), {"front-proxy", "client-foreign",
     "front-proxy-foreign"}),
    ("allowed names come with the CA", AuthSettings(None, proxy_of("front-proxy-ca", "x")), {"client-alice"}),
]  # fmt: skip
KNOWN = ("front-proxy", "front-proxy-ca2", "front-proxy-foreign", "client-alice", "client-foreign")


@pytest.mark.parametrize(("flags", "trusted"), [row[1:] for row in FLAGS], ids=[row[0] for row in FLAGS])
def test_flags_win_over_the_cluster(flags: AuthSettings, trusted: set[str]) -> None:
    for is_cluster_first in (True, False):
        follower = Follower()
        if is_cluster_first:
            follower.follower.upsert(ConfigMap(CONFIG_MAP))
        follower.trust.use_flags(flags)
        if not is_cluster_first:
            follower.follower.upsert(ConfigMap(CONFIG_MAP))
        assert {known_as for known_as in KNOWN if follower.trusts(known_as)} == trusted


def test_flags_name_files(tmp_path: Path) -> None:
    clients, proxies = tmp_path / "clients.pem", tmp_path / "proxies.pem"
    clients.write_text("C")
    proxies.write_text("P")
    headers = RemoteHeaders(username=(b"x-user",))
    assert read_files("", "", ["a"], headers) == AuthSettings()
    assert read_files(clients, "") == AuthSettings("C")
    assert read_files("", proxies) == AuthSettings(None, FrontProxySettings("P", frozenset(), RemoteHeaders()))
    assert read_files(str(clients), str(proxies), ["a", "b"], headers) == AuthSettings(
        "C", FrontProxySettings("P", frozenset("ab"), headers)
    )


@pytest.mark.parametrize("content", [None, b"\xff\xfe"], ids=["no file", "no text"])
def test_a_file_that_cannot_be_read_is_named_with_its_flag(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=f"--client-ca-file: cannot read {path}: "):
        read_files(path, "")
    with pytest.raises(ConfigError, match=f"--requestheader-client-ca-file: cannot read {path}: "):
        read_files("", path)


def test_flags_with_a_fault_change_nothing() -> None:
    follower = Follower()
    follower.follower.upsert(ConfigMap(CONFIG_MAP))
    with pytest.raises(ConfigError, match="cannot use the client CA"):
        follower.trust.use_flags(AuthSettings("x"))
    with pytest.raises(ConfigError, match="cannot use the request-header CA"):
        follower.trust.use_flags(AuthSettings(None, FrontProxySettings("x")))
    follower.follower.upsert(ConfigMap(CONFIG_MAP | {"requestheader-allowed-names": "[]"}))
    assert follower.trusts("client-alice")


def test_settings_with_a_fault_do_not_come_back_with_the_next_flags() -> None:
    follower = Follower()
    follower.follower.upsert(ConfigMap(CONFIG_MAP))
    with pytest.raises(ConfigError):
        follower.trust.use_cluster(AuthSettings("x"))
    follower.trust.use_flags(AuthSettings(None, proxy_of("front-proxy-ca-2")))
    assert follower.trusts("client-alice")


def test_a_handshake_that_takes_no_change_keeps_the_authenticators() -> None:
    is_broken = False

    def use(authorities: object) -> None:
        if is_broken:
            raise ConfigError("cannot use a client CA")

    trust = Trust(use)
    trust.use_cluster(read_settings(CONFIG_MAP))
    before = trust.front_proxy
    is_broken = True
    with pytest.raises(ConfigError):
        trust.use_cluster(AuthSettings())
    assert trust.front_proxy is before
