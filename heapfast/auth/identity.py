"""Who asks: a user as Kubernetes knows one.

In      what a certificate, the front proxy or a TokenReview says
Out     User: plain, immutable, usable as a key
Callers every authenticator makes one; access_review.py asks about it
Source  spec/metrics-k8s-io.md 11.2
Never   judges whether the words are true
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

ANONYMOUS_NAME: Final = "system:anonymous"
#: In every user's groups, and in those of callers without a name.
AUTHENTICATED_GROUP: Final = "system:authenticated"
UNAUTHENTICATED_GROUP: Final = "system:unauthenticated"
#: Whoever is in it may do everything.
MASTERS_GROUP: Final = "system:masters"

Extra = tuple[tuple[str, tuple[str, ...]], ...]


class User(NamedTuple):
    """One caller.

    Attributes:
        name: may be empty, when a TokenReview left it so.
        groups: in the order they were stated, with repetitions.
        uid: "" when unknown.
        extra: what else is known, (key, values) pairs in the order of keys.
    """

    name: str = ""
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Extra = ()


ANONYMOUS: Final = User(ANONYMOUS_NAME, (UNAUTHENTICATED_GROUP,))


def make_extra(values: Mapping[str, Iterable[str]]) -> Extra:
    """Bring extra values into the form that User keeps."""
    return tuple(sorted((key, tuple(of_key)) for key, of_key in values.items()))


def with_authenticated(user: User) -> User:
    """Add the group of all authenticated users, at the end, unless the user is nobody or has it."""
    groups = user.groups
    if AUTHENTICATED_GROUP in groups or UNAUTHENTICATED_GROUP in groups or user.name == ANONYMOUS_NAME:
        return user
    return User(user.name, (*groups, AUTHENTICATED_GROUP), user.uid, user.extra)
