"""Kafka: one record a sample, as JSON.

In      kafka:?brokers=H1:9092&brokers=H2:9092&timeseriestopic=T&compression=C
Out     record batches, round robin over the topic's partitions
Callers kinds.py
Source  spec/heapster-pipeline.md 7.3
Never   makes records on the loop: batches of them are filled in a thread
"""

from __future__ import annotations

import asyncio
import itertools
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, Final

import msgspec

from heapfast.errors import SinkError
from heapfast.sinks._documents import KafkaWriter

try:
    import aiokafka
    from aiokafka.errors import KafkaError
except ModuleNotFoundError:
    aiokafka = None

if TYPE_CHECKING:
    from heapfast._batch import Batch
    from heapfast.sinks.sink import Chunks, SinkUri

TOPIC: Final = "heapster-metrics"
CLIENT_ID: Final = "kafka-sink"
#: Packing one batch of records holds the loop, for some 2 ms at this size.
BATCH_BYTES: Final = 128 << 10
REQUEST_MS: Final = 10_000


class KafkaSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Where Kafka is.

    Attributes:
        brokers: HOST:PORT of some of them; they know the others.
        compression: "none" or "gzip".
    """

    brokers: tuple[str, ...]
    topic: str = TOPIC
    compression: str = "none"

    def build(self, executor: Executor) -> KafkaSink:
        return KafkaSink(self, executor)


def read_kafka(uri: SinkUri) -> KafkaSpec:
    """Reads the options of one --sink=kafka."""
    brokers = tuple(filter(None, uri.texts("brokers")))
    if not brokers:
        uri.refuse("no brokers", "kafka:?brokers=HOST:9092, and more of them with &brokers=")
    if aiokafka is None:
        uri.refuse("no library that speaks to it", "the package aiokafka beside it: pip install 'heapfast[kafka]'")
    uri.text("eventstopic")  # Heapster's eventer read it
    return KafkaSpec(
        brokers=brokers,
        topic=uri.text("timeseriestopic", TOPIC),
        compression=uri.choice("compression", "none", ("none", "gzip")),
    )


class KafkaSink:
    """One Kafka cluster."""

    name = "kafka"

    def __init__(self, spec: KafkaSpec, executor: Executor) -> None:
        self.place = f"kafka {','.join(spec.brokers)}, topic {spec.topic}"
        self._spec = spec
        self._executor = executor
        self._producer: Any = None
        self._turns = itertools.count()

    def chunks(self, batch: Batch) -> Chunks:
        return KafkaWriter(batch)

    async def send(self, payload: list[bytes]) -> None:
        try:
            producer = await self._started()
            partitions = sorted(await producer.partitions_for(self._spec.topic))
            filled = await asyncio.get_running_loop().run_in_executor(self._executor, _fill, producer, payload)
            sent = [
                await producer.send_batch(
                    batch, self._spec.topic, partition=partitions[next(self._turns) % len(partitions)]
                )
                for batch in filled
            ]
            for record in sent:
                await record
        except KafkaError as error:
            raise SinkError(
                f"cannot send to {self.place}: {error}",
                reason="connect" if self._producer is None else "kafka",
                costs="nothing" if error.retriable or self._producer is None else "chunk",
            ) from error

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    async def _started(self) -> Any:
        if self._producer is None:
            compression = self._spec.compression
            producer = aiokafka.AIOKafkaProducer(
                bootstrap_servers=list(self._spec.brokers),
                client_id=CLIENT_ID,
                acks=1,
                compression_type=None if compression == "none" else compression,
                max_batch_size=BATCH_BYTES,
                request_timeout_ms=REQUEST_MS,
            )
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self._producer = producer
        return self._producer


def _fill(producer: Any, records: list[bytes]) -> list[Any]:
    """Batches of records; one record that is larger than a batch may be has a batch of its own that is refused."""
    filled = []
    batch = None
    for record in records:
        if batch is None or batch.append(key=None, value=record, timestamp=None) is None:
            batch = producer.create_batch()
            batch.append(key=None, value=record, timestamp=None)
            filled.append(batch)
    return filled
