"""Sinks from the daemon to their servers: the real ones where install_servers.sh could have them."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer

from heapfast.sim.options import SimulateOptions
from heapfast.sinks.graphite import GraphiteSpec
from heapfast.sinks.kafka import KafkaSpec
from heapfast.sinks.sink import Address
from heapfast.sinks.statsd import StatsdSpec
from tests.integration.installed import PATIENCE_SECONDS, free_port, run_server, send, server, until
from tests.integration.running import eventually, run_both
from tests.unit.sinks import naive
from tests.unit.sinks.example import example_batch

SMALL = SimulateOptions(nodes=3, pods_per_node=4, containers=2, namespaces=3, seed=7)
CARBON_CONF = """\
[cache]
STORAGE_DIR = {folder}
LOCAL_DATA_DIR = {folder}/whisper
LINE_RECEIVER_INTERFACE = 127.0.0.1
LINE_RECEIVER_PORT = {port}
PICKLE_RECEIVER_INTERFACE = 127.0.0.1
PICKLE_RECEIVER_PORT = 0
CACHE_QUERY_INTERFACE = 127.0.0.1
CACHE_QUERY_PORT = 0
MAX_CREATES_PER_MINUTE = inf
MAX_UPDATES_PER_SECOND = inf
"""
STATSD_CONF = """\
{{ port: {port}, mgmt_port: {mgmt}, address: "127.0.0.1", mgmt_address: "127.0.0.1", backends: [], flushInterval: 1e8 }}
"""
KAFKA_CONF = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
log.dirs={folder}/data
offsets.topic.replication.factor=1
num.partitions=3
"""


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


# -- the whole daemon -----------------------------------------------------------------------------


async def test_every_batch_arrives_and_the_last_one_before_the_daemon_ends() -> None:
    received = bytearray()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            received.extend(data)
        writer.close()

    async with await asyncio.start_server(take, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        async with run_both(SMALL, f"--sink=graphite:tcp://127.0.0.1:{port}?prefix=p", "--sink=log") as (_, daemon):
            batches = [await daemon.tick(), await daemon.tick()]
            await daemon.until('heapfast_sink_batches_total{outcome="sent",sink="graphite"}', 1)
            batches.append(await daemon.tick())
        lines = sorted(line for batch in batches for line in naive.graphite_lines(batch, "p"))
        await eventually(lambda: len(received) >= sum(map(len, lines)))
    assert sorted(received.decode().splitlines(keepends=True)) == lines


async def test_a_sink_that_is_away_costs_neither_ticks_nor_the_other_sink() -> None:
    flags = "--sink=graphite:tcp://127.0.0.1:1", "--sink=opentsdb:http://127.0.0.1:1", "--sink=log"
    async with run_both(SMALL, *flags) as (_, daemon):
        for n in range(1, 6):
            await daemon.tick()
            await daemon.until('heapfast_sink_batches_total{outcome="sent",sink="log"}', n)
        await daemon.until('heapfast_sink_batches_total{outcome="dropped",sink="graphite"}', 1)
        await daemon.until('heapfast_sink_errors_total{reason="connect",sink="opentsdb"}', 1)
        assert await daemon.metric('heapfast_ticks_total{outcome="failed"}') == 0


# -- carbon -----------------------------------------------------------------------------------------


async def test_carbon_keeps_every_series_apart(tmp_path: Path, executor: ThreadPoolExecutor) -> None:
    carbon = server("carbon/bin/carbon-cache.py").parent
    port, now = free_port(), int(time.time()) // 10 * 10
    conf = tmp_path / "carbon.conf"
    conf.write_text(CARBON_CONF.format(folder=tmp_path, port=port))
    (tmp_path / "storage-schemas.conf").write_text("[all]\npattern = .*\nretentions = 10s:1d\n")
    batch = example_batch(now * 10**9)
    words = f"--nodaemon --config={conf} --logdir={tmp_path} --pidfile={tmp_path}/pid start".split()
    async with run_server(tmp_path, port, str(carbon / "python"), str(carbon / "carbon-cache.py"), *words):
        sink = GraphiteSpec(protocol="tcp", address=Address("127.0.0.1", port)).build(executor)
        n = await send(sink, batch)
        lines = [line.split() for line in naive.graphite_lines(batch, "kubernetes")]
        paths = {path: float(value) for path, value, _ in lines}
        assert len(paths) == n

        async def written() -> dict[str, float]:
            files = {path: tmp_path / "whisper" / f"{path.replace('.', '/')}.wsp" for path in paths}
            if not all(file.exists() for file in files.values()):
                return {}
            script = (
                "import json, sys, whisper\n"
                f"read = lambda file: whisper.fetch(file, {now - 10}, {now})[1][-1]\n"
                "print(json.dumps({path: read(file) for path, file in json.load(sys.stdin).items()}))"
            )
            reading = await asyncio.create_subprocess_exec(
                str(carbon / "python"), "-c", script, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
            )
            asked = json.dumps({path: str(file) for path, file in files.items()}).encode()
            found: dict[str, float] = json.loads((await reading.communicate(asked))[0])
            return found if None not in found.values() else {}

        found = await until(written)
    assert found == pytest.approx(paths, abs=1e-6)


# -- statsd -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_influx", [False, True])
async def test_statsd_keeps_every_gauge_apart(tmp_path: Path, executor: ThreadPoolExecutor, is_influx: bool) -> None:
    stats = server("statsd/node_modules/statsd/stats.js", "node")
    port, mgmt = free_port(), free_port()
    (tmp_path / "config.js").write_text(STATSD_CONF.format(port=port, mgmt=mgmt))
    batch = example_batch()
    async with run_server(tmp_path, mgmt, "node", str(stats), "config.js"):
        n = await send(StatsdSpec(address=Address("127.0.0.1", port), is_influx=is_influx).build(executor), batch)

        async def gauges() -> list[str]:
            reader, writer = await asyncio.open_connection("127.0.0.1", mgmt)
            writer.write(b"gauges\n")
            text = (await reader.readuntil(b"END")).decode()
            writer.close()
            found = re.findall(r"^  (?:'[^']*'|[\w$]+): (\S+?),?$", text, re.MULTILINE)
            return found if len(found) == n else []

        found = await until(gauges)
    assert sorted(map(float, found)) == sorted(float(one.value) for one in naive.samples(batch))


# -- Kafka --------------------------------------------------------------------------------------------------


async def test_kafka_has_a_record_for_every_sample(tmp_path: Path, executor: ThreadPoolExecutor) -> None:
    jars = server("kafka/kafka_2.13-*.jar", "java").parent
    port = free_port()
    conf = tmp_path / "server.properties"
    conf.write_text(KAFKA_CONF.format(port=port, controller=free_port(), folder=tmp_path))
    java = ("java", "-Xmx256m", "-cp", f"{jars}/*")
    formatting = await asyncio.create_subprocess_exec(
        *java, "kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", str(conf),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert await formatting.wait() == 0
    batch = example_batch()
    broker = f"127.0.0.1:{port}"
    async with run_server(tmp_path, port, *java, "kafka.Kafka", str(conf)):
        for compression in ("none", "gzip"):
            topic = f"samples-{compression}"
            n = await send(KafkaSpec(brokers=(broker,), topic=topic, compression=compression).build(executor), batch)
            consumer = AIOKafkaConsumer(topic, bootstrap_servers=broker, auto_offset_reset="earliest")
            await consumer.start()
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    records = [json.loads((await consumer.getone()).value) for _ in range(n)]
            finally:
                await consumer.stop()
            assert naive.as_set(records) == naive.as_set(naive.kafka_records(batch))
