"""InfluxDB 1.x: Heapster's own long memory, in its schema.

In      influxdb:http://HOST:PORT/?user=U&pw=P&db=D&retention=R&secure=B&insecuressl=B&withfields=B&cluster_name=C
        &disable_counter_metrics=B&concurrency=N
Out     points in line protocol; a database and its retention policy where there are none; the backend of history
Callers kinds.py
Source  spec/heapster-pipeline.md 7.1; Q23, Q26
Never   shortens the life of points that are there: a policy that exists stays as it is

What differs from Heapster: `retention` takes effect when the policy is made (Q26); what fails is tried again; there are
no empty writes; requests have a time limit (Q23).
"""

from __future__ import annotations

import logging
import re
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, Final

import msgspec

from heapfast.errors import SinkError
from heapfast.history.influxdb import InfluxDbHistory
from heapfast.history.influxdb_server import POLICY, InfluxDbAddress, InfluxDbServer, Result, error_text
from heapfast.history.influxql import is_speakable, quote_identifier
from heapfast.history.server import ServerFailure
from heapfast.sinks._influxdb import InfluxDbWriter
from heapfast.sinks.sink import Address, Secret
from heapfast.sinks.stores import GroupedChunks, send_all, sink_error, tls_context

if TYPE_CHECKING:
    from heapfast._batch import Batch
    from heapfast.clock import Clock
    from heapfast.sinks.sink import Chunks, SinkUri

log = logging.getLogger(__name__)

PORT: Final = 8086
#: As Heapster's.
POINTS_IN_ONE_WRITE: Final = 10_000
FOR_EVER: Final = "0"

_DURATION: Final = re.compile(r"(?:\d{1,12}(?:ns|ms|[uµsmhdw]))+", re.ASCII)
_DURATION_PART: Final = re.compile(r"(\d+)(ns|ms|[uµsmhdw])", re.ASCII)
_UNITS_NS: Final = {
    "ns": 1,
    "u": 1_000,
    "µ": 1_000,
    "ms": 1_000_000,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3_600 * 10**9,
    "d": 86_400 * 10**9,
    "w": 604_800 * 10**9,
}


class InfluxDbSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One database, as a --sink describes it.

    Attributes:
        retention: of the policy, where it has to be made; InfluxQL's notation, "0" for ever.
        with_fields: names are split into measurement and field.
        disable_counter_metrics: counters that have a rate are left out.
        concurrency: so many writes go on at a time.
        shard: "i/n" of a replica that has a share of the nodes; "" for the only one.
    """

    address: Address = Address("localhost", PORT)
    user: str = "root"
    password: Secret = Secret("root")
    database: str = "k8s"
    retention: str = FOR_EVER
    secure: bool = False
    insecure: bool = False
    with_fields: bool = False
    cluster_name: str = "default"
    disable_counter_metrics: bool = False
    concurrency: int = 1
    shard: str = ""

    def build(self, executor: Executor) -> InfluxDbSink:
        return InfluxDbSink(self)

    def build_history(self, clock: Clock) -> InfluxDbHistory:
        """Makes the backend that reads what this sink and Heapster's have written."""
        return InfluxDbHistory(
            self.server(), with_fields=self.with_fields, cluster_name=self.cluster_name, is_sharded=bool(self.shard)
        )

    def server(self) -> InfluxDbServer:
        address = InfluxDbAddress(
            str(self.address), self.database, self.user, self.password.reveal(), secure=self.secure
        )
        return InfluxDbServer(address, tls_context(insecure=self.insecure) if self.secure else None)


