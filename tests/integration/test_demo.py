"""`heapfast demo`: both processes come up, say what to try, and go together."""

import asyncio
import re
import shlex
import shutil
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

KUBECTL = shutil.which("kubectl")
SMALL = ("--nodes=2", "--pods-per-node=2", "--containers=1", "--port=0", "--secure-port=0", "--api-port=0")


async def start_demo(*flags: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "heapfast", "demo", *SMALL, *flags,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def check_kubectl(command: str) -> None:
    """Runs a hint; it must print something and complain of nothing."""
    words = shlex.split(command)
    cache = Path(words[words.index("--kubeconfig") + 1]).parent / "cache"
    process = await asyncio.create_subprocess_exec(
        *words, "--cache-dir", str(cache), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert (process.returncode, err.decode()) == (0, ""), command
    assert out, command


async def read_until(stream: asyncio.StreamReader, end: str) -> str:
    text = ""
    while end not in text:
        line = await stream.readline()
        assert line, f"the demo ended before it said {end!r}: {text}"
        text += line.decode()
    return text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_demo_says_what_to_try_and_stops_when_told(number: signal.Signals) -> None:
    demo = await start_demo()
    assert demo.stdout is not None
    try:
        hints = await read_until(demo.stdout, "Ctrl-C stops both.")
        urls = re.findall(r"curl '?(http://[^\s']+)'?$", hints, re.MULTILINE)
        assert len(urls) >= 9
        async with aiohttp.ClientSession() as session:
            for url in urls:
                async with session.get(url) as response:
                    assert response.status == 200, url
        if KUBECTL is not None:
            for command in re.findall(r"^  (kubectl .+)$", hints, re.MULTILINE):
                await check_kubectl(command)
        demo.send_signal(number)
        assert await demo.wait() == 0
        async with aiohttp.ClientSession() as session:
            for url in (urls[0], re.findall(r"simulated cluster on (https://\S+),", hints)[0]):
                with pytest.raises(aiohttp.ClientConnectionError):
                    await session.get(url)
    finally:
        if demo.returncode is None:
            demo.terminate()
        await demo.communicate()


async def test_a_daemon_that_cannot_start_ends_the_demo() -> None:
    demo = await start_demo("--resolution=1s")
    _, err = await demo.communicate()
    assert demo.returncode == 1
    assert err.decode().splitlines() == [
        "heapfast: --metric-resolution: got 1s, want at least 5s",
        "heapfast: the daemon ended with exit code 2; its reason is above",
    ]
