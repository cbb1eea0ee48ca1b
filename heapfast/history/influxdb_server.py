"""An InfluxDB 1.x server: statements and points over HTTP.

In      InfluxQL statements; line protocol
Out     the results of statements as they come; or a ServerFailure
Callers influxdb.py; sinks/influxdb.py
Source  spec/heapster-pipeline.md 7.1.2; InfluxDB 1.6's HTTP API: /query with chunked=true, /write
Never   writes a statement itself
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncGenerator, Sequence
from typing import Final, NamedTuple

import msgspec

from heapfast.history.server import ServerFailure, StoreServer, readable

WRITE_TIMEOUT_SECONDS: Final = 30.0
STATEMENT_TIMEOUT_SECONDS: Final = 30.0
#: Of the retention policy, as Heapster has called it.
POLICY: Final = "default"

#: Heapster sent an empty type, which aiohttp cannot.
_NO_TYPE: Final = {"Content-Type": "application/octet-stream"}

#: Times are Unix nanoseconds, because epoch=ns asks for that.
Row = list[bool | int | float | str | None]


class Series(msgspec.Struct, frozen=True):
    """A series of a result, or a part of it; `name` is its measurement."""

    columns: list[str]
    name: str = ""
    values: list[Row] = []
    tags: dict[str, str] = {}


class Result(msgspec.Struct, frozen=True):
    """What came of one statement, or a part of it.

    Attributes:
        statement_id: which of the statements of the request, from 0.
        error: why the statement failed; "" when it did not.
    """

    statement_id: int = 0
    series: list[Series] = []
    error: str = ""


class _Answer(msgspec.Struct, frozen=True):
    results: list[Result] = []
    error: str = ""


_decoder: Final = msgspec.json.Decoder(_Answer)


class InfluxDbAddress(NamedTuple):
    """Where a database is, and who we are to it; may hold a password, so it is never shown.

    Attributes:
        host: with its port.
        user: "" sends no credentials.
    """

    host: str
    database: str
    user: str
    password: str
    secure: bool


class InfluxDbServer:
    """One database of one server. On the loop."""

    def __init__(self, address: InfluxDbAddress, context: ssl.SSLContext | None) -> None:
        self.database = address.database
        self._server = StoreServer(
            f"{'https' if address.secure else 'http'}://{address.host}",
            user=address.user,
            password=address.password,
            context=context,
        )

    @property
    def url(self) -> str:
        return self._server.url

    async def close(self) -> None:
        await self._server.close()

    async def query(
        self, statements: Sequence[str], *, chunk_rows: int, timeout_seconds: float
    ) -> AsyncGenerator[Result]:
        """Runs statements and gives their results in order, in parts of `chunk_rows` rows at most.

        Raises:
            ServerFailure: the server cannot be asked, or what it answers is no result. An error of one statement is no
                failure: its result says so.
        """
        form = [
            ("db", self.database),
            ("q", "; ".join(statements)),
            ("epoch", "ns"),
            ("chunked", "true"),
            ("chunk_size", str(chunk_rows)),
        ]
        lines = self._server.iter_lines("POST", "/query", body=form, timeout_seconds=timeout_seconds)
        async with contextlib.aclosing(lines):  # type: ignore[type-var]  # an async generator
            async for line in lines:
                for result in self._decode(line).results:
                    yield result

    async def run(self, statement: str) -> Result:
        """Runs a statement about databases and policies, and gives its result, error and all.

        Raises:
            ServerFailure: as in `query`.
        """
        form = [("db", ""), ("q", statement)]
        body = await self._server.request("POST", "/query", body=form, timeout_seconds=STATEMENT_TIMEOUT_SECONDS)
        answer = self._decode(body)
        return answer.results[0] if answer.results else Result()

    async def write(self, lines: bytes) -> None:
        """Writes points to the policy that Heapster writes to.

        Raises:
            ServerFailure: they were not written, or not all of them.
        """
        params = {"consistency": "", "db": self.database, "precision": "", "rp": POLICY}
        await self._server.request(
            "POST", "/write", params=params, body=lines, headers=_NO_TYPE, timeout_seconds=WRITE_TIMEOUT_SECONDS
        )

    def _decode(self, body: bytes) -> _Answer:
        try:
            answer = _decoder.decode(body)
        except msgspec.DecodeError as error:
            raise ServerFailure(
                f"cannot read the answer of {self.url}: got {readable(body)!r}, want results of InfluxDB 1.x ({error})",
                reason="protocol",
            ) from error
        if answer.error:
            raise ServerFailure(f"{self.url} answered: {answer.error}", reason="status", status=400)
        return answer


def error_text(failure: ServerFailure) -> str:
    """What InfluxDB says of a failure, in its own words; "" when it says nothing."""
    with contextlib.suppress(msgspec.DecodeError):
        return _decoder.decode(failure.body).error
    return ""
