"""Kubeconfigs as people have them, read in a real child process."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from heapfast.errors import ConfigError
from heapfast.kube.config import SourceOptions, resolve
from heapfast.kube.kubeconfig import load_kubeconfig
from tests.unit.kube import certificates

Write = Callable[..., Path]


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a kubeconfig of one context; JSON is YAML."""

    def write(user: object, **cluster: object) -> Path:
        stated = {"server": "https://10.0.0.1:6443", **cluster}
        path = tmp_path / "config"
        path.write_text(
            json.dumps(
                {
                    "current-context": "here",
                    "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
                    "clusters": [{"name": "c", "cluster": stated}],
                    "users": [{"name": "u", "user": user}],
                }
            )
        )
        return path

    return write


@pytest.fixture
def plugin(tmp_path: Path) -> Callable[[str], dict[str, object]]:
    """Makes an exec plugin of the body of a shell script."""

    def plugin(script: str) -> dict[str, object]:
        path = tmp_path / "plugin.sh"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(stat.S_IRWXU)
        return {
            "exec": {
                "apiVersion": "client.authentication.k8s.io/v1",
                "command": str(path),
                "args": ["one"],
                "env": [{"name": "FLAVOUR", "value": "sour"}],
            }
        }

    return plugin


def credential(**status: str) -> str:
    answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    return f"cat <<'END'\n{json.dumps(answer)}\nEND"


def test_data_in_the_file_is_decoded(write: Write) -> None:
    signed, ca = certificates.client(), certificates.authority().certificate_pem
    loaded = load_kubeconfig(
        str(
            write(
                {
                    "client-certificate-data": encoded(signed.certificate_pem),
                    "client-key-data": encoded(signed.key_pem),
                    "token": "t0ken",
                },
                **{
                    "certificate-authority-data": encoded(ca),
                    "tls-server-name": "kubernetes",
                    "proxy-url": "http://p:1",
                },
            )
        )
    )
    assert (loaded.server, loaded.ca_pem, loaded.authorization) == ("https://10.0.0.1:6443", ca, "Bearer t0ken")
    assert (loaded.certificate_pem, loaded.key_pem) == (signed.certificate_pem, signed.key_pem)
    assert (loaded.tls_server_name, loaded.proxy, loaded.insecure) == ("kubernetes", "http://p:1", False)


def test_files_are_found_beside_the_kubeconfig_and_make_a_working_tls_context(write: Write, tmp_path: Path) -> None:
    signed, ca = certificates.client(), certificates.authority().certificate_pem
    for name, text in {"ca": ca, "crt": signed.certificate_pem, "key": signed.key_pem, "token": "from-file"}.items():
        (tmp_path / name).write_text(text)
    path = write(
        {"client-certificate": "crt", "client-key": "key", "tokenFile": "token"}, **{"certificate-authority": "ca"}
    )
    access = resolve(SourceOptions(in_cluster=False, auth=str(path), insecure=True, server="http://ignored"))
    assert (access.server, access.token(), access.insecure) == ("https://10.0.0.1:6443", "from-file", False)
    assert access.credentials.certificate() == (signed.certificate_pem, signed.key_pem)
    assert access.source == f"kubeconfig {path}"
    assert len(access.ssl_context().get_ca_certs()) == 1


def test_an_exec_plugin_gives_a_token_and_its_end(write: Write, plugin: Callable[[str], dict[str, object]]) -> None:
    script = (
        f'test "$1-$FLAVOUR" = one-sour || exit 9\n{credential(token="pt", expirationTimestamp="2030-01-01T00:00:00Z")}'
    )
    loaded = load_kubeconfig(str(write(plugin(script), **{"insecure-skip-tls-verify": True})))
    assert (loaded.authorization, loaded.expires_at_seconds) == ("Bearer pt", 1893456000)
    assert loaded.insecure


def test_an_exec_plugin_may_give_a_certificate(write: Write, plugin: Callable[[str], dict[str, object]]) -> None:
    signed = certificates.client()
    script = credential(clientCertificateData=signed.certificate_pem, clientKeyData=signed.key_pem)
    loaded = load_kubeconfig(str(write(plugin(script))))
    assert (loaded.certificate_pem, loaded.key_pem) == (signed.certificate_pem, signed.key_pem)


@pytest.mark.parametrize(
    ("script", "told"),
    [("echo no network >&2; exit 3", "no network"), ("echo junk", "failed to decode"), ("exit 0", "failed to decode")],
)
def test_an_exec_plugin_that_fails_is_told(
    write: Write, plugin: Callable[[str], dict[str, object]], script: str, told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        load_kubeconfig(str(write(plugin(script))))


def test_an_exec_plugin_that_hangs_is_ended(
    write: Write, plugin: Callable[[str], dict[str, object]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    alive, never = tmp_path / "alive", tmp_path / "never"
    os.mkfifo(alive)
    os.mkfifo(never)
    listening = os.open(alive, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(listening, True)

    class Impatient(subprocess.Popen[bytes]):
        """Gives up the moment the plugin is known to run."""

        def communicate(
            self,
            input: bytes | None = None,  # noqa: A002 - as it is called there
            timeout: float | None = None,
        ) -> tuple[bytes, bytes]:
            # Opened for both, so that the read waits for the plugin instead of meeting the end of an empty pipe.
            with alive.open("r+b", buffering=0) as both:
                assert both.read(3) == b"up\n"
            raise subprocess.TimeoutExpired(self.args, timeout or 0)

    monkeypatch.setattr(subprocess, "Popen", Impatient)
    path = write(plugin(f"exec 3>{alive}; echo up >&3; cat {never}"))
    with pytest.raises(ConfigError, match="got no answer, want one within 60 seconds"):
        load_kubeconfig(str(path))
    with os.fdopen(listening, "rb") as ended:
        assert ended.read() == b""  # comes back when nobody holds the other end any more


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", "current-context: gone\ncontexts: []\nclusters: []\n", "apiVersion: v1\nkind: Config\n"],
)
def test_what_is_no_kubeconfig_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        resolve(SourceOptions(in_cluster=False, auth=str(path)))
    assert f"cannot load kubeconfig {path}: " in caught.value.faults[0]


def test_passwords_are_told_but_not_shown(write: Write) -> None:
    path = write({"username": "admin", "password": "hunter2"})
    with pytest.raises(ConfigError, match="user name and password") as caught:
        resolve(SourceOptions(in_cluster=False, auth=str(path)))
    assert "hunter2" not in str(caught.value)


def test_a_server_of_another_scheme_is_told(write: Write) -> None:
    with pytest.raises(ConfigError, match="want http:// or https://"):
        resolve(SourceOptions(in_cluster=False, auth=str(write({"token": "t"}, server="unix:///x"))))


def test_the_client_library_stays_out_of_the_daemon(write: Write) -> None:
    """It would cost 39 MB: see the docstring of kubeconfig.py."""
    path = write({"token": "t"})
    code = (
        "import sys; from heapfast.kube.config import SourceOptions, resolve; import heapfast.kube.watch;"
        f"resolve(SourceOptions(in_cluster=False, auth={str(path)!r}));"
        "print([name for name in sys.modules if name.startswith('kubernetes')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=50)
    assert done.stdout.strip() == "[]"
