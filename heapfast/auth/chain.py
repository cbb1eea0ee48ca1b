"""The chain: who asks, and may they. One call a request, in front of everything else.

In      the request: method, path, query, headers, the certificates of its connection
Out     Admission; Unauthenticated, Forbidden or Undecided
Callers the REST side, once a request
Source  spec/metrics-k8s-io.md 11.2 (order of authenticators) and 11.3
Never   takes a failed proof for no proof: who claims to be somebody and cannot show it is nobody's guest
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from heapfast.auth.access_review import AccessReviewer
from heapfast.auth.attributes import AttributeReader, Attributes
from heapfast.auth.identity import ANONYMOUS, User, with_authenticated
from heapfast.auth.monitoring import AuthMonitoring
from heapfast.auth.refusals import Forbidden, Unauthenticated, Undecided
from heapfast.auth.request_header import Headers
from heapfast.auth.token_review import TokenReviewer, find_bearer
from heapfast.auth.trust import Trust
from heapfast.clock import Clock


class Asked(NamedTuple):
    """A request, as far as the chain looks at it.

    Attributes:
        path: percent-decoded.
        query: raw.
        headers: ASGI's: names in lower case.
        certificates: of the client, PEM, its own first; empty when it showed none.
    """

    method: str
    path: str
    query: bytes
    headers: Headers
    certificates: Sequence[str]


class Admission(NamedTuple):
    """A request that may go on.

    Attributes:
        warning: for the answer's Warning header, "" for none.
    """

    user: User
    attributes: Attributes
    warning: str = ""


class AuthChain:
    """Authenticators in their order, then the authorizer.

    Args:
        allows_anonymous: a caller who claims nothing is system:anonymous, and the authorizer decides. When
            False they get no further than the paths that are open to everybody, which probes need.
    """

    def __init__(
        self,
        trust: Trust,
        tokens: TokenReviewer,
        access: AccessReviewer,
        reader: AttributeReader,
        *,
        allows_anonymous: bool,
        clock: Clock,
        monitoring: AuthMonitoring,
    ) -> None:
        self._trust = trust
        self._tokens = tokens
        self._access = access
        self._reader = reader
        self._allows_anonymous = allows_anonymous
        self._clock = clock
        self._monitoring = monitoring

    async def admit(self, asked: Asked) -> Admission:
        """Let a request pass.

        Raises:
            Unauthenticated: it is not clear who asks.
            Forbidden: they may not.
            Undecided: nobody could say whether they may.
        """
        user, warning = await self._authenticate(asked)
        attributes = self._reader.read(asked.method, asked.path, asked.query)
        if user is ANONYMOUS and not (self._allows_anonymous or self._access.is_open(attributes)):
            self._monitoring.unauthenticated()
            raise Unauthenticated
        self._monitoring.authenticated(user.name)
        try:
            _refuse_impersonation(user, asked)
            await self._access.authorize(user, attributes)
        except Forbidden as refusal:
            refusal.warning = warning
            raise
        return Admission(user, attributes, warning)

    async def close(self) -> None:
        """Give up the reviews that are under way."""
        await self._tokens.close()
        await self._access.close()

    async def _authenticate(self, asked: Asked) -> tuple[User, str]:
        """Who asks, ANONYMOUS for who claims nothing; and the warning they get."""
        user = self._find_holder(asked)
        if user is not None:
            return with_authenticated(user), ""
        token, warning = find_bearer(asked.headers)
        if token is None and not asked.certificates:
            return ANONYMOUS, warning
        user = await self._find_bearer(token) if token is not None else None
        if user is None:
            self._monitoring.unauthenticated()
            raise Unauthenticated
        return with_authenticated(user), warning

    def _find_holder(self, asked: Asked) -> User | None:
        """The user that the connection's certificate speaks for."""
        if not asked.certificates:
            return None
        now_ns = self._clock.now_ns()
        user = None
        if self._trust.front_proxy is not None:
            user = self._trust.front_proxy.find_user(asked.certificates, asked.headers, now_ns)
        if user is None and self._trust.client_certificates is not None:
            user = self._trust.client_certificates.find_user(asked.certificates, now_ns)
        return user

    async def _find_bearer(self, token: str) -> User | None:
        try:
            return await self._tokens.find_user(token)
        except Undecided:
            return None  # counted where it happened; for the caller the same as a token that is nobody's


def _refuse_impersonation(user: User, asked: Asked) -> None:
    """Refuse to act as somebody else: kube-apiserver has resolved it before it asks on their behalf."""
    for name, value in asked.headers:
        if name.startswith(b"impersonate-"):
            who = value.decode("utf-8", "replace") if name == b"impersonate-user" else ""
            raise Forbidden(user, Attributes("impersonate", asked.path, True, resource="users", name=who))
