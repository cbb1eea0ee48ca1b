"""TokenReview and SubjectAccessReview: who a token is, and what they may do.

In      the bodies that an add-on with delegated authentication posts
Out     the same objects with `status`
Callers apiserver.py
Source  spec/metrics-k8s-io.md 11.2 and 11.3
Never   decides: identities.py does
"""

from __future__ import annotations

from typing import Any

import msgspec

from heapfast.errors import QueryError
from heapfast.sim.identities import AccessAttributes, Identities


class TokenSpec(msgspec.Struct):
    token: str = ""


class TokenReview(msgspec.Struct):
    spec: TokenSpec
    apiVersion: str = "authentication.k8s.io/v1"  # noqa: N815 (the protocol's spelling)


class AccessSpec(msgspec.Struct):
    user: str = ""
    groups: list[str] = []
    resourceAttributes: AccessAttributes | None = None  # noqa: N815 (the protocol's spelling)


class SubjectAccessReview(msgspec.Struct):
    spec: AccessSpec
    apiVersion: str = "authorization.k8s.io/v1"  # noqa: N815 (the protocol's spelling)


def review_token(body: bytes, identities: Identities) -> dict[str, Any]:
    """Answers a TokenReview. Raises QueryError for another body."""
    review = _decode(body, TokenReview)
    status: dict[str, Any] = {"authenticated": False, "error": "the token is not known"}
    caller = identities.find_by_token(review.spec.token)
    if caller is not None:
        status = {
            "authenticated": True,
            "user": {"username": caller.name, "uid": caller.uid, "groups": caller.groups},
        }
    return {
        "kind": "TokenReview",
        "apiVersion": review.apiVersion,
        "metadata": {},
        "spec": msgspec.to_builtins(review.spec),
        "status": status,
    }


def review_access(body: bytes, identities: Identities) -> dict[str, Any]:
    """Answers a SubjectAccessReview. Raises QueryError for another body."""
    review = _decode(body, SubjectAccessReview)
    allowed = identities.may(review.spec.user, review.spec.groups, review.spec.resourceAttributes)
    return {
        "kind": "SubjectAccessReview",
        "apiVersion": review.apiVersion,
        "metadata": {},
        "spec": msgspec.to_builtins(review.spec),
        "status": {
            "allowed": allowed,
            "reason": "simulated" if allowed else "no rule of the simulated cluster allows it",
        },
    }


def _decode(body: bytes, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise QueryError(f"cannot read {kind.__name__}: {error}") from error
