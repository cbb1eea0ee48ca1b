"""Tokens that rotate, plugins that expire, and secrets that stay secret."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from heapfast.clock import ManualClock
from heapfast.errors import ConfigError
from heapfast.kube.access import ApiAccess
from heapfast.kube.credentials import ClientCertificate, Credentials, KubeconfigCredentials, TokenFile
from heapfast.kube.kubeconfig import Kubeconfig
from tests.unit.kube import certificates


def token_of(kubeconfig_token: str, expires_at_seconds: float | None = None) -> Kubeconfig:
    return Kubeconfig(
        server="https://a", authorization=f"Bearer {kubeconfig_token}", expires_at_seconds=expires_at_seconds
    )


class Loader:
    """A kubeconfig that gives another token each time, or faults."""

    def __init__(self, *answers: Kubeconfig | ConfigError) -> None:
        self._answers = list(answers)
        self.n_loads = 0

    def __call__(self) -> Kubeconfig:
        self.n_loads += 1
        answer = self._answers.pop(0)
        if isinstance(answer, ConfigError):
            raise answer
        return answer


async def test_fixed_credentials_never_change() -> None:
    certificate = ClientCertificate("c", "k")
    fixed = Credentials("t", certificate)
    assert not await fixed.refresh(refused=True)
    assert (fixed.token(), fixed.certificate()) == ("t", certificate)
    assert (Credentials().token(), Credentials().certificate()) == (None, None)


def test_a_token_file_is_read_again_after_a_minute(tmp_path: Path) -> None:
    path, clock = tmp_path / "token", ManualClock()
    path.write_text("one\n")
    credentials = TokenFile(path, clock=clock)
    path.write_text("two\n")
    clock.advance(59)
    assert credentials.token() == "one"
    clock.advance(1)
    assert credentials.token() == "two"


async def test_a_token_file_is_read_again_when_refused(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("one")
    credentials = TokenFile(path, clock=ManualClock())
    assert not await credentials.refresh(refused=True)
    path.write_text("two")
    assert not await credentials.refresh()
    assert credentials.token() == "one"
    assert await credentials.refresh(refused=True)
    assert credentials.token() == "two"


@pytest.mark.parametrize("content", [None, "", " \n"])
def test_a_token_file_that_is_gone_or_empty_leaves_the_last_token(
    tmp_path: Path, content: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    path, clock = tmp_path / "token", ManualClock()
    path.write_text("one")
    credentials = TokenFile(path, clock=clock)
    path.unlink() if content is None else path.write_text(content)
    for _ in range(3):
        clock.advance(60)
        assert credentials.token() == "one"
    assert len(caplog.records) == 1
    path.write_text("two")
    clock.advance(60)
    assert credentials.token() == "two"


def test_a_token_file_that_cannot_be_read_at_first_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        TokenFile(tmp_path / "token", clock=ManualClock())
    (tmp_path / "token").write_text("\n")
    with pytest.raises(ValueError, match="is empty"):
        TokenFile(tmp_path / "token", clock=ManualClock())


async def test_a_plugin_token_is_replaced_a_minute_before_its_end() -> None:
    clock, loader = ManualClock(1000 * 10**9), Loader(token_of("two", 5000))
    credentials = KubeconfigCredentials(token_of("one", 2000), loader, clock=clock)
    clock.advance(939)
    assert not await credentials.refresh()
    clock.advance(1)
    assert await credentials.refresh()
    assert credentials.token() == "two"
    assert not await credentials.refresh()
    assert loader.n_loads == 1


async def test_a_refused_plugin_token_is_replaced_but_not_in_a_tight_loop() -> None:
    clock, loader = ManualClock(), Loader(token_of("two"), token_of("three"))
    credentials = KubeconfigCredentials(token_of("one"), loader, clock=clock)
    assert not await credentials.refresh()
    assert not await credentials.refresh(refused=True)  # it has only just been loaded
    clock.advance(10)
    assert await credentials.refresh(refused=True)
    assert not await credentials.refresh(refused=True)
    assert (credentials.token(), loader.n_loads) == ("two", 1)


async def test_many_that_are_refused_at_once_load_once() -> None:
    clock, is_loading, may_go_on = ManualClock(), threading.Event(), threading.Event()
    n_loads = 0

    def load() -> Kubeconfig:
        nonlocal n_loads
        n_loads += 1
        is_loading.set()
        assert may_go_on.wait(10)
        return token_of("two")

    credentials = KubeconfigCredentials(token_of("one"), load, clock=clock)
    clock.advance(10)
    waiting = [asyncio.create_task(credentials.refresh(refused=True)) for _ in range(5)]
    await asyncio.to_thread(is_loading.wait, 10)
    may_go_on.set()
    assert await asyncio.gather(*waiting) == [True] * 5
    assert n_loads == 1


@pytest.mark.parametrize(
    "answer", [ConfigError("plugin failed"), Kubeconfig(server="https://a", authorization="Basic eDp5")]
)
async def test_a_reload_that_fails_leaves_the_last_credentials(
    answer: Kubeconfig | ConfigError, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ManualClock()
    credentials = KubeconfigCredentials(token_of("one"), Loader(answer), clock=clock)
    clock.advance(10)
    assert not await credentials.refresh(refused=True)
    assert credentials.token() == "one"
    assert "cannot renew the credentials" in caplog.text


def test_passwords_are_refused() -> None:
    password = Kubeconfig(server="https://a", authorization="Basic eDp5")
    with pytest.raises(ConfigError, match="user name and password") as caught:
        KubeconfigCredentials(password, Loader(), clock=ManualClock())
    assert "eDp5" not in str(caught.value)


async def test_a_renewed_certificate_goes_into_the_same_tls_context() -> None:
    first, second = certificates.client("one"), certificates.client("two")
    clock = ManualClock()
    renewed = Kubeconfig(server="https://a", certificate_pem=second.certificate_pem, key_pem=second.key_pem)
    credentials = KubeconfigCredentials(
        Kubeconfig(server="https://a", certificate_pem=first.certificate_pem, key_pem=first.key_pem),
        Loader(renewed),
        clock=clock,
    )
    access = ApiAccess(server="https://a", credentials=credentials)
    context = access.ssl_context()
    clock.advance(10)
    assert await access.refresh(refused=True)
    assert access.ssl_context() is context
    assert credentials.certificate() == (second.certificate_pem, second.key_pem)


def test_secrets_are_not_shown() -> None:
    certificate = ClientCertificate("PUBLIC", "PRIVATE")
    access = ApiAccess(server="https://a", credentials=Credentials("t0ken", certificate))
    kubeconfig = Kubeconfig(server="https://a", authorization="Bearer t0ken", key_pem="PRIVATE")
    for shown in (access, access.credentials, certificate, kubeconfig):
        assert "t0ken" not in repr(shown)
        assert "PRIVATE" not in repr(shown)
