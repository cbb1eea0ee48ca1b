"""The source kubernetes.resource: where and how a node is asked."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from heapfast.clock import ManualClock
from heapfast.scrape._http import KubeletClient
from heapfast.scrape.loop import Window
from heapfast.scrape.manager import ScrapeManager
from heapfast.scrape.sources.kubelet_resource import KubeletResource, clean_path

WINDOW = Window(0, 1)


def _head(path: str) -> bytes:
    target = cast(Any, SimpleNamespace(path=path, address="10.0.0.1:10250", head=b""))
    head, body = KubeletResource().request(target, WINDOW)
    assert body == b""
    return head


@pytest.mark.parametrize(
    ("annotation", "path"),
    [
        ("", "/metrics/resource"),
        ("/metrics/nodes/n1/metrics/resource", "/metrics/nodes/n1/metrics/resource"),
        ("metrics/x", "/metrics/x"),
        ("/a?b=c", "/a%3Fb=c"),
        ("/a b\r\nX: y", "/a%20b%0D%0AX:%20y"),
    ],
)
def test_a_node_is_asked_at_its_own_path(annotation: str, path: str) -> None:
    """A question mark is part of a path, and a line end in it is no header of somebody else's choice."""
    assert _head(clean_path(annotation)).startswith(f"GET {path} HTTP/1.1\r\nHost: 10.0.0.1:10250\r\n".encode())


def test_a_sample_without_a_time_has_the_time_of_the_request() -> None:
    source = KubeletResource()
    rows = source.new_rows()
    source.parse(b"node_cpu_usage_seconds_total 1.5\nnode_memory_working_set_bytes 7\n", rows, 123)
    (node,) = rows.to_dicts()
    assert (node["sample_ns"], node["metrics"]) == (123, {"cpu/usage": 1_500_000_000, "memory/working_set": 7})


async def test_a_node_whose_path_changes_is_asked_at_the_new_one() -> None:
    source = KubeletResource()
    manager = ScrapeManager(source, KubeletClient(), port=10250, clock=ManualClock())
    asked = []
    for path in ("", "/a", "/a", "/b", ""):
        target = manager.put("n1", hostname="n1", ip="10.0.0.1", path=path)
        asked += [source.request(target, WINDOW)[0].split()[1] for _ in range(2)]
    manager.close()
    want = (b"/metrics/resource", b"/a", b"/a", b"/b", b"/metrics/resource")
    assert asked == [path for path in want for _ in range(2)]
