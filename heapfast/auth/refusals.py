"""The ways a request can be refused, with what an answer needs to say so.

In      why
Out     AuthError's children, with fields
Callers chain.py and access_review.py raise them; api/errors.py gives each a status and a body
Source  spec/metrics-k8s-io.md 8, 11.2 and 11.3
Never   holds a token, or says why a caller was not believed: that helps the forger alone
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapfast.errors import AuthError

if TYPE_CHECKING:
    from heapfast.auth.attributes import Attributes
    from heapfast.auth.identity import User


class Unauthenticated(AuthError):
    """It is not clear who asks (401)."""

    def __init__(self) -> None:
        super().__init__("Unauthorized")


class Forbidden(AuthError):
    """It is clear who asks, and they may not (403).

    Attributes:
        user: who asked.
        attributes: what they asked for.
        reason: the authorizer's, "" for none; for the caller's eyes.
        warning: for the answer's Warning header, "" for none.
    """

    def __init__(self, user: User, attributes: Attributes, reason: str = "") -> None:
        self.user = user
        self.attributes = attributes
        self.reason = reason
        self.warning = ""
        super().__init__(user, attributes, reason)

    def __str__(self) -> str:
        # Worded when somebody looks: a caller who is refused again and again is to cost little.
        return f"user {self.user.name!r} may not {self.attributes}" + (f": {self.reason}" if self.reason else "")


class Undecided(AuthError):
    """Nobody could say whether the caller may; so they may not (500).

    Attributes:
        why: what went wrong with asking; for the caller's eyes.
    """

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(f"cannot decide who may ask: {why}")
