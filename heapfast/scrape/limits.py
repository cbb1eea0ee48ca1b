"""What one target may cost: bytes and seconds.

In      options
Out     Limits, and the reasons that failed scrapes are counted under
Callers _http.pyx, _response.pyx; daemon builds it from the options
Never   changes while running
"""

from __future__ import annotations

from typing import Final

import msgspec

#: One read from a socket fills at most this; all connections share the buffer.
RECEIVE_BUFFER_BYTES: Final = 256 * 1024

#: Of an error's body this much is told in the message.
QUOTED_BYTES: Final = 200


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one scrape. Whatever exceeds one fails, and says which.

    Attributes:
        max_header_bytes: status line and headers, trailers and interim answers included.
        max_body_bytes: body (option --max-body-bytes).
        max_error_body_bytes: body of a status other than 200 that is read to keep the connection;
            a longer one closes it.
        connect_seconds: until the connection stands, TLS handshake included.
        first_byte_seconds: from the request to the first byte of the answer.
        total_seconds: from the start to the last byte (option --scrape-timeout).
        tick_seconds: how often time-outs are looked for; they are late by up to this much.
    """

    max_header_bytes: int = 64 * 1024
    max_body_bytes: int = 64 * 1024 * 1024
    max_error_body_bytes: int = 64 * 1024
    connect_seconds: float = 5.0
    first_byte_seconds: float = 10.0
    total_seconds: float = 15.0
    tick_seconds: float = 0.1
