"""What a client accepts: media types and content codings, by Heapster's simple rules.

In      the first Accept and Accept-Encoding header lines
Out     a decision, compressed bodies
Callers responders.py, self_metrics.py; kubernetes_responders.py and openapi.py compress
Source  spec/heapster-rest.md 1.4, 1.6 and 11.3
Never   weighs qualities: `gzip;q=0` compresses and `application/json;q=0` is acceptable (K17)
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Literal

Coding = Literal["gzip", "deflate"]

_LEVEL = 1
_GZIP_WBITS = 31
_ZLIB_WBITS = 15


def accepts_json(accept: str) -> bool:
    """Whether one of the listed types, without parameters, is exactly JSON or anything."""
    if not accept or accept in ("*/*", "application/json"):
        return True
    return any(item.partition(";")[0].strip(" ") in ("*/*", "application/json") for item in accept.split(","))


def coding_of(accept_encoding: str) -> Coding | None:
    """Return the coding whose name comes first in the header, anywhere in it, or None."""
    gzip = accept_encoding.find("gzip")
    deflate = accept_encoding.find("deflate")
    if gzip < 0 and deflate < 0:
        return None
    return "gzip" if deflate < 0 or 0 <= gzip < deflate else "deflate"


def accepts_gzip_element(accept_encoding: str) -> bool:
    """Whether one listed element is gzip, with parameters or not: the rule of /metrics."""
    return any(item == "gzip" or item.startswith("gzip;") for item in map(str.strip, accept_encoding.split(",")))


def compress(body: bytes, coding: Coding) -> bytes:
    """Compress fast rather than well; the same body always gives the same bytes."""
    compressor = _compressor(coding)
    return compressor.compress(body) + compressor.flush()


async def compress_chunks(
    chunks: AsyncIterator[bytes], coding: Coding, run: Callable[..., Awaitable[bytes]]
) -> AsyncIterator[bytes]:
    """Compress a long body piece by piece; `run` takes each piece to a thread."""
    compressor = _compressor(coding)
    async for chunk in chunks:
        compressed = await run(compressor.compress, chunk)
        if compressed:
            yield compressed
    yield compressor.flush()


def _compressor(coding: Coding) -> zlib._Compress:
    return zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP_WBITS if coding == "gzip" else _ZLIB_WBITS)
