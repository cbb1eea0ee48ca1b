"""Users that the front proxy vouches for: kube-apiserver's X-Remote-* headers.

In      headers as ASGI has them (names in lower case, values as bytes), the client's certificate
Out     User, or None when the bearer is no front proxy or names nobody
Callers chain.py, before everything else
Source  spec/metrics-k8s-io.md 11.1 and 11.2, step 1; recorded answers `auth/proxy-headers`
Never   reads a header before the certificate proved who sent it
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import unquote

from heapfast.auth.identity import Extra, User, make_extra
from heapfast.auth.x509 import CertificateCheck

#: (name in lower case, value) pairs, in the order they came.
Headers = Sequence[tuple[bytes, bytes]]

#: Users whose headers are remembered, of one front proxy.
MAX_REMEMBERED: Final = 1024

_BAD_ESCAPE = re.compile("%(?![0-9a-f]{2})")


class RemoteHeaders(NamedTuple):
    """Which headers carry what; every name in lower case.

    Attributes:
        username: the first of these whose first value is not empty names the user.
        group: each value of each of these is a group.
        extra_prefixes: what follows the prefix is a key of `extra`.
        uid: as `username`.
    """

    username: tuple[bytes, ...] = (b"x-remote-user",)
    group: tuple[bytes, ...] = (b"x-remote-group",)
    extra_prefixes: tuple[bytes, ...] = (b"x-remote-extra-",)
    uid: tuple[bytes, ...] = ()

    def select(self, headers: Headers) -> tuple[tuple[bytes, bytes], ...]:
        """Leave out what says nothing of a user."""
        names = self.username + self.group + self.extra_prefixes + self.uid
        return tuple([header for header in headers if header[0].startswith(names)])

    def read_user(self, headers: Headers) -> User | None:
        """Read the user; None when the headers name nobody."""
        name = _first_value(headers, self.username)
        if not name:
            return None
        return User(name, tuple(self._groups(headers)), _first_value(headers, self.uid), self._extra(headers))

    def _groups(self, headers: Headers) -> Iterable[str]:
        for wanted in self.group:
            for name, value in headers:
                if name == wanted and (group := _text(value)):
                    yield group

    def _extra(self, headers: Headers) -> Extra:
        values: dict[str, list[str]] = {}
        for prefix in self.extra_prefixes:
            for name, value in headers:
                if name.startswith(prefix):
                    values.setdefault(_extra_key(name[len(prefix) :]), []).append(_text(value))
        return make_extra(values) if values else ()


class FrontProxy:
    """One certificate authority, the names it may have signed, and the headers these may send.

    Args:
        allowed_names: common names; empty for every name the authority signed.
    """

    def __init__(self, certificates: CertificateCheck, allowed_names: frozenset[str], headers: RemoteHeaders) -> None:
        self._certificates = certificates
        self._allowed_names = allowed_names
        self._headers = headers
        # A proxy asks for few users, and each of them again and again.
        self._read_user = lru_cache(MAX_REMEMBERED)(headers.read_user)

    def find_user(self, chain: Sequence[str], headers: Headers, now_ns: int) -> User | None:
        """Find out on whose behalf a front proxy asks; None when it is none, or names nobody.

        Args:
            chain: the client's certificates as PEM, its own first.
            now_ns: connections outlive certificates, so each request looks at the time again.
        """
        holder = self._certificates.find_holder(chain, now_ns)
        if holder is None or (self._allowed_names and holder.name not in self._allowed_names):
            return None
        return self._read_user(self._headers.select(headers))


def _first_value(headers: Headers, names: tuple[bytes, ...]) -> str:
    for wanted in names:
        for name, value in headers:
            if name == wanted:
                if text := _text(value):
                    return text
                break  # of one header only the first value counts, even when it is empty
    return ""


def _text(value: bytes) -> str:
    # What is no UTF-8 is replaced, as in the JSON of the review that will carry it.
    return value.strip(b" \t").decode("utf-8", "replace")


def _extra_key(name: bytes) -> str:
    text = name.decode("utf-8", "replace").lower()
    # With one bad escape, none is decoded.
    return text if _BAD_ESCAPE.search(text) else unquote(text, errors="replace")
