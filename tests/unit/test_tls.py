"""What is said about certificate files that will not do."""

from __future__ import annotations

import _ssl
import ssl
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from heapfast.errors import ConfigError
from heapfast.sim.certificates import Authority
from heapfast.tls import OPENSSL_VERSIONS, client_context, read_ahead, read_ca, server_context


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ca, one, two (certificate and key each), both (in one file), locked and empty."""
    folder = tmp_path_factory.mktemp("pem")
    authority = Authority("test-ca")
    (folder / "ca.crt").write_bytes(authority.pem)
    for name in ("one", "two"):
        for ending, text in zip(("crt", "key"), authority.sign_client(name), strict=True):
            (folder / f"{name}.{ending}").write_bytes(text)
    cert, key = authority.sign_client("three")
    (folder / "both.pem").write_bytes(cert + key)
    locked = serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"passphrase"),
    )
    (folder / "locked.key").write_bytes(locked)
    (folder / "empty.pem").write_bytes(b"")
    return folder


def test_a_client_verifies_by_default(pem: Path) -> None:
    context = client_context(ca_pem=(pem / "ca.crt").read_text())
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert [ca["subject"] for ca in context.get_ca_certs()] == [((("commonName", "test-ca"),),)]


def test_an_insecure_client_takes_any_certificate() -> None:
    context = client_context(ca_pem=None, insecure=True)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)


def test_a_certificate_may_bring_its_key(pem: Path) -> None:
    server_context(cert_file=pem / "both.pem")


def test_a_server_requests_client_certificates_when_a_ca_is_set(pem: Path) -> None:
    pair = {"cert_file": pem / "one.crt", "key_file": pem / "one.key"}
    assert server_context(**pair).verify_mode == ssl.CERT_NONE
    assert server_context(**pair, client_ca_file=pem / "ca.crt").verify_mode == ssl.CERT_OPTIONAL


CA_FAULTS = [
    ("no file", "nowhere", "cannot read the CA {}/nowhere: No such file"),
    ("no certificates", "empty.pem", "cannot use the CA {}/empty.pem: want PEM certificates"),
    ("a key", "one.key", "cannot use the CA {}/one.key"),
]


@pytest.mark.parametrize(("name", "message"), [row[1:] for row in CA_FAULTS], ids=[row[0] for row in CA_FAULTS])
def test_a_fault_of_authorities_names_the_file(name: str, message: str, pem: Path) -> None:
    with pytest.raises(ConfigError) as as_text:
        read_ca(pem / name)
    with pytest.raises(ConfigError) as as_server:
        server_context(cert_file=pem / "both.pem", client_ca_file=pem / name)
    for caught in (as_text, as_server):
        assert message.format(pem) in str(caught.value)
        assert "PRIVATE" not in str(caught.value)


PAIR_FAULTS = [
    ("no certificate file", "nowhere", None, "cannot read the certificate {}/nowhere"),
    ("no key file", "one.crt", "nowhere", "cannot read the key {}/nowhere"),
    ("a folder", ".", None, "cannot read the certificate {}: Is a directory"),
    (
        "a key of another certificate",
        "one.crt",
        "two.key",
        "cannot use the key {0}/two.key: it does not belong to the certificate {0}/one.crt",
    ),
    ("an encrypted key", "two.crt", "locked.key", "{}/locked.key: it is encrypted"),
    ("an empty key", "one.crt", "empty.pem", "with the key {}/empty.pem: want PEM of both"),
    ("a certificate without key", "one.crt", None, "cannot use the certificate {}/one.crt"),
]


@pytest.mark.parametrize(
    ("cert", "key", "message"), [row[1:] for row in PAIR_FAULTS], ids=[row[0] for row in PAIR_FAULTS]
)
def test_a_fault_of_a_pair_names_the_file(cert: str, key: str | None, message: str, pem: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        server_context(cert_file=pem / cert, key_file=pem / key if key else None)
    assert message.format(pem) in str(caught.value)
    assert "PRIVATE" not in str(caught.value)


def test_a_python_of_unknown_layout_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("heapfast.tls.OPENSSL_VERSIONS", frozenset())
    assert not read_ahead(client_context(ca_pem=None))


def test_a_context_reads_ahead_where_python_is_one_whose_layout_is_known() -> None:
    if sys.version_info[:2] not in OPENSSL_VERSIONS or getattr(_ssl, "__file__", None) is None:
        pytest.skip("SKIPPED: no Python whose contexts can be told to read ahead (tls.read_ahead)")
    assert read_ahead(client_context(ca_pem=None))
