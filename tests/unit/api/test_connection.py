"""One connection, byte for byte: as uvicorn's own protocol answers, where that is right; and what is ours alone."""

from __future__ import annotations

import asyncio
import gc
import re
import weakref
from collections.abc import Callable, Coroutine, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import httptools
import msgspec
import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from heapfast.api._http import split_target
from heapfast.api.protocol import HttpProtocol, Limits

App = Callable[[dict[str, Any], Any, Any], Coroutine[Any, Any, None]]
DATE = (b"date", b"Mon, 30 Nov 2026 21:27:54 GMT")
LINE = b"GET /a?b HTTP/1.1\r\n"
HOST = b"Host: h\r\n"
POST = b"POST /a HTTP/1.1\r\n"
GET = LINE + HOST + b"\r\n"


class Wire(asyncio.Transport):
    """The transport of a connection: keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.is_closed = self.is_aborted = self.is_read_paused = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("10.0.0.1", 1), "sockname": ("10.0.0.2", 2)}.get(name, default)

    def write(self, data: Any) -> None:
        if not self.is_closed:
            self.writes.append(bytes(data))

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = self.is_aborted = True

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        self.is_read_paused = True

    def resume_reading(self) -> None:
        self.is_read_paused = False

    @property
    def written(self) -> bytes:
        return b"".join(self.writes)


def config_of(app: App) -> uvicorn.Config:
    config = uvicorn.Config(app, lifespan="off", ws="none", log_config=None, interface="asgi3", access_log=False)
    config.load()
    return config


class Client:
    """Both ends of one connection of ours."""

    def __init__(self, app: App, limits: Limits | None = None) -> None:
        self.state = ServerState()
        self.state.default_headers = [DATE]
        self.wire = Wire()
        self.loop = asyncio.get_running_loop()
        self.protocol = HttpProtocol(config_of(app), self.state, limits=limits or Limits())
        self.protocol.connection_made(self.wire)

    async def send(self, *pieces: bytes) -> bytes:
        """Send pieces, a turn of the loop apart, as the loop hands them over; returns what has been written then."""
        for piece in pieces:
            self.loop.call_soon(self.protocol.data_received, piece)
            await turns(1)
        await turns(5)
        return self.wire.written

    async def lose(self) -> None:
        self.loop.call_soon(self.protocol.connection_lost, None)
        await turns(3)


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def head_of(status: bytes, *lines: bytes) -> bytes:
    return b"".join(line + b"\r\n" for line in (b"HTTP/1.1 " + status, b": ".join(DATE), *lines, b""))


async def echo(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answers with all it has been told."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        if not message["more_body"]:
            break
    known = {name: scope[name] for name in ("type", "method", "path", "http_version", "scheme", "client", "server")}
    raw = [scope["raw_path"], scope["query_string"], *(part for header in scope["headers"] for part in header), body]
    answer = msgspec.json.encode(known | {"raw": [part.decode("latin-1") for part in raw]})
    length = [(b"Content-Length", b"%d" % len(answer))]
    headers = [] if scope["path"] == "/chunked" else length
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


def answering(*messages: dict[str, Any]) -> App:
    """An app that sends what it is given, whatever it is asked."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await receive()
        for message in messages:
            await send(message)

    return app


def start(status: int = 200, **headers: str) -> dict[str, Any]:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http.response.start", "status": status, "headers": named}


