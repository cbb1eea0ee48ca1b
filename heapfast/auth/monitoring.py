"""What auth counts about itself, by the names that dashboards of add-on API servers know.

In      reviews, decisions and settings, as they happen
Out     Prometheus series: apiserver_delegated_*, authentication_*, authorization_*, heapfast_auth_*
Callers the other modules of auth; secure_port.py gives the registry
Source  spec/metrics-k8s-io.md 9.4
Never   has a label whose values callers can make up
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

_REVIEW_BUCKETS: Final = (0.25, 0.5, 0.7, 1.0, 1.5, 3.0, 5.0, 10.0)
#: User names that have a series of their own; all others share one.
_KNOWN_USERS: Final = frozenset(
    ("admin", "client", "kube_proxy", "kubelet", "system:serviceaccount:kube-system:default")
)


class AuthMonitoring(Collector):
    """All series of auth; one object a registry. Belongs to the loop.

    Requests are counted in plain integers and become series when somebody looks: the client library's counters
    take a lock each time, which would be a tenth of a decision's cost.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        def duration(kind: str, what: str) -> Histogram:
            name = f"apiserver_delegated_{kind}_request_duration_seconds"
            text = f"How long {what} took, by status of the answer."
            return Histogram(name, text, ["code"], buckets=_REVIEW_BUCKETS, registry=registry)

        self._authn_seconds = duration("authn", "TokenReviews")
        self._authz_seconds = duration("authz", "SubjectAccessReviews")
        self._authn = _Count(
            "apiserver_delegated_authn_request_total", "TokenReviews, by status of the answer.", "code"
        )
        self._authz = _Count(
            "apiserver_delegated_authz_request_total", "SubjectAccessReviews, by status of the answer.", "code"
        )
        self._tokens = _Count(
            "authentication_token_cache_request_total", "Tokens looked up in the cache, by outcome.", "status"
        )
        self._attempts = _Count("authentication_attempts", "Requests, by whether it is clear who asks.", "result")
        self._users = _Count("authenticated_user_requests", "Requests by user; most users are other.", "username")
        self._decisions = _Count("authorization_attempts_total", "Decisions on requests, by result.", "result")
        self._settings = _Count(
            "heapfast_auth_settings_total", "Settings of the cluster, by what became of them.", "outcome"
        )
        self._files = _Count(
            "heapfast_auth_file_changes_total", "Certificate files that changed, by what became of them.", "outcome"
        )
        registry.register(self)

    def authn_review(self, code: str, seconds: float) -> None:
        """Count a TokenReview; code is the HTTP status, or "<error>" without an answer."""
        self._authn.add(code)
        self._authn_seconds.labels(code).observe(seconds)

    def authz_review(self, code: str, seconds: float) -> None:
        """Count a SubjectAccessReview; code as in `authn_review`."""
        self._authz.add(code)
        self._authz_seconds.labels(code).observe(seconds)

    def token_looked_up(self, status: Literal["hit", "miss"]) -> None:
        """Count a token."""
        self._tokens.add(status)

    def authenticated(self, name: str) -> None:
        """Count a request whose caller is known, or is known to be anonymous."""
        if name not in _KNOWN_USERS:
            name = "email_id" if "@" in name else "other"
        self._users.add(name)
        self._attempts.add("success")

    def unauthenticated(self) -> None:
        """Count a request whose caller could not prove what they claimed."""
        self._attempts.add("failure")

    def decided(self, result: Literal["allowed", "denied", "error"]) -> None:
        """Count a decision."""
        self._decisions.add(result)

    def settings(self, outcome: Literal["applied", "refused"]) -> None:
        """Count settings that came."""
        self._settings.add(outcome)

    def file_changed(self, outcome: str) -> None:
        """Count files that changed; outcome as file_watch gives it: "reloaded" or "refused"."""
        self._files.add(outcome)

    def collect(self) -> Iterator[Metric]:
        """Give the counted ones, for the registry."""
        counts = (
            self._authn, self._authz, self._tokens, self._attempts, self._users, self._decisions, self._settings,
            self._files,
        )  # fmt: skip
        for count in counts:
            yield count.family()


class _Count:
    """One counter with one label."""

    def __init__(self, name: str, text: str, label: str) -> None:
        self._name = name
        self._text = text
        self._label = label
        self._values: dict[str, int] = {}

    def add(self, value: str) -> None:
        self._values[value] = self._values.get(value, 0) + 1

    def family(self) -> Metric:
        stem = self._name.removesuffix("_total")
        # A counter's name would be given the ending; "unknown" leaves it as the reference has it.
        family = Metric(stem, self._text, "unknown" if stem == self._name else "counter")
        for value, count in self._values.items():
            family.add_sample(self._name, {self._label: value}, count)
        return family
