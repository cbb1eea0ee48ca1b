"""Source and sink URIs: KEY or KEY:URL, in Heapster's grammar.

In      one value of --source or --sink, and the environment
Out     Uri: key, and the URL's parts; ValueError when it is none
Callers config.sinks, config.source
Source  spec/heapster-pipeline.md 3.1; what counts as a URL is decided as Go's net/url does
Never   knows which keys or options exist
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import unquote_plus

# $NAME, ${NAME}, and the shell's one-character names; a "$" before anything else stands for itself.
_VARIABLE = re.compile(r"\$(?:\{([^}]*)\}|([A-Za-z_][A-Za-z0-9_]*)|([*#$@!?0-9-]))")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2}).{0,2}", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HOST = re.compile(r"(?:\[[^\[\]]+\]|[^:\[\]]*)(?::[0-9]*)?")


class Uri(NamedTuple):
    """One source or sink.

    Attributes:
        key: what kind of source or sink; never empty.
        scheme: lower case, "" when there is none.
        host: with its port, "" when there is none.
        path: as written, or what follows a scheme without "//".
        pairs: query parameters, in order.
    """

    key: str
    scheme: str
    host: str
    path: str
    pairs: tuple[tuple[str, str], ...]

    @property
    def options(self) -> dict[str, str]:
        """Query parameters; of a repeated one the first."""
        return dict(reversed(self.pairs))


def parse_uri(value: str, environment: Mapping[str, str]) -> Uri:
    """Reads one URI; variables are expanded behind the first colon, unset ones to nothing.

    Raises:
        ValueError: it has no key, or its URL part is no URL; the text says what was wanted.
    """
    key, _, rest = value.partition(":")
    if not key:
        raise ValueError("KEY or KEY:URL")
    text = _VARIABLE.sub(lambda name: environment.get(name[1] or name[2] or name[3] or "", ""), rest)
    if _CONTROL.search(text):
        raise ValueError("a URL without control characters")
    before_query, _, query = text.partition("#")[0].partition("?")
    scheme, host, path = _split(before_query)
    for part in (host, path):
        if bad := _BAD_ESCAPE.search(part):
            raise ValueError(f"a URL whose percent escapes are whole, not {bad[0]!r}")
    return Uri(key, scheme, host, path, tuple(_pairs(query)))


def _split(text: str) -> tuple[str, str, str]:
    """Cuts what stands before the query into scheme, host and path."""
    scheme = ""
    if match := _SCHEME.fullmatch(text):
        scheme, text = match[1].lower(), match[2]
    elif text.startswith(":"):
        raise ValueError("a URL with a scheme before its first colon")
    if not text.startswith("/"):
        # host:2878 is scheme "host" and path "2878"; 1.2.3.4:2878 cannot be a scheme, and is no path either.
        if not scheme and ":" in text.partition("/")[0]:
            raise ValueError("a URL without a colon in its first path segment (write //HOST:PORT)")
        return scheme, "", text
    if not text.startswith("//") or (not scheme and text.startswith("///")):
        return scheme, "", text
    authority, slash, path = text[2:].partition("/")
    host = authority.rpartition("@")[2]
    if not _HOST.fullmatch(host):
        raise ValueError("a URL whose port is a number, and whose IPv6 address stands in brackets")
    return scheme, host, slash + path


def _pairs(query: str) -> Iterator[tuple[str, str]]:
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        # As in Go, a pair that cannot be decoded is no pair.
        if pair and not _BAD_ESCAPE.search(pair) and ";" not in pair:
            yield unquote_plus(name), unquote_plus(value)
