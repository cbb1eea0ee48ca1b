"""What a client accepts: media types and content codings, by Heapster's simple rules.

In      the first Accept and Accept-Encoding header lines
Out     a decision, compressed bodies
Callers responders.py, self_metrics.py, cluster_metrics.py; kubernetes_responders.py and openapi.py compress
Source  spec/heapster-rest.md 1.4, 1.6 and 11.3
Never   weighs qualities where Heapster does not: `gzip;q=0` compresses, `application/json;q=0` is acceptable (K17)
"""

from __future__ import annotations

import re
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, Literal

Coding = Literal["gzip", "deflate"]

_QUALITY: Final = re.compile(r"[01]|0?\.[0-9]{1,9}|0\.|1\.0*", re.ASCII)

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


def quality_of(media_type: str, accept: str) -> float:
    """Return how much a header wants a type, by the most exact of its ranges that has it; 0 for not at all.

    /metrics/cluster alone weighs qualities: Prometheus says with them which format it prefers.
    """
    found: dict[str, float] = {}
    for item in accept.split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        quality = next((one[2:] for one in parameters if one.startswith("q=")), "1")
        found[name.lower()] = float(quality) if _QUALITY.fullmatch(quality) else 0.0
    for range_ in (media_type, f"{media_type.partition('/')[0]}/*", "*/*"):
        if range_ in found:
            return found[range_]
    return 0.0


def compress(body: bytes, coding: Coding) -> bytes:
    """Compress fast rather than well; the same body always gives the same bytes."""
    compressor = make_compressor(coding)
    return compressor.compress(body) + compressor.flush()


async def compress_chunks(
    chunks: AsyncIterator[bytes], coding: Coding, run: Callable[..., Awaitable[bytes]]
) -> AsyncIterator[bytes]:
    """Compress a long body piece by piece; `run` takes each piece to a thread."""
    compressor = make_compressor(coding)
    async for chunk in chunks:
        compressed = await run(compressor.compress, chunk)
        if compressed:
            yield compressed
    yield compressor.flush()


def make_compressor(coding: Coding) -> zlib._Compress:
    """One body's, piece by piece."""
    return zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP_WBITS if coding == "gzip" else _ZLIB_WBITS)
