"""statsd: gauges by UDP.

In      statsd:udp://HOST:PORT?prefix=P&protocolType=T&...
Out     datagrams
Callers kinds.py
Source  spec/heapster-pipeline.md 7.6
Never   knows whether anybody listens: statsd does not answer
"""

from __future__ import annotations

from concurrent.futures import Executor
from typing import TYPE_CHECKING, Final

import msgspec

from heapfast.sinks._statsd import STYLES, EtsyWriter, InfluxStatsdWriter
from heapfast.sinks.connections import Datagrams
from heapfast.sinks.sink import Address

if TYPE_CHECKING:
    from heapfast._batch import Batch
    from heapfast.sinks.sink import Chunks, SinkUri

PORT: Final = 8125
ETSY: Final = "etsystatsd"
INFLUX: Final = "influxstatsd"
#: What else tells a sample from its neighbours; allowed whenever something is.
RESOURCE_LABELS: Final = ("resource_id", "make", "model", "accelerator_id")


class StatsdSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Where statsd is, and how names are written.

    Attributes:
        prefix: of every name, as it is written.
        lines: most of them in one datagram.
        renamed: (old, new) keys of labels.
        allowed: keys of labels that are written; () for all.
        style: of keys; "" leaves them as they are.
    """

    address: Address
    is_influx: bool = False
    prefix: str = ""
    lines: int = 5
    renamed: tuple[tuple[str, str], ...] = ()
    allowed: tuple[str, ...] = ()
    style: str = ""

    def build(self, executor: Executor) -> StatsdSink:
        return StatsdSink(self, executor)


def read_statsd(uri: SinkUri) -> StatsdSpec:
    """Reads the options of one --sink=statsd."""
    protocol = uri.text("protocolType", ETSY).lower()
    if protocol not in (ETSY, INFLUX):
        uri.refuse("an option 'protocolType' that is unknown", f"{ETSY} or {INFLUX}")
    is_influx = protocol == INFLUX
    prefix = "".join("_" if c < " " or c in (",:=|" if is_influx else ".=|:") else c for c in uri.text("prefix"))
    renamed = []
    for item in filter(None, uri.text("renameLabels").split(",")):
        old, colon, new = item.partition(":")
        if not colon or not old or not new:
            uri.refuse("an option 'renameLabels' that cannot be read", "OLD:NEW,OLD:NEW")
            break
        renamed.append((old, new))
    allowed = tuple(filter(None, uri.text("allowedLabels").split(",")))
    return StatsdSpec(
        address=uri.address("localhost", PORT),
        is_influx=is_influx,
        prefix=f"{prefix}." if prefix and not is_influx else prefix,
        lines=uri.integer("numMetricsPerMsg", 5, least=1),
        renamed=tuple(renamed),
        allowed=(*allowed, *RESOURCE_LABELS) if allowed else (),
        style=uri.choice("labelStyle", "", STYLES),
    )


class StatsdSink:
    """One statsd."""

    name = "StatsD Sink"

    def __init__(self, spec: StatsdSpec, executor: Executor) -> None:
        self.place = f"udp://{spec.address}"
        self._spec = spec
        self._datagrams = Datagrams(spec.address, executor)

    def chunks(self, batch: Batch) -> Chunks:
        spec = self._spec
        writer = InfluxStatsdWriter if spec.is_influx else EtsyWriter
        return writer(
            batch,
            spec.prefix.encode(),
            lines=spec.lines,
            renamed=spec.renamed,
            allowed=spec.allowed,
            style=spec.style,
        )

    async def send(self, payload: list[bytes]) -> None:
        await self._datagrams.send(payload)

    async def close(self) -> None:
        await self._datagrams.close()
