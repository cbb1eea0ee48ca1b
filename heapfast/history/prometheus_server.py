"""A server with Prometheus' HTTP API: Prometheus, VictoriaMetrics, Mimir, Thanos.

In      PromQL, selectors; the bodies of remote write
Out     series as they were sent, names; or a ServerFailure
Callers prometheus.py; sinks/prometheus.py
Source  Prometheus' HTTP API v1: /query, /query_range, /label/NAME/values; its remote write 1.0
Never   knows a metric of ours
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Sequence
from typing import Final, NamedTuple, TypeVar
from urllib.parse import urlencode

import msgspec

from heapfast._name_list import NameList
from heapfast.errors import ParseError
from heapfast.history.server import ServerFailure, StoreServer, readable

WRITE_TIMEOUT_SECONDS: Final = 30.0

_WRITE_HEADERS: Final = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}


class PrometheusAddress(NamedTuple):
    """Where a server is, and who we are to it; may hold secrets, so it is never shown.

    Attributes:
        url: what stands before /api/v1.
        headers: such as a tenant's, or a bearer token's.
        user: "" sends no basic authentication.
    """

    url: str
    headers: tuple[tuple[str, str], ...] = ()
    user: str = ""
    password: str = ""


class VectorSeries(msgspec.Struct, frozen=True):
    """A series of a matrix or a vector. Times are Unix seconds; values are texts, NaN and +Inf among them."""

    metric: dict[str, str] = {}
    values: list[tuple[float, str]] = []
    value: tuple[float, str] | None = None

    def samples(self) -> Sequence[tuple[float, str]]:
        """Those of a matrix, or the one of a vector."""
        return self.values if self.value is None else (self.value,)


class _Vector(msgspec.Struct, frozen=True):
    result: list[VectorSeries] = []


class _VectorAnswer(msgspec.Struct, frozen=True):
    status: str = ""
    error: str = ""
    data: _Vector | None = None


class _NamesAnswer(msgspec.Struct, frozen=True):
    status: str = ""
    error: str = ""
    data: msgspec.Raw = msgspec.Raw()


_Answer = TypeVar("_Answer", _VectorAnswer, _NamesAnswer)


class PrometheusServer:
    """One server, or one tenant of it. On the loop."""

    def __init__(self, address: PrometheusAddress, context: ssl.SSLContext | None) -> None:
        self._server = StoreServer(
            address.url,
            headers=dict(address.headers),
            user=address.user,
            password=address.password,
            context=context,
        )

    @property
    def url(self) -> str:
        return self._server.url

    async def close(self) -> None:
        await self._server.close()

    async def query(self, expression: str, *, at_ms: int, timeout_seconds: float) -> list[VectorSeries]:
        """Evaluates an expression at one instant; a range selector gives the samples as they were written.

        Raises:
            ServerFailure: the server cannot be asked, or what it answers is no result.
        """
        form = [("query", expression), ("time", seconds(at_ms)), *_common(timeout_seconds)]
        return await self._vector("/api/v1/query", form, timeout_seconds)

    async def query_range(
        self, expression: str, *, start_ms: int, end_ms: int, step_ms: int, timeout_seconds: float
    ) -> list[VectorSeries]:
        """Evaluates an expression at every step from `start_ms` to `end_ms`.

        Raises:
            ServerFailure: as in `query`.
        """
        form = [
            ("query", expression),
            ("start", seconds(start_ms)),
            ("end", seconds(end_ms)),
            ("step", seconds(step_ms)),
            *_common(timeout_seconds),
        ]
        return await self._vector("/api/v1/query_range", form, timeout_seconds)

    async def label_values(
        self, label: str, selectors: Sequence[str], *, end_ms: int, timeout_seconds: float
    ) -> NameList:
        """Values that a label has in any series that one of the selectors takes, of all times; sorted.

        Raises:
            ServerFailure: as in `query`.
        """
        # Not every server takes a form here. Without a start VictoriaMetrics looks at the newest day alone, and with
        # one in the first day of 1970 it finds nothing.
        pairs = [*(("match[]", one) for one in selectors), ("start", "86400"), ("end", seconds(end_ms))]
        path = f"/api/v1/label/{label}/values?{urlencode(pairs)}"
        body = await self._server.request("GET", path, timeout_seconds=timeout_seconds)
        answer = self._decode(_names_decoder, body)
        names = NameList()
        try:
            # Of 150,000 pods, 4 MB: 1 ms on the loop to find the list in the answer, and the rest in a thread.
            await asyncio.to_thread(_read_names, names, answer.data)
        except ParseError as error:
            raise self._not_agreed(body, error) from error
        return names

    async def write(self, path: str, body: bytes) -> None:
        """Sends one remote write request.

        Raises:
            ServerFailure: it was not taken.
        """
        await self._server.request(
            "POST", path, body=body, headers=_WRITE_HEADERS, timeout_seconds=WRITE_TIMEOUT_SECONDS
        )

    async def _vector(self, path: str, form: Sequence[tuple[str, str]], timeout_seconds: float) -> list[VectorSeries]:
        body = await self._server.request("POST", path, body=form, timeout_seconds=timeout_seconds)
        data = self._decode(_vector_decoder, body).data
        return data.result if data is not None else []

    def _decode(self, decoder: msgspec.json.Decoder[_Answer], body: bytes) -> _Answer:
        try:
            answer = decoder.decode(body)
        except msgspec.DecodeError as error:
            raise self._not_agreed(body, error) from error
        if answer.status != "success":
            raise ServerFailure(
                f"{self.url} answered: {answer.error or 'no success'}", reason="protocol", status=400, body=body
            )
        return answer

    def _not_agreed(self, body: bytes, error: Exception) -> ServerFailure:
        return ServerFailure(
            f"cannot read the answer of {self.url}: got {readable(body)!r}, want JSON of Prometheus' API ({error})",
            reason="protocol",
        )


def _read_names(names: NameList, data: msgspec.Raw) -> None:
    if len(data_bytes := memoryview(data)):
        names.add_json(data_bytes)
    names.sort()


_vector_decoder: Final = msgspec.json.Decoder(_VectorAnswer)
_names_decoder: Final = msgspec.json.Decoder(_NamesAnswer)


def seconds(milliseconds: int) -> str:
    """Milliseconds as the API takes them: seconds, exactly."""
    sign = "-" if milliseconds < 0 else ""
    whole, rest = divmod(abs(milliseconds), 1000)
    return f"{sign}{whole}.{rest:03}"


def _common(timeout_seconds: float) -> list[tuple[str, str]]:
    # The last one is VictoriaMetrics': it would leave out the newest half minute. Others do not look at it.
    return [("timeout", f"{max(int(timeout_seconds), 1)}s"), ("latency_offset", "1ms")]


def error_text(failure: ServerFailure) -> str:
    """What the API says of a failure, in its own words; "" when it says nothing."""
    with contextlib.suppress(msgspec.DecodeError):
        return _names_decoder.decode(failure.body).error
    return ""
