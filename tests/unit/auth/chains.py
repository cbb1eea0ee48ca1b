"""A chain whose API server is a function.

In      what the reviews answer
Out     an AuthChain, with all that was asked of the API server
Callers the tests of auth/
Never   opens a socket, or waits for time to pass
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry

from heapfast.api.params import parse_query
from heapfast.auth.access_review import AccessReviewer
from heapfast.auth.attributes import AttributeReader, QueryParsers
from heapfast.auth.chain import Admission, Asked, AuthChain
from heapfast.auth.config_map import read_settings
from heapfast.auth.monitoring import AuthMonitoring
from heapfast.auth.token_review import TokenReviewer
from heapfast.auth.trust import Trust
from heapfast.clock import ManualClock
from heapfast.errors import QueryError
from heapfast.query._selector import parse_selector
from heapfast.store.requirement import Operator, Requirement, Selector
from tests.unit.auth import certificates

#: The config map as clusters have it.
CONFIG_MAP = {
    "client-ca-file": certificates.authority("cluster-ca").pem,
    "requestheader-client-ca-file": certificates.authority("front-proxy-ca").pem,
    "requestheader-allowed-names": '["front-proxy-client"]',
    "requestheader-username-headers": '["X-Remote-User"]',
    "requestheader-uid-headers": '["X-Remote-Uid"]',
    "requestheader-group-headers": '["X-Remote-Group"]',
    "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
}


@dataclass
class ReviewedUser:
    username: str = ""
    uid: str = ""
    groups: list[str] = field(default_factory=list)
    extra: dict[str, list[str]] = field(default_factory=dict)


@dataclass
class TokenStatus:
    authenticated: bool = False
    user: ReviewedUser = field(default_factory=ReviewedUser)


@dataclass
class AccessStatus:
    allowed: bool = False
    denied: bool = False
    reason: str = ""


def parse_fields(text: str) -> Selector:
    """As much of field selectors as these tests ask for."""
    requirements = []
    for term in text.split(","):
        key, operator, value = term.partition("=")
        if not operator:
            raise QueryError(f"invalid selector: '{text}'")
        kind = Operator.NOT_IN if key.endswith("!") else Operator.IN
        requirements.append(Requirement(key.rstrip("!"), kind, (value,)))
    return tuple(requirements)


PARSERS = QueryParsers(parse_query, parse_selector, parse_fields)


async def no_token(token: str) -> TokenStatus:
    return TokenStatus()


async def no_access(spec: dict[str, Any]) -> AccessStatus:
    return AccessStatus()


class StagedChain:
    """A chain, and what passed between it and the API server.

    Attributes:
        tokens, specs: what was asked, oldest first.
        handshake: the authorities whose certificates the handshake takes.
    """

    def __init__(
        self,
        review_token: Callable[[str], Awaitable[TokenStatus]] = no_token,
        review_access: Callable[[dict[str, Any]], Awaitable[AccessStatus]] = no_access,
        *,
        config_map: Mapping[str, str] = CONFIG_MAP,
        allows_anonymous: bool = True,
        parsers: QueryParsers = PARSERS,
        **access: Any,
    ) -> None:
        self.clock = ManualClock(certificates.NOW_NS)
        self.registry = CollectorRegistry()
        self.monitoring = AuthMonitoring(self.registry)
        self.tokens: list[str] = []
        self.specs: list[dict[str, Any]] = []
        self.handshake: list[str] = []
        self._review_token = review_token
        self._review_access = review_access
        self.trust = Trust(self._use_in_handshake)
        self.trust.use_cluster(read_settings(config_map))
        self.auth = AuthChain(
            self.trust,
            TokenReviewer(self._token, monitoring=self.monitoring, clock=self.clock),
            AccessReviewer(self._access, monitoring=self.monitoring, clock=self.clock, **access),
            AttributeReader(parsers),
            allows_anonymous=allows_anonymous,
            clock=self.clock,
            monitoring=self.monitoring,
        )

    async def ask(
        self,
        path: str = "/metrics",
        *headers: tuple[str, str],
        method: str = "GET",
        query: bytes = b"",
        certificate: str | None = None,
    ) -> Admission:
        """Ask as the client with one of the recordings' certificates, or with none."""
        chain = [certificates.client(certificate)] if certificate else []
        raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
        return await self.auth.admit(Asked(method, path, query, raw, chain))

    def sample(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)

    def _use_in_handshake(self, authorities: Sequence[str]) -> None:
        self.handshake = list(authorities)

    async def _token(self, token: str) -> TokenStatus:
        self.tokens.append(token)
        return await self._review_token(token)

    async def _access(self, spec: dict[str, Any]) -> AccessStatus:
        self.specs.append(spec)
        return await self._review_access(spec)
