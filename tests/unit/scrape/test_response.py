"""Answers are read alike wherever they are cut, as httptools reads them or more strictly."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heapfast.errors import ScrapeError
from heapfast.scrape._response import ResponseReader
from heapfast.scrape.limits import Limits
from tests.unit.scrape.naive_response import Answer, Refused, read_answer

#: What no answer here comes near, but for the table of what is too large.
LIMITS = Limits(max_body_bytes=1 << 20, max_error_body_bytes=1 << 20)


def read(pieces: Iterable[bytes], *, ends: bool, limits: Limits = LIMITS) -> Answer | None:
    """One answer by the reader of the package; None while there is more to come."""
    return read_with(ResponseReader("kubelet", limits), pieces, ends=ends)


def read_with(reader: ResponseReader, pieces: Iterable[bytes], *, ends: bool) -> Answer | None:
    reader.expect()
    is_complete = False
    for piece in pieces:
        is_complete = reader.feed(piece)
    if not is_complete and not (ends and reader.end()):
        return None
    return Answer(reader.status, reader.content_type, reader.take_body(), reader.reusable)


def cut(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    """Pieces of so many bytes, over and over."""
    pieces: list[bytes] = []
    start = 0
    while start < len(data):
        size = cuts[len(pieces) % len(cuts)]
        pieces.append(data[start : start + size])
        start += size
    return pieces


WORDS = st.text("abcXYZ019-_", min_size=1, max_size=12)
HEADERS = st.lists(
    st.one_of(
        st.sampled_from(
            (
                "Date: Mon, 11 Dec 2017 10:00:00 GMT",
                "content-type: text/plain; version=0.0.4",
                "CONTENT-TYPE:application/json",
                "Connection: close",
                "Connection: keep-alive",
                "Connection: Upgrade, Close",
                "Vary:\t \tAccept \t",
                "Empty:",
                "X-Text: \xe9\xff",
            )
        ),
        st.tuples(WORDS, WORDS).map(lambda pair: f"X-{pair[0]}: {pair[1]}"),
    ),
    max_size=5,
)
CUTS = st.lists(st.one_of(st.integers(1, 7), st.integers(8, 5000)), min_size=1, max_size=5)
BODIES = st.one_of(st.binary(max_size=40), st.sampled_from((1000, 5000, 70_000)).map(lambda size: bytes(size)))


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """Answers that are as they should be, one in each kind of frame."""
    interim = draw(st.sampled_from((b"", b"HTTP/1.1 100 Continue\r\nContent-Type: a\r\n\r\n")))
    version, status = draw(st.sampled_from(("1.1", "1.0"))), draw(st.sampled_from((200, 204, 304, 401, 500)))
    lines = [f"HTTP/{version} {status} {draw(st.sampled_from(('OK', '', 'Not so well')))}", *draw(HEADERS)]
    body = b"" if status in (204, 304) else draw(BODIES)
    frame = draw(st.sampled_from(("length", "chunks", "end")))
    if frame == "length":
        lines.insert(draw(st.integers(1, len(lines))), f"Content-Length: {len(body)}")
    elif frame == "chunks" and status not in (204, 304):
        lines.append("Transfer-Encoding: chunked")
        body = draw(chunked(body))
    return interim + "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@st.composite
def chunked(draw: st.DrawFn, body: bytes) -> bytes:
    parts = cut(body, draw(st.lists(st.integers(20, 9000), min_size=1, max_size=4)))
    extension = draw(st.sampled_from(("", ";a=b", ';a="b c"')))
    trailers = draw(st.sampled_from(("", "X-End: 1\r\n", "Content-Type: not/this\r\n")))
    data = b"".join(b"%x%b\r\n%b\r\n" % (len(part), extension.encode(), part) for part in parts)
    return data + f"{draw(st.sampled_from(('0', '000')))}\r\n{trailers}\r\n".encode()


def assert_same(found: Answer, wanted: Answer) -> None:
    """The same answer; a connection may be given up that httptools would use again."""
    assert found._replace(reusable=True) == wanted._replace(reusable=True)
    assert wanted.reusable or not found.reusable


quick = settings(derandomize=True, database=None, deadline=None, max_examples=400)


@quick
@given(answers(), CUTS)
def test_an_answer_is_read_as_httptools_reads_it_wherever_it_is_cut(answer: bytes, cuts: list[int]) -> None:
    found = read(cut(answer, cuts), ends=True)
    wanted = read_answer([answer], ends=True)
    assert found is not None
    assert wanted is not None
    assert_same(found, wanted)


@quick
@given(answers(), CUTS, st.data())
def test_what_is_read_of_a_broken_answer_is_what_httptools_reads_of_it(
    answer: bytes, cuts: list[int], data: st.DataObject
) -> None:
    broken = bytearray(answer)
    for _ in range(data.draw(st.integers(1, 3))):
        if not broken:
            break
        at = data.draw(st.integers(0, min(len(broken), 600) - 1))
        match data.draw(st.sampled_from(("set", "insert", "delete", "cut"))):
            case "set":
                broken[at] = data.draw(st.sampled_from(b"\r\n \t:;0a\x00\x7f\xff"))
            case "insert":
                broken[at:at] = data.draw(st.sampled_from((b"\r\n", b"\n", b" ", b"0", b"\r\n\r\n", b"\x00")))
            case "delete":
                del broken[at]
            case "cut":
                del broken[at + 1 :]
    try:
        found = read(cut(bytes(broken), cuts), ends=True)
    except ScrapeError:
        return  # stricter than httptools
    wanted, refusal = None, ""
    try:
        wanted = read_answer([bytes(broken)], ends=True)
    except Refused as error:
        refusal = str(error)
    if found is None:
        assert wanted is None
    # Extensions are not read here, so that it does not matter what is in them.
    elif refusal != "Invalid character in chunk extensions":
        assert wanted is not None, refusal
        assert_same(found, wanted)


CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n"
WHOLE = CHUNKED + b"A;x=y\r\n0123456789\r\n3\r\nabc\r\n0\r\nX-End: 1\r\n\r\n"


@pytest.mark.parametrize("at", range(1, len(WHOLE)))
def test_a_chunked_answer_cut_in_two_is_whole_and_its_first_part_is_not(at: int) -> None:
    assert read([WHOLE[:at]], ends=True) is None
    assert read([WHOLE[:at], WHOLE[at:]], ends=False) == Answer(200, "a/b", b"0123456789abc", reusable=True)


FAULTS = [
    ("another protocol's greeting", b"SSH-2.0-OpenSSH_9.2\r\n", "no status line"),
    ("the same before its line ends", b"SSH", "no status line"),
    ("an alert of TLS", b"\x15\x03\x01\x00\x02\x02\x50", "no status line"),
    ("an empty line first", b"\r\nHTTP/1.1 200 OK\r\n\r\n", "no status line"),
    ("HTTP/2", b"HTTP/2.0 200 OK\r\n", "no status line"),
    ("HTTP/1.2", b"HTTP/1.2 200 OK\r\n", "a version other than 1.1 and 1.0"),
    ("a status of letters", b"HTTP/1.1 2OO OK\r\n", "no status code"),
    ("a status below 100", b"HTTP/1.1 099 Low\r\n", "no status code"),
    ("a status of four digits", b"HTTP/1.1 2000 OK\r\n", "no status line"),
    ("NUL in the reason", b"HTTP/1.1 200 O\x00K\r\n", "a control character in the status line"),
    ("LF alone", b"HTTP/1.1 200 OK\n", "a line that LF alone ends"),
    ("CR alone", b"HTTP/1.1 200 OK\rA: b\r\n", "a control character in the status line"),
    ("LF alone after headers", b"HTTP/1.1 200 OK\r\nA: b\r\n\n", "a line that LF alone ends"),
    ("a header without a name", b"HTTP/1.1 200 OK\r\n: b\r\n", "a header without a name"),
    ("a header without a colon", b"HTTP/1.1 200 OK\r\nA b\r\n", "a header without a name"),
    ("a space before the colon", b"HTTP/1.1 200 OK\r\nA : b\r\n", "a header's name that is none"),
    ("a NUL for a name", b"HTTP/1.1 200 OK\r\n\x00: b\r\n", "a header's name that is none"),
    ("a control character in a value", b"HTTP/1.1 200 OK\r\nA: b\x01\r\n", "a control character in a header"),
    ("a folded line first", b"HTTP/1.1 200 OK\r\n b\r\n", "a folded header"),
    ("a folded length", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n 0\r\n", "a folded header"),
    ("two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n", "two lengths"),
    ("both lengths", CHUNKED[:-2] + b"Content-Length: 1\r\n", "two lengths"),
    ("chunked twice", CHUNKED[:-2] + b"Transfer-Encoding: chunked\r\n", "two lengths"),
    ("a signed length", b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n", "a content length that is no number"),
    ("an empty length", b"HTTP/1.1 200 OK\r\nContent-Length:\r\n", "a content length that is no number"),
    ("a list of lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n", "a content length that is no number"),
    ("gzip in chunks", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n", "other than chunked"),
    ("a switch of protocols", b"HTTP/1.1 101 Go\r\n\r\n", "another protocol"),
    ("a chunk without a size", CHUNKED + b"\r\n", "a chunk without a size"),
    ("a size that is no number", CHUNKED + b"1g\r\n", "a chunk's size that is no number"),
    ("a size with a sign", CHUNKED + b"-1\r\n", "a chunk without a size"),
    ("a size and LF alone", CHUNKED + b"1\n", "a chunk's size that is no number"),
    ("an extension and LF alone", CHUNKED + b"1;a\n", "a line that LF alone ends"),
    ("a size and CR alone", CHUNKED + b"1\ra", "a chunk that is longer than its size"),
    ("a chunk longer than its size", CHUNKED + b"1\r\nab\r\n", "a chunk that is longer than its size"),
    ("a length among the trailers", CHUNKED + b"0\r\nContent-Length: 9\r\n", "a length among the trailers"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "what"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
@pytest.mark.parametrize("step", [1, 1000])
def test_an_answer_is_refused_for(data: bytes, what: str, step: int) -> None:
    with pytest.raises(ScrapeError, match="not HTTP/1.1") as caught:
        read(cut(data, [step]), ends=False)
    assert what in str(caught.value)
    assert caught.value.reason == "protocol"


REUSABLE = [
    ("HTTP/1.1", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
    ("HTTP/1.1 that closes", b"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n", False),
    ("among other words", b"HTTP/1.1 200 OK\r\nConnection: TE , close\r\nContent-Length: 0\r\n\r\n", False),
    ("HTTP/1.0", b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", False),
    ("HTTP/1.0 that keeps", b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", True),
    ("one that says both", b"HTTP/1.1 200 OK\r\nConnection: close, keep-alive\r\nContent-Length: 0\r\n\r\n", False),
    ("no end but the connection's", b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n", False),
    ("more than was asked for", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nx", False),
    ("chunks", WHOLE, True),
    ("no content", b"HTTP/1.1 204 No Content\r\n\r\n", True),
]  # fmt: skip


@pytest.mark.parametrize(("data", "reusable"), [row[1:] for row in REUSABLE], ids=[row[0] for row in REUSABLE])
def test_whether_the_connection_can_be_used_again_after(data: bytes, reusable: bool) -> None:
    answer = read([data], ends=True)
    assert answer is not None
    assert answer.reusable is reusable


def test_an_announced_length_is_not_made_room_for_before_it_comes() -> None:
    reader = ResponseReader("kubelet", Limits(max_body_bytes=1 << 30))
    tracemalloc.start()
    try:
        assert reader.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\na") is False
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()


def test_one_answer_leaves_nothing_for_the_next() -> None:
    reader = ResponseReader("kubelet", LIMITS)
    whole = Answer(200, "a/b", b"0123456789abc", reusable=True)
    for at in range(len(WHOLE)):
        assert read_with(reader, [WHOLE[:at]], ends=False) is None  # given up
        assert read_with(reader, [WHOLE], ends=False) == whole
    assert read_with(reader, [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"], ends=False) == Answer(
        200, "", b"", reusable=True
    )
