"""The kubelet's resource metrics: the source `kubernetes.resource`, which metrics-server reads.

In      a target, whose node may name a path of its own
Out     GET /metrics/resource; rows of the node and of pod containers
Callers _round.pyx
Source  spec/metrics-k8s-io.md 14.3 (the annotation), 14.4 and 15
Never   asks for gzip: the kubelet is near, and packing costs both sides more than the wire does
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from heapfast.scrape.sources.source import constant_head
from heapfast.wire._resource import parse_resource
from heapfast.wire._rows import Rows

if TYPE_CHECKING:
    from heapfast.scrape._target import Target
    from heapfast.scrape.loop import Window

PATH: Final = "/metrics/resource"

#: What a path may hold as it stands; a question mark is one of it, not the start of a query.
_SAFE: Final = "/-._~!$&'()*+,;=:@%"


class KubeletResource:
    """Adapter of /metrics/resource.

    Args:
        wants_swap: read swap in use too.
    """

    name = "kubernetes.resource"
    label_prefix = "kubelet_resource"
    request_metric = "heapfast_kubelet_resource_request_duration_microseconds"
    together = 20

    def __init__(self, *, wants_swap: bool = False) -> None:
        self._wants_swap = wants_swap

    def new_rows(self) -> Rows:
        return Rows()

    def request(self, target: Target, window: Window) -> tuple[bytes, bytes]:
        return constant_head(target.path or PATH, target), b""

    def parse(self, body: bytes, rows: Rows, requested_ns: int) -> None:
        parse_resource(body, rows, requested_ns, self._wants_swap)


def clean_path(annotation: str) -> str:
    """The path that a node's annotation asks for, ready for a request line; "" for none."""
    if not annotation:
        return ""
    path = annotation if annotation.startswith("/") else f"/{annotation}"
    return quote(path, safe=_SAFE)
