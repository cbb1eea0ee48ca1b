"""cAdvisor's container stats through the kubelet: Heapster's source `kubernetes`.

In      a target, a window
Out     POST /stats/container/ with the window; rows of node, system containers, pods and containers
Callers _round.pyx
Source  spec/heapster-pipeline.md 3.5
Never   asks for more than the newest sample of the window
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapfast.codec._rfc3339 import format_time
from heapfast.scrape.sources.source import request_head
from heapfast.wire._cadvisor import parse_cadvisor
from heapfast.wire._rows import Rows

if TYPE_CHECKING:
    from heapfast.scrape._target import Target
    from heapfast.scrape.loop import Window

# The order of the members is Heapster's.
_BODY = '{"containerName":"/","num_stats":1,"start":"%s","end":"%s","subcontainers":true}'


class Cadvisor:
    """Adapter of /stats/container/."""

    name = "kubernetes"
    label_prefix = "kubelet"
    request_metric = "heapster_kubelet_request_duration_microseconds"
    together = 8

    def new_rows(self) -> Rows:
        return Rows()

    def request(self, target: Target, window: Window) -> tuple[bytes, bytes]:
        body = (_BODY % (format_time(window.start_ns), format_time(window.end_ns))).encode()
        headers = ("Content-Type: application/json", f"Content-Length: {len(body)}")
        return request_head("POST", "/stats/container/", target, *headers), body

    def parse(self, body: bytes, rows: Rows, requested_ns: int) -> None:
        parse_cadvisor(body, rows)
