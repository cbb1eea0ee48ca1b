"""What auth counts about itself, by the names that dashboards of add-on API servers know.

In      reviews, decisions and settings, as they happen
Out     Prometheus series: apiserver_delegated_*, authentication_*, authorization_*, heapfast_auth_*
Callers the other modules of auth; daemon gives the registry
Source  spec/metrics-k8s-io.md 9.4
Never   has a label whose values callers can make up
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

_REVIEW_BUCKETS: Final = (0.25, 0.5, 0.7, 1.0, 1.5, 3.0, 5.0, 10.0)
#: User names that have a series of their own; all others share one.
_KNOWN_USERS: Final = frozenset(
    ("admin", "client", "kube_proxy", "kubelet", "system:serviceaccount:kube-system:default")
)


class AuthMonitoring:
    """All series of auth; one object a registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, label: str) -> Counter:
            return Counter(name, text, [label], registry=registry)

        def duration(kind: str, text: str) -> Histogram:
            name = f"apiserver_delegated_{kind}_request_duration_seconds"
            return Histogram(name, text, ["code"], buckets=_REVIEW_BUCKETS, registry=registry)

        self._authn_total = counter(
            "apiserver_delegated_authn_request_total", "TokenReviews asked for, by status of the answer.", "code"
        )
        self._authn_seconds = duration("authn", "How long TokenReviews took, by status of the answer.")
        self._authz_total = counter(
            "apiserver_delegated_authz_request_total",
            "SubjectAccessReviews asked for, by status of the answer.",
            "code",
        )
        self._authz_seconds = duration("authz", "How long SubjectAccessReviews took, by status of the answer.")
        token_cache = counter(
            "authentication_token_cache_request_total", "Tokens looked up in the cache, by outcome.", "status"
        )
        attempts = counter("authorization_attempts_total", "Decisions on requests, by result.", "result")
        settings = counter(
            "heapfast_auth_settings_total", "Settings from the cluster, by what became of them.", "outcome"
        )
        # Bound once: looking up a label costs more than counting.
        self.token_cache_hit = token_cache.labels("hit").inc
        self.token_cache_miss = token_cache.labels("miss").inc
        self.allowed = attempts.labels("allowed").inc
        self.denied = attempts.labels("denied").inc
        self.undecided = attempts.labels("error").inc
        self.settings_applied = settings.labels("applied").inc
        self.settings_refused = settings.labels("refused").inc
        self._requests = _Requests()
        registry.register(self._requests)

    def authn_review(self, code: str, seconds: float) -> None:
        """Count a TokenReview; code is the HTTP status, or "<error>" without an answer."""
        self._authn_total.labels(code).inc()
        self._authn_seconds.labels(code).observe(seconds)

    def authz_review(self, code: str, seconds: float) -> None:
        """Count a SubjectAccessReview; code as in `authn_review`."""
        self._authz_total.labels(code).inc()
        self._authz_seconds.labels(code).observe(seconds)

    def authenticated(self, name: str) -> None:
        """Count a request whose caller is known, or is known to be anonymous."""
        if name not in _KNOWN_USERS:
            name = "email_id" if "@" in name else "other"
        users = self._requests.users
        users[name] = users.get(name, 0) + 1
        self._requests.attempts["success"] += 1

    def unauthenticated(self) -> None:
        """Count a request whose caller could not prove what they claimed."""
        self._requests.attempts["failure"] += 1


class _Requests(Collector):
    """Two counters whose names do not end in _total, as prometheus_client's own must."""

    def __init__(self) -> None:
        self.users: dict[str, int] = {}
        self.attempts = {"success": 0, "failure": 0}

    def collect(self) -> Iterator[Metric]:
        yield _family(
            "authenticated_user_requests", "Requests by user; few users have a name here.", "username", self.users
        )
        yield _family("authentication_attempts", "Requests by whether it is clear who asks.", "result", self.attempts)


def _family(name: str, text: str, label: str, values: dict[str, int]) -> Metric:
    # "unknown" is written as untyped, with the name as it stands; a counter's would be given its ending.
    family = Metric(name, text, "unknown")
    for value, count in values.items():
        family.add_sample(name, {label: value}, count)
    return family
