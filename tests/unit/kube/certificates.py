"""A certificate authority for one test run.

In      nothing
Out     PEM texts of a CA, of a server on 127.0.0.1 and of a client; the server's TLS context
Callers the tests of kube/
"""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from functools import cache
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_FROM = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
_UNTIL = datetime.datetime(2120, 1, 1, tzinfo=datetime.UTC)


class Signed(NamedTuple):
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _sign(common_name: str, issuer: Signed | None, *extensions: x509.ExtensionType) -> Signed:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(common_name))
        .issuer_name(issuer.certificate.subject if issuer else _name(common_name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_FROM)
        .not_valid_after(_UNTIL)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return Signed(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


@cache
def authority(common_name: str = "test-ca") -> Signed:
    """A CA without a key identifier, as clusters of some age have."""
    return _sign(common_name, None, x509.BasicConstraints(ca=True, path_length=None))


@cache
def server() -> Signed:
    names = x509.SubjectAlternativeName(
        [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("kubernetes.default")]
    )
    return _sign("kubernetes", authority(), names)


@cache
def client(common_name: str = "heapfast") -> Signed:
    return _sign(common_name, authority())


def server_context(folder: Path, *, wants_client: bool = False) -> ssl.SSLContext:
    """TLS of a server that may insist on a client certificate of our CA."""
    chain = folder / "server.pem"
    chain.write_text(server().certificate_pem + server().key_pem)
    # Not the default one: from Python 3.13 it refuses authorities without a key identifier.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    if wants_client:
        context.load_verify_locations(cadata=authority().certificate_pem)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
