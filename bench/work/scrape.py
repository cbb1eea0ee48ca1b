"""A round of scrapes over TLS, on connections that are kept, up to the rows.

In      nothing: nodes that are made up, each one end of a socket
Out     what is to be counted: a scrape of each by the manager, on uvloop, as in the daemon
Callers kernels.py
Source  design section 10: one node scrape over TLS
Never   counts the kubelets: they answer before they are asked, and the loop does not turn until then
"""

from __future__ import annotations

import asyncio
import ssl
import tempfile
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from socket import create_server
from typing import Final

import uvloop

from heapfast.clock import Clock
from heapfast.scrape._http import KubeletClient
from heapfast.scrape._target import Target
from heapfast.scrape.limits import Limits
from heapfast.scrape.loop import Window
from heapfast.scrape.manager import ScrapeManager
from heapfast.scrape.sources.kubelet_resource import KubeletResource
from heapfast.sim.certificates import Authority
from heapfast.tls import client_context, server_context
from heapfast.units import NS_PER_SECOND
from heapfast.wire._rows import Rows

WINDOW: Final = Window(0, NS_PER_SECOND)
#: Before what is counted: connections are opened, and what is made once is there.
ROUNDS_BEFORE: Final = 3
#: Under valgrind, on a busy machine, even a handshake can take seconds.
PATIENCE_SECONDS: Final = 240.0


def scrapes(nodes: int, body: bytes) -> Callable[[], object]:
    """Scrapes each node once."""
    authority = Authority("bench-ca")
    delivered: list[int] = []
    kubelets = _Kubelets(authority, nodes, body)
    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    manager = runner.run(_manager(authority, kubelets, nodes))

    def deliver(target: Target, rows: Rows) -> None:
        delivered.append(len(rows))

    def scrape() -> None:
        delivered.clear()
        runner.run(manager.scrape(WINDOW, deliver))
        assert len(delivered) == nodes, f"BUG: {len(delivered)} answers, want {nodes}"

    for _ in range(ROUNDS_BEFORE):
        scrape()
        kubelets.answer()
    weakref.finalize(scrape, _close, runner, manager, kubelets)
    return scrape


def _close(runner: asyncio.Runner, manager: ScrapeManager, kubelets: _Kubelets) -> None:
    async def close() -> None:
        manager.close()

    runner.run(close())
    runner.close()
    kubelets.close()


async def _manager(authority: Authority, kubelets: _Kubelets, nodes: int) -> ScrapeManager:
    limits = Limits(
        connect_seconds=PATIENCE_SECONDS, first_byte_seconds=PATIENCE_SECONDS, total_seconds=PATIENCE_SECONDS
    )
    client = KubeletClient(limits=limits, tls=client_context(ca_pem=authority.pem.decode()), token=lambda: "token")
    manager = ScrapeManager(
        KubeletResource(),
        client,
        port=kubelets.port,
        clock=Clock(),
        spread_seconds=0.0,
        deadline_seconds=PATIENCE_SECONDS,
        follows_rhythm=True,
    )
    for node in range(nodes):
        manager.put(f"node-{node}", hostname=f"node-{node}", ip="127.0.0.1")
    return manager


class _Kubelets:
    """The other ends: each answers as soon as it is connected to, and then when it is told to."""

    def __init__(self, authority: Authority, nodes: int, body: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: %d\r\n\r\n" % len(body)
        self._answer = head + body
        with tempfile.TemporaryDirectory() as name:
            file = Path(name) / "server.pem"
            file.write_bytes(b"".join(authority.sign_server("bench", ["127.0.0.1"])))
            context = server_context(cert_file=file)
        self._listener = context.wrap_socket(create_server(("127.0.0.1", 0), backlog=nodes), server_side=True)
        self.port = self._listener.getsockname()[1]
        self._connected: list[ssl.SSLSocket] = []
        self._accepting = threading.Thread(target=self._accept, args=(nodes,))
        self._accepting.start()

    def _accept(self, nodes: int) -> None:
        for _ in range(nodes):
            connected, _ = self._listener.accept()
            self._connected.append(connected)
            connected.sendall(self._answer)

    def answer(self) -> None:
        """All that is sent before the loop turns again."""
        self._accepting.join()
        for connected in self._connected:
            connected.sendall(self._answer)

    def close(self) -> None:
        for opened in (self._listener, *self._connected):
            opened.close()
