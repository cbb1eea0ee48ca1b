"""Users by their bearer tokens, as the API server's TokenReview knows them.

In      the Authorization header
Out     User, None when the token is nobody's; Undecided when nobody could say
Callers chain.py
Source  spec/metrics-k8s-io.md 11.2, step 3; recorded answers `auth/token`, `auth/token-form`
Never   keeps, logs or shows a token: the cache knows a keyed hash of it
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple, Protocol

from heapfast.auth.identity import User, make_extra
from heapfast.auth.monitoring import AuthMonitoring
from heapfast.auth.refusals import Undecided
from heapfast.auth.request_header import Headers
from heapfast.auth.review_cache import MAX_ENTRIES, ReviewCache
from heapfast.clock import Clock
from heapfast.errors import KubeError

#: --authentication-token-webhook-cache-ttl
TTL_SECONDS: Final = 10.0
EXTRA_SPACE_WARNING: Final = (
    "the provided Authorization header contains extra space before the bearer token, and is ignored"
)


class Bearer(NamedTuple):
    """What an Authorization header brings.

    Attributes:
        token: None when there is none.
        warning: for the answer's Warning header; "" for none.
    """

    token: str | None
    warning: str = ""


_NO_BEARER: Final = Bearer(None)


def find_bearer(headers: Headers) -> Bearer:
    """Find the token: scheme in any case, one blank, token up to the next blank."""
    value = next((value for name, value in headers if name == b"authorization"), b"")
    # latin-1 maps every byte to a character, so whatever a client sends reaches the hash and the review.
    parts = value.decode("latin-1").strip(" \t").split(" ", 2)
    if len(parts) < 2 or parts[0].lower() != "bearer":
        return _NO_BEARER
    if not parts[1]:
        return Bearer(None, EXTRA_SPACE_WARNING)
    return Bearer(parts[1])


class ReviewedUser(Protocol):
    """`status.user` of a TokenReview."""

    @property
    def username(self) -> str: ...

    @property
    def uid(self) -> str: ...

    @property
    def groups(self) -> Sequence[str]: ...

    @property
    def extra(self) -> Mapping[str, Sequence[str]]: ...


class TokenAnswer(Protocol):
    """`status` of a TokenReview."""

    @property
    def authenticated(self) -> bool: ...

    @property
    def user(self) -> ReviewedUser: ...


class TokenReviewer:
    """Asks for tokens, and remembers good and bad ones for a while.

    Args:
        review: raises KubeError when the API server gives no answer.
        ttl_seconds: how long an answer counts.
    """

    def __init__(
        self,
        review: Callable[[str], Awaitable[TokenAnswer]],
        *,
        monitoring: AuthMonitoring,
        clock: Clock,
        ttl_seconds: float = TTL_SECONDS,
        max_entries: int = MAX_ENTRIES,
    ) -> None:
        self._review = review
        self._monitoring = monitoring
        self._clock = clock
        self._hash_key = os.urandom(32)
        # An answer is a tuple, so that "nobody" is an answer too.
        self._cache: ReviewCache[bytes, tuple[User | None]] = ReviewCache(
            lambda answer: ttl_seconds, clock=clock, max_entries=max_entries
        )

    async def find_user(self, token: str) -> User | None:
        """Find out whose token it is; None when it is nobody's.

        Raises:
            Undecided: there was no answer.
        """
        key = blake2b(token.encode(), digest_size=32, key=self._hash_key).digest()
        answer = self._cache.find(key)
        if answer is not None:
            self._monitoring.token_looked_up("hit")
            return answer[0]
        self._monitoring.token_looked_up("miss")
        return (await self._cache.ask(key, lambda: self._ask(token)))[0]

    async def close(self) -> None:
        """Give up what is under way."""
        await self._cache.close()

    async def _ask(self, token: str) -> tuple[User | None]:
        started = self._clock.monotonic()
        code = "200"
        try:
            answer = await self._review(token)
        except KubeError as error:
            code = str(error.status or "<error>")
            raise Undecided(f"the API server reviewed no token ({error.reason})") from error
        finally:
            self._monitoring.authn_review(code, self._clock.monotonic() - started)
        if not answer.authenticated:
            return (None,)
        user = answer.user
        return (User(user.username, tuple(user.groups), user.uid, make_extra(user.extra)),)
