"""The same as heapfast.scrape._response in plain Python, with httptools as the reader of HTTP: its oracle.

In      the pieces of one answer, and whether the connection ended then
Out     Answer; None while there is more to come
Callers test_response.py
Source  RFC 9112, as llhttp understands it
Never   knows limits
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import httptools


class Answer(NamedTuple):
    status: int
    content_type: str
    body: bytes
    reusable: bool


class Refused(Exception):
    """It is no answer."""


def read_answer(pieces: Iterable[bytes], *, ends: bool) -> Answer | None:
    reader = _Reader()
    for piece in pieces:
        reader.feed(piece)
    if ends and reader.in_body and not reader.is_framed:
        reader.is_complete = True
    if not reader.is_complete:
        return None
    return Answer(reader.status, reader.content_type, bytes(reader.body), reader.reusable)


class _Reader:
    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.status = 0
        self.content_type = ""
        self.body = bytearray()
        self.reusable = self.is_framed = self.in_body = self.is_complete = False

    def feed(self, data: bytes) -> None:
        if self.is_complete:
            self.reusable = False
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self.is_complete:
                raise Refused(str(error)) from error
            self.reusable = False  # whatever follows a whole answer was not asked for

    # What httptools calls.

    def on_message_begin(self) -> None:
        if self.is_complete:
            raise Refused("an answer that was not asked for")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.in_body:
            return  # a trailer
        if name.lower() in (b"content-length", b"transfer-encoding"):
            self.is_framed = True
        elif name.lower() == b"content-type":
            self.content_type = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._parser.get_status_code() >= 200:
            self.status = self._parser.get_status_code()
            self.in_body = True

    def on_body(self, part: bytes) -> None:
        self.body += part

    def on_message_complete(self) -> None:
        if self.in_body:
            self.is_complete = True
            self.reusable = self._parser.should_keep_alive()
        else:
            self.is_framed = False
            self.content_type = ""
