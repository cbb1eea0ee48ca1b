"""Who asks the simulated API server, and what they may do.

In      a bearer token, or a client certificate; attributes of an access review
Out     Caller, or None; whether they may
Callers apiserver.py for its own callers, reviews.py for those of the daemon, forward.py for the headers
Source  spec/metrics-k8s-io.md 11.2 and 11.3
Never   knows more people than an administrator, a viewer of one namespace's metrics, and holders of certificates
"""

from __future__ import annotations

import hashlib
import hmac
import ssl
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from heapfast.sim.certificates import CLIENT_GROUP, CLIENT_NAME

VIEWER_NAME: Final = "simulated-viewer"
METRICS_GROUP: Final = "metrics.k8s.io"
_AUTHENTICATED: Final = "system:authenticated"
_CREDENTIAL_ID: Final = "authentication.kubernetes.io/credential-id"


class Caller(msgspec.Struct, frozen=True):
    """A user, as the API server tells others of them."""

    name: str
    groups: tuple[str, ...]
    uid: str = ""
    extra: dict[str, tuple[str, ...]] = {}

    @property
    def is_administrator(self) -> bool:
        return CLIENT_GROUP in self.groups


ADMINISTRATOR: Final = Caller(CLIENT_NAME, (CLIENT_GROUP, _AUTHENTICATED), uid="1")
VIEWER: Final = Caller(VIEWER_NAME, (_AUTHENTICATED,), uid="2")


class AccessAttributes(msgspec.Struct):
    """What somebody wants to do to a resource."""

    namespace: str = ""
    verb: str = ""
    group: str = ""
    resource: str = ""


class Identities:
    """The people of one cluster.

    Args:
        token: the administrator's; "" = whoever shows no other credential is the administrator.
        viewer_token: "" = there is no viewer.
        viewer_namespace: whose pods' metrics the viewer may read.
    """

    def __init__(self, token: str, viewer_token: str, viewer_namespace: str) -> None:
        self._demands_credential = bool(token)
        self._by_token = [
            (known, caller) for known, caller in ((token, ADMINISTRATOR), (viewer_token, VIEWER)) if known
        ]
        self._viewer_namespace = viewer_namespace

    def identify(self, authorization: str, tls: ssl.SSLObject | None) -> Caller | None:
        """Find out who asks; None when they must not.

        Args:
            authorization: the header, "" for none.
            tls: their connection, which let certificates of the cluster's own authority in, and no others.
        """
        if tls is not None and (certificate := tls.getpeercert()):
            return holder_of(certificate, tls.getpeercert(binary_form=True) or b"")
        scheme, _, token = authorization.partition(" ")
        caller = self.find_by_token(token) if scheme.lower() == "bearer" else None
        if caller is None and not self._demands_credential:
            return ADMINISTRATOR
        return caller

    def find_by_token(self, token: str) -> Caller | None:
        for known, caller in self._by_token:
            if hmac.compare_digest(known.encode(), token.encode()):
                return caller
        return None

    def may(self, user: str, groups: list[str], wanted: AccessAttributes | None) -> bool:
        """Decide about a user of any cluster's making; `wanted` is None for what is no resource."""
        if user == CLIENT_NAME or CLIENT_GROUP in groups:
            return True
        return (
            user == VIEWER_NAME
            and wanted is not None
            and (wanted.group, wanted.resource, wanted.namespace) == (METRICS_GROUP, "pods", self._viewer_namespace)
            and wanted.verb in ("get", "list")
        )


def holder_of(certificate: Mapping[str, Any], der: bytes) -> Caller:
    """The user that a certificate names: CN is the name, each O a group."""
    subject = [pair for names in certificate["subject"] for pair in names]
    return Caller(
        next((value for key, value in subject if key == "commonName"), ""),
        (*(value for key, value in subject if key == "organizationName"), _AUTHENTICATED),
        extra={_CREDENTIAL_ID: (f"X509SHA256={hashlib.sha256(der).hexdigest()}",)},
    )
