"""A serving certificate for those who bring none.

In      a folder
Out     apiserver.crt and apiserver.key in it, made when they are not there
Callers secure_port.py, before anything is served
Source  spec/metrics-k8s-io.md 12
Never   replaces a file, or leaves a key that others can read
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from heapfast.errors import ConfigError

VALIDITY: Final = timedelta(days=365)
#: Clocks of clients may be behind by so much.
SKEW: Final = timedelta(hours=1)


def find_or_make_pair(cert_dir: str | Path, now: datetime) -> tuple[Path, Path]:
    """Give the paths of certificate and key.

    Args:
        cert_dir: --cert-dir; made when it is not there.
        now: with a time zone; the certificate counts from then.

    Raises:
        ConfigError: the folder cannot be written, or has one of the two.
    """
    cert_file, key_file = Path(cert_dir) / "apiserver.crt", Path(cert_dir) / "apiserver.key"
    found = [path for path in (cert_file, key_file) if path.exists()]
    if len(found) == 1:
        raise ConfigError(f"--cert-dir: cannot serve with {found[0]} alone: want both or none of .crt and .key")
    if not found:
        certificates, key = make_pair(now)
        try:
            cert_file.parent.mkdir(parents=True, exist_ok=True)
            # The key first: a certificate that is there always has its key.
            _write(key_file, key, 0o600)
            _write(cert_file, certificates, 0o644)
        except OSError as error:
            raise ConfigError(f"--cert-dir: cannot write {error.filename}: {error.strerror}") from error
    return cert_file, key_file


def make_pair(now: datetime) -> tuple[bytes, bytes]:
    """Make a certificate for this machine alone; its authority's key is forgotten at once.

    Returns:
        PEM of the certificate and its authority's, and of the key.
    """
    seconds = int(now.timestamp())
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name, name = _name(f"localhost-ca@{seconds}"), _name(f"localhost@{seconds}")
    authority = (
        _builder(ca_name, ca_name, ca_key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    certificate = (
        _builder(name, ca_name, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    return certificate.public_bytes(pem) + authority.public_bytes(pem), key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime
) -> x509.CertificateBuilder:
    start = now - SKEW
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + VALIDITY)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=True,
        key_cert_sign=signs,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write whole and rename into place, so that nobody ever reads half a file."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    unfinished.replace(path)
