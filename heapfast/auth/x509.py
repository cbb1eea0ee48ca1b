"""Which certificate authority a client's certificate comes from, and whom it names.

In      a bundle of authorities as PEM; the certificates a client showed in its handshake
Out     Holder: names, groups and an id of the certificate; users of the client CA
Callers trust.py makes one of each bundle; request_header.py asks the front proxy's, chain.py through Trust the clients'
Source  spec/metrics-k8s-io.md 11.2, steps 1 and 2; recorded answers `auth/certificate`
Never   proves that the client has the key: the handshake does

The handshake verifies against all authorities together, because one TLS context has one list, and that
list can only grow. Who asks on whose behalf hangs on *which* authority signed, and on the list as it is
now, so here each bundle is asked again by itself; the answer is remembered, a signature costs 0.1 ms.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from heapfast.auth.identity import User
from heapfast.units import NS_PER_SECOND

#: Certificates whose answer is remembered, of one bundle.
MAX_REMEMBERED: Final = 1024
#: Certificates between the client's own and the authority's.
MAX_INTERMEDIATES: Final = 4
CREDENTIAL_ID_KEY: Final = "authentication.kubernetes.io/credential-id"

_CLIENT_USES: Final = frozenset((ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE))
#: What reading a certificate that somebody built to harm can raise.
_UNREADABLE: Final = (
    ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.UnsupportedGeneralNameType
)  # fmt: skip

_ExtensionT = TypeVar("_ExtensionT", bound=x509.ExtensionType)


class Holder(NamedTuple):
    """What a certificate that is fine says about its holder.

    Attributes:
        name: Common Name, "" for none.
        organizations: in the order of the certificate.
        credential_id: "X509SHA256=" and the hash of the whole certificate.
        not_before_ns, not_after_ns: between these every certificate up to the authority's is valid.
    """

    name: str
    organizations: tuple[str, ...]
    credential_id: str
    not_before_ns: int
    not_after_ns: int


class CertificateCheck:
    """One bundle of authorities.

    Attributes:
        authorities_pem: the certificates alone, without what else stood between them.

    Raises:
        ValueError: the PEM holds no certificate, or one that cannot be read.
    """

    def __init__(self, authorities_pem: str) -> None:
        self._authorities = x509.load_pem_x509_certificates(authorities_pem.encode())
        self.authorities_pem = "".join(
            authority.public_bytes(serialization.Encoding.PEM).decode() for authority in self._authorities
        )
        self._known: dict[tuple[str, ...], Holder | None] = {}

    def find_holder(self, chain: Sequence[str], now_ns: int) -> Holder | None:
        """Find out who holds a certificate; None when none of our authorities says so, or not now.

        Args:
            chain: PEM texts, the client's own first.
        """
        key = tuple(chain)
        try:
            holder = self._known[key]
        except KeyError:
            holder = self._remember(key)
        if holder is None or not holder.not_before_ns <= now_ns <= holder.not_after_ns:
            return None
        return holder

    def _remember(self, key: tuple[str, ...]) -> Holder | None:
        holder = self._verify(key)
        if len(self._known) >= MAX_REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[key] = holder
        return holder

    def _verify(self, chain: tuple[str, ...]) -> Holder | None:
        try:
            certificates = [x509.load_pem_x509_certificate(pem.encode()) for pem in chain[: MAX_INTERMEDIATES + 1]]
            if not certificates:
                return None
            path = self._find_path(certificates[0], certificates[1:])
            if path is None or not all(_is_for_clients(certificate) for certificate in path):
                return None
            return _holder(path)
        except _UNREADABLE:
            return None

    def _find_path(
        self, certificate: x509.Certificate, intermediates: list[x509.Certificate]
    ) -> list[x509.Certificate] | None:
        """The certificate and what signed it, up to one of our authorities; None when no way leads there."""
        for authority in self._authorities:
            if _has_signed(authority, certificate):
                return [certificate, authority]
        for i, intermediate in enumerate(intermediates):
            if _has_signed(intermediate, certificate):
                # Each is used once, so a circle ends.
                rest = self._find_path(intermediate, intermediates[:i] + intermediates[i + 1 :])
                if rest is not None:
                    return [certificate, *rest]
        return None


class ClientCertificates:
    """Users by the certificates that the cluster's client CA signed."""

    def __init__(self, certificates: CertificateCheck) -> None:
        self._certificates = certificates

    def find_user(self, chain: Sequence[str], now_ns: int) -> User | None:
        """Find out who shows a certificate; None when it is not the client CA's, or names nobody."""
        holder = self._certificates.find_holder(chain, now_ns)
        if holder is None or not holder.name:
            return None
        return User(holder.name, holder.organizations, extra=((CREDENTIAL_ID_KEY, (holder.credential_id,)),))


def _has_signed(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    if issuer.subject != certificate.issuer or not _is_authority(issuer):
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except InvalidSignature:
        return False
    return True


def _is_authority(certificate: x509.Certificate) -> bool:
    constraints = _extension(certificate, x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        return False
    usage = _extension(certificate, x509.KeyUsage)
    return usage is None or usage.key_cert_sign


def _is_for_clients(certificate: x509.Certificate) -> bool:
    """Whether it may show who a client is; one that names no use at all may be used for everything."""
    uses = _extension(certificate, x509.ExtendedKeyUsage)
    return uses is None or not _CLIENT_USES.isdisjoint(uses)


def _extension(certificate: x509.Certificate, kind: type[_ExtensionT]) -> _ExtensionT | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _holder(path: list[x509.Certificate]) -> Holder:
    own = path[0]
    names = _names(own, NameOID.COMMON_NAME)
    return Holder(
        # Of several Common Names the last counts, as in Go.
        names[-1] if names else "",
        tuple(_names(own, NameOID.ORGANIZATION_NAME)),
        f"X509SHA256={own.fingerprint(hashes.SHA256()).hex()}",
        max(_ns(certificate.not_valid_before_utc) for certificate in path),
        min(_ns(certificate.not_valid_after_utc) for certificate in path),
    )


def _ns(instant: datetime) -> int:
    # Not units.datetime_to_ns: certificates without an end say year 9999, beyond int64 nanoseconds.
    return int(instant.timestamp()) * NS_PER_SECOND


def _names(certificate: x509.Certificate, kind: x509.ObjectIdentifier) -> list[str]:
    attributes: Iterable[x509.NameAttribute[str | bytes]] = certificate.subject.get_attributes_for_oid(kind)
    return [attribute.value for attribute in attributes if isinstance(attribute.value, str)]
