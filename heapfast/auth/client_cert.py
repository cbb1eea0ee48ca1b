"""The rule for client certificates: one is needed, it is valid now, and its name is on the list.

In      a certificate in PEM form that the handshake has verified against the CA, or none
Out     nothing when it passes; ClientRefused with a status otherwise
Callers middleware.py
Source  spec/heapster-rest.md 11.5; B9 (without a list every verified client passes), B10 (401)
Never   verifies a chain: the TLS handshake does, and closes where it does not hold
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from cryptography import x509
from cryptography.x509.oid import NameOID

from heapfast.errors import AuthError
from heapfast.units import NS_PER_SECOND

#: Certificates whose names are remembered; a certificate is parsed once, not once a request.
REMEMBERED = 1024


class ClientRefused(AuthError):
    """A client that may not ask.

    Attributes:
        status: 401 when it is not clear who asks, 403 when it is and they may not.
    """

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class ClientRule:
    """Which clients may ask.

    Attributes:
        allowed_users: Common Names; empty for any.
    """

    allowed_users: frozenset[str] = frozenset()

    def check(self, certificate: str | None, now_ns: int) -> None:
        """Raise ClientRefused unless the bearer of the certificate may ask.

        Args:
            certificate: PEM, verified by the handshake; None when the client showed none.
            now_ns: connections outlive certificates, so each request looks at the time again.
        """
        if certificate is None:
            raise ClientRefused(401, "Unauthorized")
        subject = _read(certificate)
        if subject is None or not subject.name or not subject.not_before_ns <= now_ns <= subject.not_after_ns:
            raise ClientRefused(401, "Unauthorized")
        if self.allowed_users and subject.name not in self.allowed_users:
            raise ClientRefused(403, "Forbidden")


@dataclass(frozen=True, slots=True)
class _Subject:
    name: str
    not_before_ns: int
    not_after_ns: int


@lru_cache(REMEMBERED)
def _read(pem: str) -> _Subject | None:
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except ValueError:
        return None
    # Of several Common Names the last counts, as in Go.
    name = names[-1].value if names else ""
    return _Subject(
        name if isinstance(name, str) else "",
        int(certificate.not_valid_before_utc.timestamp()) * NS_PER_SECOND,
        int(certificate.not_valid_after_utc.timestamp()) * NS_PER_SECOND,
    )