def read_influxdb(uri: SinkUri) -> InfluxDbSpec:
    """Reads the options of one --sink=influxdb."""
    retention = uri.text("retention", FOR_EVER)
    if retention not in (FOR_EVER, "INF") and not _DURATION.fullmatch(retention):
        uri.refuse("an option 'retention' that cannot be read", "a duration such as 30d, or 0 for ever")
        retention = FOR_EVER
    database, cluster_name = uri.text("db", "k8s"), uri.text("cluster_name", "default")
    if not (database and cluster_name and is_speakable(database, cluster_name)):
        uri.refuse("an empty name of a database or cluster, or one with control characters", "names")
        database, cluster_name = "k8s", "default"
    return InfluxDbSpec(
        address=uri.address("localhost", PORT),
        user=uri.text("user", "root"),
        password=uri.secret("pw", "root"),
        database=database,
        retention=retention,
        secure=uri.switch("secure", False),
        insecure=uri.switch("insecuressl", False),
        with_fields=uri.switch("withfields", False),
        cluster_name=cluster_name,
        disable_counter_metrics=uri.switch("disable_counter_metrics", False),
        concurrency=uri.integer("concurrency", 1, least=1),
        shard=uri.shard,
    )


class InfluxDbSink:
    """One database."""

    name = "InfluxDB Sink"

    def __init__(self, spec: InfluxDbSpec) -> None:
        self._spec = spec
        self._server = spec.server()
        self.place = f"{self._server.url}, database {spec.database}"
        self._is_there = False  # the database, as far as we know

    def chunks(self, batch: Batch) -> Chunks:
        writer = InfluxDbWriter(
            batch,
            cluster_name=self._spec.cluster_name,
            with_fields=self._spec.with_fields,
            skip_counters=self._spec.disable_counter_metrics,
            shard=self._spec.shard,
        )
        return GroupedChunks(writer, samples=POINTS_IN_ONE_WRITE, bodies=self._spec.concurrency)

    async def send(self, payload: Any) -> None:
        try:
            if not self._is_there:
                await self._make_database()
        except ServerFailure as failure:
            raise sink_error(failure) from failure
        await send_all(payload, self._write)

    async def close(self) -> None:
        await self._server.close()

    async def _write(self, lines: bytes) -> None:
        try:
            await self._server.write(lines)
        except ServerFailure as failure:
            said = error_text(failure)
            if failure.status == 404 or "database not found" in said:
                # Dropped under our hands: the next attempt makes it again.
                self._is_there = False
                raise SinkError(str(failure), reason="status_404") from failure
            raise sink_error(failure) from failure

    async def _make_database(self) -> None:
        """Makes the database and the policy that is written to, unless they are there.

        Who may not do so may still be allowed to write: what InfluxDB objects to is logged, and the write decides.
        """
        database, policy = quote_identifier(self._spec.database), quote_identifier(POLICY)
        duration = "INF" if self._spec.retention == FOR_EVER else self._spec.retention
        shown = await self._server.run(f"SHOW RETENTION POLICIES ON {database}")
        made = Result()
        if "database not found" in shown.error:
            made = await self._server.run(f"CREATE DATABASE {database} WITH DURATION {duration} NAME {policy}")
        elif not shown.error and (found := _duration_of(shown)) is None:
            made = await self._server.run(
                f"CREATE RETENTION POLICY {policy} ON {database} DURATION {duration} REPLICATION 1 DEFAULT"
            )
        elif not shown.error and self._spec.retention != FOR_EVER and found != _nanoseconds(self._spec.retention):
            log.warning(
                "sink influxdb: the retention policy of database %s was made with another duration, and stays as it is;"
                " to change it: ALTER RETENTION POLICY %s ON %s DURATION %s",
                self._spec.database, policy, database, duration,
            )  # fmt: skip
        if made.error or (shown.error and "database not found" not in shown.error):
            log.warning("sink influxdb: the database could not be looked at or made: %s", made.error or shown.error)
        self._is_there = True


def _duration_of(shown: Result) -> int | None:
    """How long our policy keeps points, in nanoseconds, 0 for ever; None when there is no such policy."""
    for series in shown.series:
        for name, duration, *_ in series.values:
            if name == POLICY:
                return _nanoseconds(str(duration))
    return None


def _nanoseconds(text: str) -> int:
    return sum(int(number) * _UNITS_NS[unit] for number, unit in _DURATION_PART.findall(text))
