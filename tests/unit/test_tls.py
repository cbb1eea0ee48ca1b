"""What is said about certificate files that will not do."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from heapfast.errors import ConfigError
from heapfast.sim.certificates import Authority
from heapfast.tls import client_context, server_context


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
    context = client_context(ca_file=pem / "ca.crt", cert_file=pem / "one.crt", key_file=pem / "one.key")
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert [ca["subject"] for ca in context.get_ca_certs()] == [((("commonName", "test-ca"),),)]


def test_an_insecure_client_takes_any_certificate_and_reads_no_ca() -> None:
    context = client_context(ca_file="nowhere", insecure=True)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)


def test_a_certificate_may_bring_its_key(pem: Path) -> None:
    client_context(ca_file=pem / "ca.crt", cert_file=pem / "both.pem")
    server_context(cert_file=pem / "both.pem")


def test_a_server_requests_client_certificates_when_a_ca_is_set(pem: Path) -> None:
    pair = {"cert_file": pem / "one.crt", "key_file": pem / "one.key"}
    assert server_context(**pair).verify_mode == ssl.CERT_NONE
    assert server_context(**pair, client_ca_file=pem / "ca.crt").verify_mode == ssl.CERT_OPTIONAL


FAULTS = [
    ("no CA file", {"ca_file": "nowhere"}, "cannot read the CA {}/nowhere: No such file"),
    ("a CA without certificates", {"ca_file": "empty.pem"}, "cannot use the CA {}/empty.pem: want PEM certificates"),
    ("a CA that is a key", {"ca_file": "one.key"}, "cannot use the CA {}/one.key"),
    ("no certificate file", {"cert_file": "nowhere"}, "cannot read the certificate {}/nowhere"),
    ("no key file", {"cert_file": "one.crt", "key_file": "nowhere"}, "cannot read the key {}/nowhere"),
    ("a folder", {"cert_file": "."}, "cannot read the certificate {}: Is a directory"),
    (
        "a key of another certificate",
        {"cert_file": "one.crt", "key_file": "two.key"},
        "cannot use the key {0}/two.key: it does not belong to the certificate {0}/one.crt",
    ),
    ("an encrypted key", {"cert_file": "two.crt", "key_file": "locked.key"}, "{}/locked.key: it is encrypted"),
    ("an empty key", {"cert_file": "one.crt", "key_file": "empty.pem"}, "with the key {}/empty.pem: want PEM of both"),
    ("a certificate without key", {"cert_file": "one.crt"}, "cannot use the certificate {}/one.crt"),
    ("a key alone", {"key_file": "one.key"}, "cannot use the key {}/one.key: got no certificate"),
]


@pytest.mark.parametrize(("names", "message"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
def test_a_fault_names_the_file(names: dict[str, str], message: str, pem: Path) -> None:
    files: dict[str, Any] = {"ca_file": pem / "ca.crt", **{option: pem / name for option, name in names.items()}}
    with pytest.raises(ConfigError) as caught:
        client_context(**files)
    assert message.format(pem) in str(caught.value)
    assert "PRIVATE" not in str(caught.value)


def test_a_server_refuses_the_same_files(pem: Path) -> None:
    with pytest.raises(ConfigError, match="does not belong"):
        server_context(cert_file=pem / "one.crt", key_file=pem / "two.key")
    with pytest.raises(ConfigError, match="cannot read the CA"):
        server_context(cert_file=pem / "one.crt", key_file=pem / "one.key", client_ca_file=pem / "nowhere")
