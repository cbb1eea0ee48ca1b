"""What is written in one step of the loop is sent in one piece."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from heapfast.api.joined_writes import JOINED_BYTES, JoiningTransport


class Sent:
    """The transport behind: keeps what it is told."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.ends: list[str] = []

    def write(self, data: bytes) -> None:
        self.pieces.append(data)

    def close(self) -> None:
        self.ends.append("close")

    def abort(self) -> None:
        self.ends.append("abort")

    def is_closing(self) -> bool:
        return bool(self.ends)

    def get_extra_info(self, name: str) -> str:
        return f"the {name}"


@pytest.fixture
def sent() -> Sent:
    return Sent()


def join(sent: Sent) -> JoiningTransport:
    return JoiningTransport(cast(Any, sent), asyncio.get_running_loop())


async def test_a_head_goes_out_along_with_its_body(sent: Sent) -> None:
    transport = join(sent)
    transport.write(b"head ")
    transport.write(b"body")
    assert sent.pieces == []
    await asyncio.sleep(0)
    assert sent.pieces == [b"head body"]


async def test_what_is_written_in_the_next_step_goes_out_in_the_next(sent: Sent) -> None:
    transport = join(sent)
    for part in (b"one", b"two"):
        transport.write(part)
        await asyncio.sleep(0)
    assert sent.pieces == [b"one", b"two"]


async def test_much_goes_out_at_once(sent: Sent) -> None:
    transport = join(sent)
    transport.write(b"head")
    transport.write(b"b" * JOINED_BYTES)
    transport.write(b"more")
    assert sent.pieces == [b"head" + b"b" * JOINED_BYTES]
    await asyncio.sleep(0)
    assert sent.pieces[1:] == [b"more"]


async def test_what_is_held_goes_out_before_the_end(sent: Sent) -> None:
    transport = join(sent)
    transport.write(b"last")
    transport.close()
    assert (sent.pieces, sent.ends) == ([b"last"], ["close"])
    await asyncio.sleep(0)
    assert sent.pieces == [b"last"]


async def test_what_is_held_is_dropped_by_an_abort(sent: Sent) -> None:
    transport = join(sent)
    transport.write(b"last")
    transport.abort()
    await asyncio.sleep(0)
    assert (sent.pieces, sent.ends, transport.is_closing()) == ([], ["abort"], True)


async def test_all_else_is_the_transports_own(sent: Sent) -> None:
    assert join(sent).get_extra_info("peername") == "the peername"