def body(data: bytes = b"", *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


# -- the oracle ----------------------------------------------------------------------------------


class Seen(NamedTuple):
    written: bytes
    is_closed: bool
    is_read_paused: bool


async def play(make: Callable[[uvicorn.Config, ServerState], Any], app: App, pieces: Sequence[bytes]) -> Seen:
    state = ServerState()
    state.default_headers = [DATE]
    wire = Wire()
    protocol = make(config_of(app), state)
    loop = asyncio.get_running_loop()
    loop.call_soon(protocol.connection_made, wire)
    for piece in pieces:
        loop.call_soon(lambda piece=piece: None if wire.is_closed else protocol.data_received(piece))
        await turns(5)
    await turns(20)
    # An exception of an app closes the connection in both; what is left is taken down.
    loop.call_soon(protocol.connection_lost, None)
    await turns(5)
    return Seen(wire.written, wire.is_closed, wire.is_read_paused)


def plain_400(written: bytes) -> bytes:
    """uvicorn's 400 without the date, which we give as with every other answer."""
    return re.sub(rb"(HTTP/1.1 400 Bad Request\r\n)date: [^\r]*\r\n", rb"\1", written)


def compare(app: App, pieces: Sequence[bytes]) -> Seen:
    async def both() -> tuple[Seen, Seen]:
        theirs = await play(lambda config, state: HttpToolsProtocol(config, state, {}), app, pieces)
        ours = await play(lambda config, state: HttpProtocol(config, state, limits=Limits()), app, pieces)
        return theirs, ours

    theirs, ours = asyncio.run(both())
    assert plain_400(ours.written) == plain_400(theirs.written)
    assert (ours.is_closed, ours.is_read_paused) == (theirs.is_closed, theirs.is_read_paused)
    return ours


STREAMS = {
    "a request": GET,
    "two in one piece": GET + GET,
    "three, the second of which ends it": GET + LINE + HOST + b"Connection: close\r\n\r\n" + GET,
    "escapes": b"GET /a%20b/%2Fc?d=%20e HTTP/1.1\r\n" + HOST + b"\r\n",
    "absolute form": b"GET http://h:80/a/b?c#d HTTP/1.1\r\n" + HOST + b"\r\n",
    "fragment": b"GET /a#b?c HTTP/1.1\r\n" + HOST + b"\r\n",
    "two question marks": b"GET /a?b?c HTTP/1.1\r\n" + HOST + b"\r\n",
    "empty segments": b"GET //a/..//b HTTP/1.1\r\n" + HOST + b"\r\n",
    "asterisk": b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
    "authority": b"CONNECT h:80 HTTP/1.1\r\n" + HOST + b"\r\n",
    "head": b"HEAD /a HTTP/1.1\r\n" + HOST + b"\r\n" + GET,
    "body of a length": POST + HOST + b"Content-Length: 5\r\n\r\nhello" + GET,
    "body in chunks": POST + HOST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n" + GET,
    "answer in chunks": b"GET /chunked HTTP/1.1\r\n" + HOST + b"\r\n" + GET,
    "HTTP/1.0": b"GET /a HTTP/1.0\r\n\r\n" + GET,
    "HTTP/1.0, kept": b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + GET,
    "closing, in a list": LINE + HOST + b"Connection: foo, CLOSE\r\n\r\n" + GET,
    "upgrade that nobody follows": LINE + HOST + b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    "websocket": LINE + HOST + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    "waits to be told to go on": POST + HOST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\nhi" + GET,
    "repeated headers": LINE + HOST + b"X-A: 1\r\nx-a: 2\r\nX-A:\r\n\r\n",
    "odd bytes in a value": LINE + HOST + b"X-A: \xff\xc3\xa4\t \r\n\r\n",
    "a body nobody waits for": GET + POST + HOST + b"Content-Length: 9\r\n\r\nhel",
    "nonsense after a request": GET + b"\x00\x01\r\n\r\n",
}  # fmt: skip

#: What two readers could understand differently: nobody may see these as a request.
SMUGGLED = {
    "two lengths": b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "two equal lengths": b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "lengths in a list": b"Content-Length: 5, 5\r\n\r\nhello",
    "length with a sign": b"Content-Length: +5\r\n\r\nhello",
    "length below zero": b"Content-Length: -5\r\n\r\nhello",
    "length in base 16": b"Content-Length: 0x5\r\n\r\nhello",
    "length beyond 64 bits": b"Content-Length: 18446744073709551621\r\n\r\nhello",
    "length and chunks": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "chunked before something else": b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "chunked, said otherwise": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "folded header": b"X-A: 1\r\n  2\r\n\r\n",
    "blank before the colon": b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "header without a colon": b"X-A\r\n\r\n",
    "NUL in a value": b"X-A: a\x00b\r\n\r\n",
    "line ends of one byte": b"X-A: 1\n\n",
    "chunk size with a sign": b"Transfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n",
    "chunk longer than said": b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
    "chunk size with blanks": b"Transfer-Encoding: chunked\r\n\r\n1 \r\na\r\n0\r\n\r\n",
}


def pieces_of(stream: bytes, size: int) -> list[bytes]:
    return [stream[at : at + size] for at in range(0, len(stream), size)]


@pytest.mark.parametrize("size", [1, 7, 10_000], ids=["bytes", "pieces", "whole"])
@pytest.mark.parametrize("name", STREAMS)
def test_answers_as_the_reference(name: str, size: int) -> None:
    seen = compare(echo, pieces_of(STREAMS[name], size))
    assert seen.written.startswith((b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n", b"HTTP/1.1 400 "))


@pytest.mark.parametrize("size", [1, 10_000], ids=["bytes", "whole"])
@pytest.mark.parametrize("name", SMUGGLED)
def test_what_could_be_understood_in_two_ways_is_refused(name: str, size: int) -> None:
    stream = POST + HOST + SMUGGLED[name] + GET
    seen = compare(echo, pieces_of(stream, size))
    assert (seen.written.count(b"HTTP/1.1 "), seen.is_closed) == (1, True)
    assert seen.written.startswith(b"HTTP/1.1 400 Bad Request\r\n")


LONG = b"x" * 70_000
#: More than is written in a turn of the loop, and no multiple of that.
PIECES = b"".join(b"%x," % i for i in range(150_000))
ANSWERS: dict[str, App] = {
    "no body": answering(start(204), body()),
    "not modified": answering(start(304), body()),
    "chunks": answering(start(), body(b"a", more=True), body(b"", more=True), body(b"b", more=True), body()),
    "chunks, the last of which has something": answering(start(), body(b"a", more=True), body(b"b")),
    "a long chunk": answering(start(), body(LONG, more=True), body(b"b")),
    "a length": answering(start(content_length="3"), body(b"a", more=True), body(b"bc")),
    "a long body": answering(start(content_length=str(len(LONG))), body(LONG)),
    "a body in pieces": answering(start(content_length=str(len(PIECES))), body(PIECES)),
    "a chunk in pieces": answering(start(), body(PIECES, more=True), body(PIECES[:-1]), body(b"too much")),
    "a body in pieces, too long": answering(start(content_length="1"), body(PIECES)),
    "a body in pieces, too short": answering(start(content_length=str(len(PIECES) + 1)), body(PIECES)),
    "closing": answering(start(content_length="1", connection="close"), body(b"a")),
    "says chunked itself": answering(start(transfer_encoding="chunked"), body(b"a")),
    "nothing at all": answering(),
    "a head alone": answering(start()),
    "half a body": answering(start(content_length="3"), body(b"a", more=True)),
    "too long": answering(start(content_length="1"), body(b"ab")),
    "too short": answering(start(content_length="3"), body(b"ab")),
    "too much": answering(start(content_length="1"), body(b"a"), body(b"b")),
    "no head": answering(body(b"a")),
    "two heads": answering(start(), start(), body(b"a")),
    "a header that is two": answering(start(x="a\r\nSet-Cookie: b"), body(b"a")),
    "a name that is none": answering(start(**{"x y": "a"}), body(b"a")),
}


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_an_app_may_answer_as_with_the_reference(name: str, method: bytes) -> None:
    compare(ANSWERS[name], [method + b" / HTTP/1.1\r\n" + HOST + b"\r\n"] * 2)


@pytest.mark.parametrize("status", [99, 600, -1])
async def test_a_status_that_is_none_is_a_failure(status: int) -> None:
    client = Client(answering(start(status), body()))
    # The head had begun: nothing can be said any more.
    assert (await client.send(GET), client.wire.is_closed) == (b"", True)


TARGET = st.text(st.characters(codec="latin-1"), max_size=20).map(lambda text: text.encode("latin-1"))
NAMES = st.sampled_from([b"Accept", b"accept", b"X-Remote-User", b"x-y", b"Connection", b"TE", b"Expect", b"Upgrade"])
VALUES = st.sampled_from([b"", b"a", b" a b ", b"close", b"keep-alive", b"100-continue", b"upgrade", b"\xe4", b"a\x7f"])


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    method = draw(st.sampled_from([b"GET", b"HEAD", b"POST", b"DELETE", b"OPTIONS", b"PROPFIND", b"get"]))
    target = draw(st.one_of(TARGET, st.sampled_from([b"/", b"/a", b"/a?b=%20", b"*", b"http://h/a"])))
    version = draw(st.sampled_from([b"1.1"] * 6 + [b"1.0", b"2.0"]))
    headers = draw(st.lists(st.tuples(NAMES, VALUES), max_size=4))
    content = draw(st.binary(max_size=20))
    framing = draw(st.sampled_from(["none", "length", "chunks", "wrong"]))
    if framing == "length":
        headers.append((b"Content-Length", b"%d" % len(content)))
    elif framing == "wrong":
        headers.append((b"Content-Length", b"%d" % (len(content) + 3)))
    elif framing == "chunks":
        headers.append((b"Transfer-Encoding", b"chunked"))
        content = b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content) if content else b"0\r\n\r\n"
    else:
        content = b""
    lines = [method + b" " + target + b" HTTP/" + version, *(name + b": " + value for name, value in headers), b"", b""]
    return b"\r\n".join(lines) + content


@settings(max_examples=150)
@given(st.lists(requests(), min_size=1, max_size=3).map(b"".join), st.lists(st.integers(1, 200), max_size=4))
def test_any_bytes_in_any_pieces_are_answered_as_the_reference_does(stream: bytes, cuts: list[int]) -> None:
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    compare(echo, [stream[first:last] for first, last in pairwise(places)])


@settings(max_examples=500)
@given(st.one_of(TARGET, TARGET.map(lambda text: b"/" + text)))
def test_targets_are_split_as_the_reference_does(target: bytes) -> None:
    try:
        url = httptools.parse_url(target)
    except httptools.HttpParserInvalidURLError:
        with pytest.raises(httptools.HttpParserInvalidURLError):
            split_target(target)
    else:
        assert split_target(target) == (url.path, url.query or b"")


# -- where we differ -----------------------------------------------------------------------------


async def test_trailers_are_no_headers() -> None:
    """The front proxy answers for the headers it sends; a trailer is whatever its own client wrote."""
    client = Client(echo)
    stream = (
        b"POST /a HTTP/1.1\r\nX-Remote-Group: dev\r\nTransfer-Encoding: chunked\r\nTrailer: X-Remote-Group\r\n\r\n"
        b"1\r\na\r\n0\r\nX-Remote-Group: system:masters\r\nX-Other: b\r\n\r\n"
    )
    written = await client.send(stream, GET)
    assert (written.count(b"200 OK"), b"dev" in written) == (2, True)
    assert b"masters" not in written
    assert b"x-other" not in written


async def test_clients_of_http_1_0_get_no_chunks() -> None:
    client = Client(answering(start(), body(b"a", more=True), body(b"bc")))
    written = await client.send(b"GET / HTTP/1.0\r\n\r\n")
    assert written == head_of(b"200 OK", b"connection: close") + b"abc"
    assert client.wire.is_closed


async def test_a_request_is_answered_in_the_turn_that_reads_it() -> None:
    client = Client(echo)
    await turns(1)
    seen: list[int] = []
    client.loop.call_soon(client.protocol.data_received, GET)
    client.loop.call_soon(lambda: seen.append(len(client.wire.writes)))
    await turns(1)
    assert seen == [1]


async def test_others_have_a_turn_between_two_requests_that_came_at_once() -> None:
    client = Client(echo)
    seen: list[int] = []

    async def look() -> None:
        while len(client.wire.writes) < 3:
            seen.append(len(client.wire.writes))
            await asyncio.sleep(0)

    looking = asyncio.create_task(look())
    await client.send(GET * 3)
    await looking
    assert {1, 2} <= set(seen)


async def test_what_nobody_foresaw_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    client = Client(echo)
    client.wire.pause_reading = lambda: 1 / 0  # type: ignore[method-assign, assignment, return-value]
    assert (await client.send(b"GET /\xff HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
    assert caplog.records == []
    client = Client(echo)
    client.wire.pause_reading = lambda: 1 / 0  # type: ignore[method-assign, assignment, return-value]
    assert (await client.send(GET * 2)).startswith(b"HTTP/1.1 400 ")
    assert ["ZeroDivisionError" in (record.exc_text or "") for record in caplog.records] == [True]


async def test_a_connection_asks_its_next_question_from_another_task_too() -> None:
    client = Client(echo)
    await turns(1)
    client.protocol.data_received(GET)  # not from a callback, as loops do it
    assert client.wire.writes == []
    await turns(2)
    assert client.wire.written.startswith(b"HTTP/1.1 200 OK")


# -- writes --------------------------------------------------------------------------------------


async def test_a_head_goes_out_along_with_its_body() -> None:
    client = Client(answering(start(content_length="2"), body(b"ok")))
    await client.send(GET)
    assert client.wire.writes == [head_of(b"200 OK", b"content-length: 2") + b"ok"]


async def test_chunks_of_one_turn_go_out_together() -> None:
    may_go_on = asyncio.Event()

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        for message in (start(), body(b"a", more=True), body(b"b", more=True)):
            await send(message)
        await may_go_on.wait()
        await send(body(b"c"))

    client = Client(app)
    first = head_of(b"200 OK", b"transfer-encoding: chunked") + b"1\r\na\r\n1\r\nb\r\n"
    assert await client.send(GET) == first
    may_go_on.set()
    await turns(3)
    assert client.wire.writes == [first, b"1\r\nc\r\n0\r\n\r\n"]


async def test_a_long_body_is_not_copied_behind_its_head() -> None:
    client = Client(answering(start(content_length=str(len(LONG))), body(LONG)))
    await client.send(GET)
    assert [len(data) for data in client.wire.writes[1:]] == [len(LONG)]


async def test_an_app_waits_for_a_client_that_does_not_read() -> None:
    client = Client(answering(start(content_length="2"), body(b"ok")))
    client.protocol.pause_writing()
    assert await client.send(GET) == b""
    client.protocol.resume_writing()
    await turns(5)
    assert client.wire.written.endswith(b"\r\n\r\nok")


async def test_others_have_the_loop_between_the_pieces_of_a_long_body() -> None:
    client = Client(answering(start(content_length=str(len(PIECES))), body(PIECES)))
    written = []
    client.loop.call_soon(client.protocol.data_received, GET)
    for _ in range(9):
        await turns(1)
        written.append(len(client.wire.written))
    assert client.wire.written.endswith(b"\r\n\r\n" + PIECES)
    assert all(later - sooner <= 300_000 for sooner, later in pairwise(written))


async def test_a_long_body_comes_at_the_clients_pace() -> None:
    client = Client(answering(start(content_length=str(len(PIECES))), body(PIECES)))
    write = client.wire.write

    def write_and_pause(data: bytes) -> None:
        write(data)
        if len(data) > 1000:
            client.protocol.pause_writing()

    client.wire.write = write_and_pause  # type: ignore[method-assign]
    await client.send(GET)
    sizes = [len(client.wire.written)]
    while sizes[-1] < len(PIECES):
        client.protocol.resume_writing()
        await turns(9)
        sizes.append(len(client.wire.written))
    assert client.wire.written.endswith(b"\r\n\r\n" + PIECES)
    assert all(0 < later - sooner <= 300_000 for sooner, later in pairwise(sizes))


async def test_a_client_that_goes_in_the_middle_of_a_long_body_gets_no_more_of_it() -> None:
    ended = asyncio.Event()

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await receive()
        await send(start(content_length=str(len(PIECES))))
        await send(body(PIECES))
        ended.set()

    client = Client(app)
    client.loop.call_soon(client.protocol.data_received, GET)
    await turns(2)
    await client.lose()
    before = len(client.wire.written)
    await asyncio.wait_for(ended.wait(), 5)
    assert 0 < before < len(PIECES)
    assert len(client.wire.written) == before


# -- requests ------------------------------------------------------------------------------------


async def test_a_client_may_be_told_to_wait_with_its_body() -> None:
    may_read = asyncio.Event()
    sizes: list[int] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await may_read.wait()
        while True:
            message = await receive()
            sizes.append(len(message["body"]))
            if not message["more_body"]:
                break
        await send(start(204))
        await send(body())

    client = Client(app)
    await client.send(b"POST / HTTP/1.1\r\nContent-Length: 80000\r\n\r\n", b"x" * 70_000)
    assert client.wire.is_read_paused
    may_read.set()
    await turns(3)
    assert (sizes, client.wire.is_read_paused) == ([70_000], False)
    assert (await client.send(b"x" * 10_000)).startswith(b"HTTP/1.1 204 ")
    assert sum(sizes) == 80_000


async def test_who_has_gone_is_told_of_and_hears_nothing() -> None:
    heard: list[str] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        for _ in range(3):
            heard.append((await receive())["type"])
        await send(start())
        await send(body(b"nobody hears this"))

    client = Client(app)
    assert await client.send(GET) == b""
    await client.lose()
    assert heard == ["http.request", "http.disconnect", "http.disconnect"]
    assert (client.wire.writes, client.state.tasks, client.state.connections) == ([], set(), set())


async def test_who_has_gone_is_asked_nothing_more() -> None:
    asked: list[str] = []
    may_end = asyncio.Event()

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        asked.append(scope["path"])
        await may_end.wait()

    client = Client(app)
    await client.send(b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n")
    await client.lose()
    may_end.set()
    await turns(3)
    assert asked == ["/1"]


async def test_beyond_the_limit_on_connections_requests_are_refused() -> None:
    client = Client(echo, Limits(connections=1))
    assert (await client.send(GET)).startswith(b"HTTP/1.1 503 ")
    assert client.wire.is_closed
    third = HttpProtocol(config_of(echo), client.state, limits=Limits(connections=1))
    client.state.connections |= {object(), object()}  # type: ignore[arg-type]
    wire = Wire()
    third.connection_made(wire)
    assert wire.is_aborted
    third.connection_lost(None)


# -- the end -------------------------------------------------------------------------------------


async def test_stopping_ends_who_is_idle_and_lets_the_rest_finish() -> None:
    may_end = asyncio.Event()

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await may_end.wait()
        await echo(scope, receive, send)

    idle, busy = Client(app), Client(app)
    await busy.send(GET)
    assert len(busy.state.tasks) == 1
    for client in (idle, busy):
        client.protocol.shutdown()
    assert (idle.wire.is_closed, busy.wire.is_closed) == (True, False)
    may_end.set()
    await turns(3)
    assert (b"connection: close" in busy.wire.written, busy.wire.is_closed) == (True, True)
    assert busy.state.tasks == set()


async def test_an_answer_that_is_given_up_is_a_500() -> None:
    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    client = Client(app)
    await client.send(GET)
    (task,) = client.state.tasks
    task.cancel()
    await turns(3)
    assert client.wire.written.startswith(b"HTTP/1.1 500 ")
    assert (client.wire.is_closed, task.cancelled(), client.state.tasks) == (True, True, set())


async def test_an_idle_connection_can_be_cancelled() -> None:
    client = Client(echo)
    before = asyncio.all_tasks()
    await client.send(GET)
    (task,) = before - {asyncio.current_task()}
    task.cancel()
    await asyncio.wait([task])
    assert (client.wire.is_closed, task.cancelled()) == (True, True)
    await client.lose()


async def test_nothing_of_a_connection_is_left_for_the_collector() -> None:
    gc.disable()
    try:
        client = Client(echo)
        await client.send(GET, GET * 2, b"GET")
        await client.lose()
        protocol = weakref.ref(client.protocol)
        del client
        await turns(2)
        assert protocol() is None
    finally:
        gc.enable()


class ManualLoop(asyncio.SelectorEventLoop):
    """A loop whose clock stands until it is told to go on."""

    now = 0.0

    def time(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("asked_at", "closed_at"), [((0.0,), 75.0), ((0.0, 50.0), 125.0), ((0.0, 74.0, 80.0), 155.0)], ids=str
)
def test_an_idle_connection_ends_so_long_after_its_last_answer(asked_at: tuple[float, ...], closed_at: float) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, ManualLoop)
        client = Client(echo, Limits(keep_alive_seconds=75, request_seconds=1000))
        for at in (*asked_at, closed_at - 1):
            loop.now = at
            await turns(3)
            if at in asked_at:
                await client.send(GET)
            assert not client.wire.is_closed
        loop.now = closed_at + 0.001
        await turns(3)
        assert client.wire.is_closed

    with asyncio.Runner(loop_factory=ManualLoop) as runner:
        runner.run(run())


def test_a_connection_that_waits_for_its_app_is_not_idle() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, ManualLoop)
        may_end = asyncio.Event()

        async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
            if scope["path"] == "/slow":
                await may_end.wait()
            await echo(scope, receive, send)

        client = Client(app, Limits(keep_alive_seconds=75))
        await client.send(GET, b"GET /slow HTTP/1.1\r\n\r\n")
        loop.now = 500.0
        await turns(3)
        assert not client.wire.is_closed
        may_end.set()
        await turns(3)
        assert client.wire.written.count(b"200 OK") == 2
        loop.now = 576.0
        await turns(3)
        assert client.wire.is_closed

    with asyncio.Runner(loop_factory=ManualLoop) as runner:
        runner.run(run())
