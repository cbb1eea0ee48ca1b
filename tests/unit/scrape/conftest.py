"""Clients and fetches for the tests of scrape/.

In      nothing
Out     `make_client`: clients that are closed after the test; `fetch`: one request, awaited
Callers pytest
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest_asyncio

from heapfast.errors import ScrapeError
from heapfast.scrape._http import Connection, KubeletClient

HEAD = b"GET /stats/summary/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"

MakeConnection = Callable[..., Connection]


async def fetch(connection: Connection, head: bytes = HEAD, body: bytes = b"") -> bytes:
    """The body of the answer; raises what on_done got."""
    done: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def on_done(answer: bytes | None, error: ScrapeError | None) -> None:
        assert (answer is None) != (error is None)
        if error is not None:
            done.set_exception(error)
        else:
            assert answer is not None
            done.set_result(answer)

    connection.request(head, body, on_done)
    assert not done.done(), "the outcome must not come from inside `request`"
    return await done


@pytest_asyncio.fixture
async def connect() -> AsyncIterator[MakeConnection]:
    """connect(port, ip=..., **options of KubeletClient) -> Connection."""
    made: list[tuple[KubeletClient, Connection]] = []

    def connect(port: int, ip: str = "127.0.0.1", **options: Any) -> Connection:
        client = KubeletClient(**options)
        connection = client.connect(ip, port, "kubelet")
        made.append((client, connection))
        return connection

    yield connect
    for client, connection in made:
        assert len(client.deadlines) == 0, "a request is still being watched"
        connection.close()
        client.close()
