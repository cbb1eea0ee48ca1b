"""The serving certificate for those who bring none."""

from __future__ import annotations

import os
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from heapfast.errors import ConfigError
from heapfast.self_signed import find_or_make_pair, make_pair

NOW = datetime(2026, 11, 22, 8, 0, 0, 123, tzinfo=UTC)
SECONDS = int(NOW.timestamp())


def common_name(name: x509.Name) -> object:
    return name.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value


def test_it_names_this_machine_for_one_year() -> None:
    leaf, authority = x509.load_pem_x509_certificates(make_pair(NOW)[0])
    assert common_name(leaf.subject) == f"localhost@{SECONDS}"
    assert common_name(leaf.issuer) == common_name(authority.subject) == f"localhost-ca@{SECONDS}"
    leaf.verify_directly_issued_by(authority)
    authority.verify_directly_issued_by(authority)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("127.0.0.1")]
    uses = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(uses) == [ExtendedKeyUsageOID.SERVER_AUTH]
    for certificate in (leaf, authority):
        assert certificate.not_valid_before_utc == NOW.replace(microsecond=0) - timedelta(hours=1)
        assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == timedelta(days=365)
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_it_is_written_once_and_found_again(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    cert_file, key_file = find_or_make_pair(folder, NOW)
    assert (cert_file, key_file) == (folder / "apiserver.crt", folder / "apiserver.key")
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in folder.iterdir()) == ["apiserver.crt", "apiserver.key"]
    before = cert_file.read_bytes(), key_file.read_bytes()
    assert find_or_make_pair(str(folder), NOW + timedelta(days=1)) == (cert_file, key_file)
    assert (cert_file.read_bytes(), key_file.read_bytes()) == before


def test_it_can_be_served(tmp_path: Path) -> None:
    cert_file, key_file = find_or_make_pair(tmp_path, datetime.now(UTC))
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert_file, key_file)


@pytest.mark.parametrize("name", ["apiserver.crt", "apiserver.key"])
def test_half_a_pair_is_an_error_and_stays(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(ConfigError, match=f"--cert-dir: cannot serve with {tmp_path / name} alone"):
        find_or_make_pair(tmp_path, NOW)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_a_folder_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="--cert-dir: cannot write .*: (Not a directory|File exists)"):
        find_or_make_pair(tmp_path / "file", NOW)


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, flags: int, mode: int) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ConfigError, match="--cert-dir: cannot write .*apiserver.key.*: Permission denied"):
        find_or_make_pair(tmp_path, NOW)
