"""What every source adapter offers.

In      a target and a window; later a body
Out     Source, the protocol; request heads
Callers the adapters of this folder, _round.pyx, monitoring.py
Never   adds credentials: _http.pyx does, where they may be sent
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from heapfast import __version__

if TYPE_CHECKING:
    from heapfast.scrape._target import Target
    from heapfast.scrape.loop import Window
    from heapfast.wire._rows import Rows


class Source(Protocol):
    """One kind of answer.

    Attributes:
        name: what --source calls it.
        label_prefix: before IP:PORT in the label `source` of self-metrics (spec 3.7).
        request_metric: Heapster's name for the summary of request durations.
        together: targets that are asked at one moment where there are few: they take the loop about 2 ms.
    """

    name: str
    label_prefix: str
    request_metric: str
    together: int

    def new_rows(self) -> Rows:
        """Rows for `parse` to fill, again and again."""
        ...

    def request(self, target: Target, window: Window) -> tuple[bytes, bytes]:
        """Head (without the empty line) and body of the request."""
        ...

    def parse(self, body: bytes, rows: Rows, requested_ns: int) -> None:
        """Fill rows from a body. Raises ParseError.

        Args:
            requested_ns: when the body was asked for, Unix ns; the time of samples that state none.
        """
        ...


def constant_head(path: str, target: Target) -> bytes:
    """Head of a GET that is the same every time, made once a target."""
    if not target.head:
        target.head = request_head("GET", path, target)
    return target.head


def request_head(method: str, path: str, target: Target, *headers: str) -> bytes:
    """Request line and the headers that every request has, without the empty line."""
    lines = (f"{method} {path} HTTP/1.1", f"Host: {target.address}", f"User-Agent: heapfast/{__version__}", *headers)
    return "".join(f"{line}\r\n" for line in lines).encode()
