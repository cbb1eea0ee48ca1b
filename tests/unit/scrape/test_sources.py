"""What targets are asked, byte for byte, and that the answers become rows."""

from __future__ import annotations

from typing import cast

import pytest

from heapfast import __version__
from heapfast.errors import ParseError
from heapfast.scrape._http import Connection
from heapfast.scrape._target import Target, host_port
from heapfast.scrape.loop import Window
from heapfast.scrape.sources.cadvisor import Cadvisor
from heapfast.scrape.sources.kubelet_summary import KubeletSummary
from heapfast.scrape.sources.source import Source
from tests.shared import shared_path
from tests.unit.scrape.virtual import T0_NS

S = 10**9


def target(ip: str = "10.0.0.7") -> Target:
    return Target("node-1", "host-1", ip, 10255, cast(Connection, None))


def test_the_summary_is_asked_for_without_a_window() -> None:
    head, body = KubeletSummary().request(target(), Window(0, S))
    assert head.decode() == (
        f"GET /stats/summary/ HTTP/1.1\r\nHost: 10.0.0.7:10255\r\nUser-Agent: heapfast/{__version__}\r\n"
    )
    assert body == b""


def test_cadvisor_is_asked_for_the_newest_sample_of_the_window() -> None:
    head, body = Cadvisor().request(target(), Window(T0_NS, T0_NS + 60 * S))
    assert body == (
        b'{"containerName":"/","num_stats":1,"start":"2017-12-11T10:00:00Z","end":"2017-12-11T10:01:00Z",'
        b'"subcontainers":true}'
    )
    assert head.decode() == (
        "POST /stats/container/ HTTP/1.1\r\nHost: 10.0.0.7:10255\r\n"
        f"User-Agent: heapfast/{__version__}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    )


def test_a_window_of_fractions_keeps_them() -> None:
    head, body = Cadvisor().request(target(), Window(T0_NS, T0_NS + S * 3 // 2))
    assert b'"end":"2017-12-11T10:00:01.5Z"' in body
    assert f"Content-Length: {len(body)}\r\n".encode() in head


@pytest.mark.parametrize(("ip", "host"), [("10.0.0.7", "10.0.0.7:80"), ("fd00::7", "[fd00::7]:80")])
def test_an_ipv6_address_stands_in_brackets(ip: str, host: str) -> None:
    assert host_port(ip, 80) == host
    head, _ = KubeletSummary().request(target(ip), Window(0, S))
    assert f"Host: {host_port(ip, 10255)}\r\n".encode() in head


RECORDINGS: list[tuple[Source, str]] = [
    (KubeletSummary(), "fixtures/summary/v1.28-minikube-swap.newrelic.json"),
    (Cadvisor(), "fixtures/cadvisor/stats-container-root-first.otel.json"),
]


@pytest.mark.parametrize(("source", "recording"), RECORDINGS, ids=["summary", "cadvisor"])
def test_a_recorded_answer_becomes_rows(source: Source, recording: str) -> None:
    rows = source.new_rows()
    body = shared_path(recording).read_bytes()
    source.parse(body, rows, 0)
    count = len(rows)
    assert count > 0
    source.parse(body, rows, 0)
    assert len(rows) == count


@pytest.mark.parametrize("source", [KubeletSummary(), Cadvisor()], ids=["summary", "cadvisor"])
def test_a_page_of_html_is_no_answer(source: Source) -> None:
    with pytest.raises(ParseError):
        source.parse(b"<html></html>", source.new_rows(), 0)


def test_the_phase_is_the_names_and_stays() -> None:
    # Fixed, so that a new release does not move every scrape of a cluster.
    assert Target("node-1", "", "a", 1, cast(Connection, None)).phase == pytest.approx(0.0779, abs=1e-4)
    assert target().phase == Target("node-1", "other", "fd00::1", 9, cast(Connection, None)).phase
