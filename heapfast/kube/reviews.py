"""Questions to the API server about others: whose token is it, may they do this.

In      a token; `spec` of a SubjectAccessReview
Out     `status` of the review
Callers auth, through secure_port.py: it hands over the two methods
Source  spec/metrics-k8s-io.md 11.2 step 3 and 11.3; recorded calls of conformance/metrics-server/auth
Never   remembers an answer, judges one, or shows a token in an error
"""

from __future__ import annotations

import asyncio
import random as random_module
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import msgspec

from heapfast.errors import KubeError
from heapfast.kube.client import KubeClient

TOKEN_REVIEWS: Final = "/apis/authentication.k8s.io/v1/tokenreviews"  # noqa: S105 (a path)
ACCESS_REVIEWS: Final = "/apis/authorization.k8s.io/v1/subjectaccessreviews"

#: All tries of one review together; whoever asked is waiting.
TIMEOUT_SECONDS: Final = 10.0
TRIES: Final = 5
FIRST_WAIT_SECONDS: Final = 0.5
WAIT_FACTOR: Final = 1.5
#: So much of each wait is added at random.
JITTER_RATIO: Final = 0.2


class _Json(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Members are named as in Kubernetes, in camel case."""


class ReviewedUser(_Json, frozen=True):
    username: str = ""
    uid: str = ""
    groups: list[str] = []
    extra: dict[str, list[str]] = {}


class TokenReviewStatus(_Json, frozen=True):
    authenticated: bool = False
    user: ReviewedUser = ReviewedUser()


class AccessReviewStatus(_Json, frozen=True):
    """An answer that says nothing of `allowed` does not allow."""

    allowed: bool = False
    denied: bool = False
    reason: str = ""


class _TokenReview(_Json, frozen=True):
    status: TokenReviewStatus


class _AccessReview(_Json, frozen=True):
    status: AccessReviewStatus


_ReviewT = TypeVar("_ReviewT", _TokenReview, _AccessReview)

_token_decoder: Final = msgspec.json.Decoder(_TokenReview)
_access_decoder: Final = msgspec.json.Decoder(_AccessReview)


class Reviews:
    """Asks one API server."""

    def __init__(
        self,
        client: KubeClient,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random: Callable[[], float] = random_module.random,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._client = client
        self._sleep = sleep
        self._random = random
        self._timeout_seconds = timeout_seconds

    async def review_token(self, token: str) -> TokenReviewStatus:
        """Ask whose a token is.

        Raises:
            KubeError: there was no answer, or no review in it.
        """
        review = {"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "spec": {"token": token}}
        return (await self._ask(TOKEN_REVIEWS, review, {}, _token_decoder)).status

    async def review_access(self, spec: dict[str, Any]) -> AccessReviewStatus:
        """Ask whether a user may; raises as `review_token`."""
        review = {"kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "spec": spec}
        return (await self._ask(ACCESS_REVIEWS, review, {"timeout": "10s"}, _access_decoder)).status

    async def _ask(
        self, path: str, review: dict[str, Any], params: dict[str, str], decoder: msgspec.json.Decoder[_ReviewT]
    ) -> _ReviewT:
        body = msgspec.json.encode({**review, "metadata": {}, "status": {}})
        try:
            async with asyncio.timeout(self._timeout_seconds):
                answer = await self._post(path, body, params)
        except TimeoutError as error:
            message = f"cannot post {path}: got no answer in {self._timeout_seconds} s"
            raise KubeError(message, reason="timeout") from error
        try:
            return decoder.decode(answer)
        except msgspec.DecodeError:
            # Without the text of the answer, and without its cause: it repeats the token.
            raise KubeError(f"cannot post {path}: got no review in the answer", reason="decode") from None

    async def _post(self, path: str, body: bytes, params: dict[str, str]) -> bytes:
        """Post until the answer is not a fault of the server, TRIES times at most."""
        wait_seconds = FIRST_WAIT_SECONDS
        broke_before = False
        for _ in range(TRIES - 1):
            try:
                return await self._client.post(path, body, params)
            except KubeError as error:
                if error.reason == "broken" and not broke_before:
                    # A kept connection that the server closes just now; a review may be asked twice.
                    broke_before = True
                    continue
                if error.status is None or error.status < 500:
                    raise
            await self._sleep(wait_seconds * (1.0 + JITTER_RATIO * self._random()))
            wait_seconds *= WAIT_FACTOR
        return await self._client.post(path, body, params)
