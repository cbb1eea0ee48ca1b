"""The kubelet's summary API: Heapster's source `kubernetes.summary_api`.

In      a target
Out     GET /stats/summary/; rows of node, system containers, pods and containers
Callers _round.pyx
Source  spec/heapster-pipeline.md 3.6
Never   asks for a window: the kubelet answers with its newest sample
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from heapfast.scrape.sources.source import constant_head
from heapfast.wire._rows import Rows
from heapfast.wire._summary import parse_summary

if TYPE_CHECKING:
    from heapfast.scrape._target import Target
    from heapfast.scrape.loop import Window


class KubeletSummary:
    """Adapter of /stats/summary/."""

    name = "kubernetes.summary_api"
    label_prefix = "kubelet_summary"
    request_metric = "heapster_kubelet_summary_request_duration_microseconds"
    together = 8

    def new_rows(self) -> Rows:
        return Rows()

    def request(self, target: Target, window: Window) -> tuple[bytes, bytes]:
        return constant_head("/stats/summary/", target), b""

    def parse(self, body: bytes, rows: Rows, requested_ns: int) -> None:
        parse_summary(body, rows)
