"""Authorities and clients of one cluster, as the recordings' README describes them.

In      nothing; keys are made anew in each run, validity is fixed
Out     PEM texts by name
Callers the tests of auth/
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from heapfast.units import NS_PER_SECOND

#: A moment at which what is neither expired nor of the future is valid.
NOW = datetime(2026, 11, 22, tzinfo=UTC)
NOW_NS = int(NOW.timestamp()) * NS_PER_SECOND

CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH
SERVER = ExtendedKeyUsageOID.SERVER_AUTH

_KEY = ec.generate_private_key(ec.SECP256R1())  # of all clients


def client_key_pem() -> str:
    """The key of every client."""
    return _KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def name(common_name: str = "", *organizations: str) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization) for organization in organizations]
    if common_name:
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    return x509.Name(attributes)


class Issuer:
    """An authority, which another one may have signed."""

    def __init__(
        self,
        common_name: str,
        issuer: Issuer | None = None,
        *,
        is_authority: bool = True,
        may_sign: bool | None = None,
        years: tuple[int, int] = (2020, 9999),
    ) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.subject = name(common_name)
        builder = builder_of(self.subject, issuer or self, self.key.public_key(), years).add_extension(
            x509.BasicConstraints(ca=is_authority, path_length=None), critical=True
        )
        if may_sign is not None:
            builder = builder.add_extension(key_usage(may_sign), critical=True)
        self.certificate = builder.sign((issuer or self).key, hashes.SHA256())

    @property
    def pem(self) -> str:
        return pem(self.certificate)

    def sign(self, subject: x509.Name, *uses: x509.ObjectIdentifier, years: tuple[int, int] = (2021, 2039)) -> str:
        """A client's certificate as PEM."""
        builder = builder_of(subject, self, _KEY.public_key(), years)
        if uses:
            builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        return pem(builder.sign(self.key, hashes.SHA256()))


def builder_of(
    subject: x509.Name, issuer: Issuer, key: ec.EllipticCurvePublicKey, years: tuple[int, int]
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(years[0], 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(years[1], 12, 31, tzinfo=UTC))
    )


def key_usage(may_sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=may_sign,
        crl_sign=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


#: Common names of the authorities, by the names the recordings give them.
AUTHORITIES = {
    "cluster-ca": "kubernetes",
    "front-proxy-ca": "front-proxy-ca",
    "front-proxy-ca-2": "front-proxy-ca-2",
    "foreign-ca": "foreign",
}


@cache
def authority(known_as: str) -> Issuer:
    return Issuer(AUTHORITIES[known_as])


@cache
def client(known_as: str) -> str:
    """One of the recordings' clients, as PEM."""
    issuer, subject, uses, years = CLIENTS[known_as]
    return authority(issuer).sign(subject, *uses, years=years)


_PROXY = name("front-proxy-client")
_YEARS = (2021, 2039)
CLIENTS = {
    "front-proxy": ("front-proxy-ca", _PROXY, (CLIENT,), _YEARS),
    "front-proxy-other-name": ("front-proxy-ca", name("other-proxy"), (CLIENT,), _YEARS),
    "front-proxy-server-use": ("front-proxy-ca", _PROXY, (SERVER,), _YEARS),
    "front-proxy-no-eku": ("front-proxy-ca", _PROXY, (), _YEARS),
    "front-proxy-expired": ("front-proxy-ca", _PROXY, (CLIENT,), (2020, 2020)),
    "front-proxy-foreign": ("foreign-ca", _PROXY, (CLIENT,), _YEARS),
    "front-proxy-ca2": ("front-proxy-ca-2", _PROXY, (CLIENT,), _YEARS),
    "client-alice": ("cluster-ca", name("cert-alice", "g1", "g2"), (CLIENT,), _YEARS),
    "client-nogroup": ("cluster-ca", name("cert-nogroup"), (CLIENT,), _YEARS),
    "client-nocn": ("cluster-ca", name("", "g1"), (CLIENT,), _YEARS),
    "client-admin": ("cluster-ca", name("cert-admin", "system:masters"), (CLIENT,), _YEARS),
    "client-server-use": ("cluster-ca", name("cert-server-use"), (SERVER,), _YEARS),
    "client-no-eku": ("cluster-ca", name("cert-no-eku"), (), _YEARS),
    "client-foreign": ("foreign-ca", name("cert-foreign", "system:masters"), (CLIENT,), _YEARS),
    "client-expired": ("cluster-ca", name("cert-expired", "g1"), (CLIENT,), (2020, 2020)),
    "client-future": ("cluster-ca", name("cert-future", "g1"), (CLIENT,), (2040, 2040)),
}
