"""Questions that are posted, over real sockets: bodies in pieces, of unknown length, and too long."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from heapfast.api.query_limits import QueryLimits
from tests.unit.api.cluster import Cluster
from tests.unit.api.test_host import HEAD, hosted

POST = b"POST /apis/heapfast/v1/query" + HEAD + b"Content-Type: application/x-www-form-urlencoded\r\n"
MANY = b",".join(b"app-%d" % n for n in range(20_000))
QUESTION = b"metric=cpu/usage_rate&groupBy=namespace&labelSelector=app+in+(web," + MANY + b")"


async def answer(reader: asyncio.StreamReader) -> tuple[int, Any]:
    head = await reader.readuntil(b"\r\n\r\n")
    (length,) = (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    return int(head.split(b" ")[1]), json.loads(await reader.readexactly(length))


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return Cluster({"query_limits": QueryLimits(max_body_bytes=len(QUESTION))})


async def test_a_body_may_come_in_pieces_and_another_question_after_it(cluster: Cluster) -> None:
    async with hosted(cluster.app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(POST + b"Content-Length: %d\r\n\r\n" % len(QUESTION))
            for start in range(0, len(QUESTION), 50_000):
                writer.write(QUESTION[start : start + 50_000])
                await writer.drain()
            status, result = await answer(reader)
            assert (status, [row["namespace"] for row in result["items"]]) == (200, ["default", "shop"])
        writer.close()


async def test_a_body_need_not_state_its_length(cluster: Cluster) -> None:
    async with hosted(cluster.app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        for start in range(0, len(QUESTION), 70_000):
            piece = QUESTION[start : start + 70_000]
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        writer.write(b"0\r\n\r\n")
        status, result = await answer(reader)
        assert (status, len(result["items"])) == (200, 2)
        writer.close()


@pytest.mark.parametrize(
    ("length", "body"),
    [
        pytest.param(b"Content-Length: 2000000\r\n\r\n", b"x", id="states it"),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\n", b"%x\r\n%s\r\n" % (400_000, b"x" * 400_000), id="goes on"),
    ],
)
async def test_a_body_that_is_too_long_is_refused_before_its_end(cluster: Cluster, length: bytes, body: bytes) -> None:
    async with hosted(cluster.app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(POST + length + body)
        status, result = await answer(reader)
        assert (status, result["reason"]) == (413, "RequestEntityTooLarge")
        writer.close()
