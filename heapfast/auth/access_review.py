"""What callers may do, as the API server's SubjectAccessReview knows it.

In      User and Attributes
Out     nothing when they may; Forbidden or Undecided otherwise
Callers chain.py
Source  spec/metrics-k8s-io.md 11.3; recorded answers `auth/policy`, `auth/answers`, `auth/cache`, `auth/failing`
Never   lets a request pass because something failed

A caller who asks for many parts of a list within a short time, as autoscalers do, one for each, is asked about with the
whole list, and where that is allowed, its parts are (crowds.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, Protocol

from heapfast.auth.attributes import Attributes, Condition
from heapfast.auth.crowds import Crowds
from heapfast.auth.identity import MASTERS_GROUP, User
from heapfast.auth.monitoring import AuthMonitoring
from heapfast.auth.refusals import Forbidden, Undecided
from heapfast.auth.review_cache import MAX_ENTRIES, ReviewCache
from heapfast.clock import Clock
from heapfast.errors import KubeError

#: --authorization-webhook-cache-authorized-ttl and -unauthorized-ttl
AUTHORIZED_TTL_SECONDS: Final = 10.0
UNAUTHORIZED_TTL_SECONDS: Final = 10.0
#: --authorization-always-allow-paths
ALWAYS_ALLOW_PATHS: Final = ("/healthz", "/readyz", "/livez")
#: A decision on larger attributes is not kept: callers choose their size.
MAX_KEPT_ATTRIBUTES: Final = 10_000


class AccessAnswer(Protocol):
    """`status` of a SubjectAccessReview."""

    @property
    def allowed(self) -> bool: ...

    @property
    def denied(self) -> bool: ...

    @property
    def reason(self) -> str: ...


class AccessReviewer:
    """Decides, and remembers decisions for a while.

    Args:
        review: takes `spec` of a SubjectAccessReview; raises KubeError when the API server gives no answer.
        always_allow_paths: open to everybody; a trailing `*` opens what begins so.
        authorized_ttl_seconds, unauthorized_ttl_seconds: how long decisions count.
    """

    def __init__(
        self,
        review: Callable[[dict[str, Any]], Awaitable[AccessAnswer]],
        *,
        monitoring: AuthMonitoring,
        clock: Clock,
        always_allow_paths: Iterable[str] = ALWAYS_ALLOW_PATHS,
        authorized_ttl_seconds: float = AUTHORIZED_TTL_SECONDS,
        unauthorized_ttl_seconds: float = UNAUTHORIZED_TTL_SECONDS,
        max_entries: int = MAX_ENTRIES,
    ) -> None:
        self._review = review
        self._monitoring = monitoring
        self._clock = clock
        paths = tuple(always_allow_paths)
        self._open_paths = frozenset(path for path in paths if not path.endswith("*"))
        self._open_prefixes = tuple(path[:-1] for path in paths if path.endswith("*"))
        self._cache: ReviewCache[tuple[User, Attributes], AccessAnswer] = ReviewCache(
            lambda answer: authorized_ttl_seconds if answer.allowed else unauthorized_ttl_seconds,
            clock=clock,
            max_entries=max_entries,
        )
        self._crowds: Crowds[tuple[User, Attributes]] = Crowds(
            authorized_ttl_seconds, clock=clock, max_entries=max_entries
        )

    def is_open(self, attributes: Attributes) -> bool:
        """Whether the request is about a path that everybody may ask for."""
        if attributes.is_resource:
            return False
        return attributes.path in self._open_paths or attributes.path.startswith(self._open_prefixes)

    async def authorize(self, user: User, attributes: Attributes) -> None:
        """Return when the user may.

        Raises:
            Forbidden: they may not.
            Undecided: there was no answer, or one that contradicts itself.
        """
        if MASTERS_GROUP in user.groups or self.is_open(attributes):
            self._monitoring.decided("allowed")
            return
        answer = await self._find_answer(user, attributes)
        if not answer.allowed:
            self._monitoring.decided("denied")
            raise Forbidden(user, attributes, answer.reason)
        self._monitoring.decided("allowed")

    async def close(self) -> None:
        """Give up what is under way."""
        await self._cache.close()

    async def _find_answer(self, user: User, attributes: Attributes) -> AccessAnswer:
        """The answer to this question, or to a wider one that allows this one, too."""
        key = (user, attributes)
        answer = self._cache.find(key)
        if answer is not None:
            return answer
        wider = [(user, wide) for wide in attributes.wider()]
        for wide in self._crowds.of(wider):
            answer = self._cache.find(wide)
            if answer is None:
                answer = await self._review_once(wide)
                if answer.allowed:
                    self._crowds.add([wide])
                else:
                    self._crowds.disperse(wide)
            if answer.allowed:
                return answer
        answer = await self._review_once(key)
        if answer.allowed:
            self._crowds.add(wider)
        return answer

    async def _review_once(self, key: tuple[User, Attributes]) -> AccessAnswer:
        """The API server's answer; whoever asks the same meanwhile waits for it, too."""
        keep = key[1].size() <= MAX_KEPT_ATTRIBUTES
        try:
            return await self._cache.ask(key, lambda: self._ask(*key), keep=keep)
        except Undecided:
            self._monitoring.decided("error")
            raise

    async def _ask(self, user: User, attributes: Attributes) -> AccessAnswer:
        started = self._clock.monotonic()
        code = "200"
        try:
            answer = await self._review(review_spec(user, attributes))
        except KubeError as error:
            code = str(error.status or "<error>")
            raise Undecided(f"the API server reviewed no access ({error.reason})") from error
        finally:
            self._monitoring.authz_review(code, self._clock.monotonic() - started)
        if answer.allowed and answer.denied:
            raise Undecided("the API server allows and denies at once")
        return answer


def review_spec(user: User, attributes: Attributes) -> dict[str, Any]:
    """Give `spec` of the SubjectAccessReview; members that say nothing are left out."""
    spec: dict[str, Any] = {}
    if attributes.is_resource:
        spec["resourceAttributes"] = _without_empty(
            namespace=attributes.namespace,
            verb=attributes.verb,
            group=attributes.group,
            version=attributes.version,
            resource=attributes.resource,
            subresource=attributes.subresource,
            name=attributes.name,
            fieldSelector=_selector(attributes.fields),
            labelSelector=_selector(attributes.labels),
        )
    else:
        spec["nonResourceAttributes"] = _without_empty(path=attributes.path, verb=attributes.verb)
    spec |= _without_empty(user=user.name, groups=user.groups, extra=dict(user.extra), uid=user.uid)
    return spec


def _without_empty(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value}


def _selector(conditions: tuple[Condition, ...]) -> dict[str, Any] | None:
    if not conditions:
        return None
    return {
        "requirements": [
            {"key": key, "operator": operator} | _without_empty(values=values) for key, operator, values in conditions
        ]
    }
