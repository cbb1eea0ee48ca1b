"""TokenReview and SubjectAccessReview: who a token is, and what they may do.

In      the bodies that an add-on with delegated authentication posts
Out     the same objects with `status`
Callers apiserver.py
Source  spec/metrics-k8s-io.md 11.2 and 11.3
Never   allows anyone but the one known user and the group system:masters
"""

from __future__ import annotations

from typing import Any

import msgspec

from heapfast.errors import QueryError
from heapfast.sim.certificates import CLIENT_GROUP, CLIENT_NAME

USER_GROUPS = [CLIENT_GROUP, "system:authenticated"]


class TokenSpec(msgspec.Struct):
    token: str = ""


class TokenReview(msgspec.Struct):
    spec: TokenSpec
    apiVersion: str = "authentication.k8s.io/v1"  # noqa: N815 (the protocol's spelling)


class AccessSpec(msgspec.Struct):
    user: str = ""
    groups: list[str] = []


class SubjectAccessReview(msgspec.Struct):
    spec: AccessSpec
    apiVersion: str = "authorization.k8s.io/v1"  # noqa: N815 (the protocol's spelling)


def review_token(body: bytes, known_token: str) -> dict[str, Any]:
    """Answers a TokenReview. An empty known token knows nobody. Raises QueryError for another body."""
    review = _decode(body, TokenReview)
    status: dict[str, Any] = {"authenticated": False, "error": "the token is not known"}
    if known_token and review.spec.token == known_token:
        status = {"authenticated": True, "user": {"username": CLIENT_NAME, "uid": "1", "groups": USER_GROUPS}}
    return {
        "kind": "TokenReview",
        "apiVersion": review.apiVersion,
        "metadata": {},
        "spec": msgspec.to_builtins(review.spec),
        "status": status,
    }


def review_access(body: bytes) -> dict[str, Any]:
    """Answers a SubjectAccessReview. Raises QueryError for another body."""
    review = _decode(body, SubjectAccessReview)
    allowed = review.spec.user == CLIENT_NAME or CLIENT_GROUP in review.spec.groups
    return {
        "kind": "SubjectAccessReview",
        "apiVersion": review.apiVersion,
        "metadata": {},
        "spec": msgspec.to_builtins(review.spec),
        "status": {"allowed": allowed, "reason": "simulated" if allowed else "the user is not known"},
    }


def _decode(body: bytes, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise QueryError(f"cannot read {kind.__name__}: {error}") from error
