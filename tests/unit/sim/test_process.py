"""The simulator in a process of its own, and as a person starts it."""

import asyncio
import re
import signal
import socket
import ssl
import sys
from pathlib import Path

import aiohttp
import pytest

from bench.scenarios import SCENARIOS
from heapfast.errors import ConfigError, HeapfastError
from heapfast.sim.options import SimulateOptions
from heapfast.sim.process import SimulatedProcess


def is_there(path: str) -> bool:
    return Path(path).exists()


async def test_a_child_serves_until_it_is_left(client: aiohttp.ClientSession) -> None:
    async with SimulatedProcess(SimulateOptions(nodes=2, pods_per_node=3, tls=True)) as sim:
        ends = sim.endpoints
        context = ssl.create_default_context(cafile=ends.ca_file)
        async with client.get(f"{ends.api_url}/sim/state", ssl=context) as response:
            assert (await response.json())["pods"] == 6
        for address in ends.addresses:
            async with client.get(f"https://{address}:{ends.kubelet_port}/stats/summary", ssl=context) as response:
                assert response.status == 200
        usage = sim.usage()
        assert usage.cpu_seconds > 0
        assert 10_000_000 < usage.rss_bytes < 1_000_000_000
        directory = Path(ends.kubeconfig).parent
        assert directory.is_dir()
    assert not directory.exists()
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.get(f"{ends.api_url}/healthz", ssl=context)


async def test_a_child_that_cannot_start_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(HeapfastError, match="cannot start the simulated cluster"):
            async with SimulatedProcess(SimulateOptions(nodes=1, api_port=port)):
                pytest.fail("it started on a port that is taken")
    why = f"heapfast: cannot listen on port {port} (--api-port): Address already in use\n"
    assert capfd.readouterr().err == why


def test_options_are_checked_before_anything_starts() -> None:
    with pytest.raises(ConfigError, match="--nodes: got 0"):
        SimulatedProcess(SimulateOptions(nodes=0))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_person_is_told_what_to_try_and_can_stop_it(number: signal.Signals) -> None:
    code = "from heapfast.sim.main import SimulateOptions, run; run(SimulateOptions(nodes=2, token='t'))"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    told = (await process.stdout.readuntil(b"Ctrl-C ends it.\n")).decode()
    assert told.startswith("simulated cluster: 2 nodes, 20 pods, seed 1\n")
    found = re.search(r"kubeconfig   (\S+)", told)
    assert found is not None
    assert is_there(found[1])
    process.send_signal(number)
    _, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")
    assert not is_there(found[1])


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_can_be_simulated(name: str) -> None:
    scenario = SCENARIOS[name]
    options = scenario.options()
    options.check()
    assert (options.nodes * options.pods_per_node, options.api_port) == (scenario.pods, 0)
    assert scenario.all_containers == scenario.pods * options.containers
