"""Assembly: ports, certificates, tasks and signals; and that nothing is left when the daemon has ended."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from heapfast import daemon as daemon_module
from heapfast.config.build import build_options
from heapfast.config.options import Options, TlsOptions
from heapfast.daemon import Daemon, bind, label_copier, serve, serving_context
from heapfast.errors import ConfigError
from tests.unit.config.defaults import ApiOptions


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on 127.0.0.1 that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


@pytest.fixture
def deaf() -> Iterator[int]:
    """A port on 127.0.0.1 that refuses connections, and that nobody else gets."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def listening_on(**api: Any) -> list[socket.socket]:
    """What the daemon would listen on with Heapster's port there, and no other."""
    return bind(cast(Options, SimpleNamespace(api=ApiOptions(**api), secure=None)))


def close_all(sockets: list[socket.socket]) -> None:
    for one in sockets:
        one.close()


def test_one_address_is_one_socket() -> None:
    sockets = listening_on(listen_ip="127.0.0.1", port=0)
    try:
        [bound] = sockets
        host, port = bound.getsockname()
        assert host == "127.0.0.1"
        with socket.create_connection((host, port)):
            pass
    finally:
        close_all(sockets)


def test_no_address_means_all_of_both_families() -> None:
    sockets = listening_on(port=0)
    try:
        port = sockets[0].getsockname()[1]
        assert len(sockets) == 1
        for host in ("127.0.0.1", "::1") if socket.has_dualstack_ipv6() else ("127.0.0.1",):
            with socket.create_connection((host, port)):
                pass
    finally:
        close_all(sockets)


def test_a_machine_without_ipv6_listens_on_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, port, **more: resolve(host, port, family=socket.AF_INET, **more)
    )
    sockets = listening_on(port=0)
    try:
        assert [(one.family, one.getsockname()[0]) for one in sockets] == [(socket.AF_INET, "0.0.0.0")]
    finally:
        close_all(sockets)


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="NO IPV6: this machine has no address to listen on")
def test_an_ipv6_address_is_one_socket() -> None:
    sockets = listening_on(listen_ip="::1", port=0)
    try:
        assert [one.getsockname()[0] for one in sockets] == ["::1"]
    finally:
        close_all(sockets)


def test_a_port_in_use_is_said_in_one_line(taken: int) -> None:
    for address, shown in (("127.0.0.1", "127.0.0.1"), ("", "*")):
        with pytest.raises(ConfigError) as caught:
            listening_on(listen_ip=address, port=taken)
        assert str(caught.value) == (
            f"cannot listen on {shown}:{taken} (--listen-ip, --heapster-port): Address already in use"
        )


@pytest.mark.parametrize(
    ("address", "why"),
    [("192.0.2.1", "Cannot assign requested address"), ("a..b", "it is no address and no name")],
    ids=["foreign", "no-name"],
)
def test_an_address_that_cannot_be_had_is_said_in_one_line(address: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        listening_on(listen_ip=address, port=0)
    assert str(caught.value) == f"cannot listen on {address}:0 (--listen-ip, --heapster-port): {why}"


def test_a_name_that_nobody_knows_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **more: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(ConfigError, match=r"nowhere:80 \(.*\): Name or service not known$"):
        listening_on(listen_ip="nowhere", port=80)


def test_without_a_certificate_there_is_no_tls() -> None:
    assert serving_context(TlsOptions()) is None


@pytest.mark.parametrize("missing", ["certificate", "key"])
def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path, missing: str) -> None:
    there = tmp_path / "there.pem"
    there.write_text("no PEM at all")
    files = {"certificate": str(there), "key": str(there)} | {missing: str(tmp_path / "away.pem")}
    with pytest.raises(ConfigError) as caught:
        serving_context(TlsOptions(cert_file=files["certificate"], key_file=files["key"]))
    assert str(caught.value) == f"cannot read the {missing} {tmp_path}/away.pem: No such file or directory"


class Ending:
    """Stands in for a reflector, or for the pipeline: ends as told, or never."""

    def __init__(self, error: Exception | None = None, *, ends: bool = False) -> None:
        self.was_cancelled = False
        self._error = error
        self._ends = ends

    async def run(self) -> None:
        if self._error is not None:
            raise self._error
        if not self._ends:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.was_cancelled = True
                raise


class Access:
    """Credentials; `refresh` fails with what is given, one after the other, then sets `is_through`."""

    def __init__(self, *errors: Exception) -> None:
        self.is_through = asyncio.Event()
        self._errors = list(errors)

    async def refresh(self) -> bool:
        if self._errors:
            raise self._errors.pop(0)
        self.is_through.set()
        return False


def make_daemon(*reflectors: Ending, pipeline: Ending | None = None, access: Access | None = None) -> Daemon:
    nothing = cast(Any, None)
    tasks = {f"reflector {i}": reflector.run for i, reflector in enumerate(reflectors)}
    return Daemon(
        access=cast(Any, access or Access()),
        hosts=[],
        store=cast(Any, SimpleNamespace(newest=None)),
        scraper=nothing,
        pipeline=nothing,
        tasks={**tasks, "pipeline": (pipeline or Ending()).run},
    )


async def test_a_daemon_that_is_stopped_cancels_all_its_tasks() -> None:
    before = asyncio.all_tasks()
    reflectors, pipeline, stop = [Ending(), Ending()], Ending(), asyncio.Event()
    running = asyncio.create_task(make_daemon(*reflectors, pipeline=pipeline).run_until(stop))
    await asyncio.sleep(0)
    stop.set()
    await running
    assert [one.was_cancelled for one in (*reflectors, pipeline)] == [True, True, True]
    assert asyncio.all_tasks() == before


async def test_a_daemon_that_is_stopped_before_it_runs_ends() -> None:
    stop = asyncio.Event()
    stop.set()
    await make_daemon(Ending()).run_until(stop)


@pytest.mark.parametrize("which", ["reflector 1", "pipeline"])
async def test_a_task_that_ends_by_itself_ends_the_daemon(which: str) -> None:
    other = Ending()
    reflectors = [other, Ending(ends=which == "reflector 1")]
    daemon = make_daemon(*reflectors, pipeline=Ending(ends=which == "pipeline"))
    with pytest.raises(RuntimeError, match=f"BUG: task {which} ended by itself"):
        await daemon.run_until(asyncio.Event())
    assert other.was_cancelled


@pytest.mark.parametrize("error", [ZeroDivisionError("oh"), OSError("ah")], ids=["bug", "os"])
async def test_a_task_that_fails_ends_the_daemon_with_its_error(error: Exception) -> None:
    # An OSError would be taken for the operator's fault and shown without a stack.
    with pytest.raises(RuntimeError, match="BUG: task pipeline failed") as caught:
        await make_daemon(Ending(), pipeline=Ending(error)).run_until(asyncio.Event())
    assert caught.value.__cause__ is error


async def test_credentials_that_cannot_be_renewed_stop_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(daemon_module, "CREDENTIALS_SECONDS", 0)
    access = Access(ConfigError("plugin"), OSError("fork"), ssl.SSLError(1, "pem"), ValueError("odd"))
    stop = asyncio.Event()
    running = asyncio.create_task(make_daemon(access=access).run_until(stop))
    await access.is_through.wait()
    stop.set()
    await running
    told = [(record.levelno, record.getMessage()) for record in caplog.records]
    assert told == [
        (logging.WARNING, "credentials could not be renewed: plugin"),
        (logging.WARNING, "credentials could not be renewed: fork"),
        (logging.WARNING, "credentials could not be renewed: pem"),
        (logging.ERROR, "BUG: credentials could not be renewed"),
    ]


def options_for(port: int, *flags: str) -> Options:
    """Options of a daemon whose API server is away, on any free port."""
    source = f"--source=kubernetes.summary_api:http://127.0.0.1:{port}?inClusterConfig=false"
    return build_options([source, "--listen-ip=127.0.0.1", "--heapster-port=0", *flags], {})


@pytest.mark.parametrize(
    ("flags", "want"),
    [
        pytest.param([], ("", ()), id="metrics-server's model alone"),
        pytest.param(["--sink=log"], ("app:web", ()), id="with a sink"),
        pytest.param(["--sink=log", "--store-label=app"], ("app:web", (("app", "web"),)), id="stored for a sink"),
        pytest.param(["--source=kubernetes.summary_api:"], ("app:web", ()), id="Heapster's model"),
    ],
)
def test_labels_are_kept_for_those_who_read_them(flags: list[str], want: object) -> None:
    assert label_copier(build_options(flags, {})).copy({"app": "web"}) == want


def opened() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_a_daemon_that_has_ended_leaves_nothing_behind(deaf: int) -> None:
    async def run_once() -> tuple[int, int, int]:
        stop, ready = asyncio.Event(), asyncio.Event()
        running = asyncio.create_task(serve(options_for(deaf), stop=stop, ready=ready))
        await ready.wait()
        stop.set()
        await running
        return len(asyncio.all_tasks()), threading.active_count(), opened()

    # The first run leaves what stays for good: the loop's own descriptors, name resolution's thread.
    before = await run_once()
    assert await run_once() == before
    assert await run_once() == before


async def test_a_start_that_fails_leaves_nothing_behind(taken: int, deaf: int, tmp_path: Path) -> None:
    tasks, threads, files = asyncio.all_tasks(), threading.active_count(), opened()
    for flags, why in (
        ([f"--heapster-port={taken}"], "Address already in use"),
        ([f"--tls-cert={tmp_path}/a", f"--tls-key={tmp_path}/a"], "cannot read the certificate"),
    ):
        with pytest.raises(ConfigError, match=why):
            await serve(options_for(deaf, *flags), stop=asyncio.Event())
    assert (asyncio.all_tasks(), threading.active_count(), opened()) == (tasks, threads, files)


async def test_the_log_says_what_an_operator_should_know(deaf: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "heapfast.daemon")
    stop = asyncio.Event()
    stop.set()
    options = options_for(deaf, "--vmodule=a=1")
    await serve(options, stop=stop)
    told = [record.getMessage() for record in caplog.records if record.name == "heapfast.daemon"]
    assert told[0] == "--vmodule: has no effect; heapfast logs to standard error"
    assert told[1] == "no --data-dir: everything is in memory alone, and a restart forgets it"
    assert told[2].startswith("listening on port ")
    assert told[3] == "stopping"


async def test_two_daemons_do_not_share_a_data_dir(deaf: int, tmp_path: Path) -> None:
    options = options_for(deaf, f"--data-dir={tmp_path}/data")
    stop, ready = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(serve(options, stop=stop, ready=ready))
    await ready.wait()
    files = opened()
    with pytest.raises(ConfigError, match=f"^cannot use --data-dir {tmp_path}/data: pid {os.getpid()} on .* uses it"):
        await serve(options, stop=asyncio.Event())
    assert opened() == files
    stop.set()
    await running
    # Who comes after it may have it.
    await serve(options, stop=stop)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_the_daemon_and_a_second_one_the_process(
    number: signal.Signals, deaf: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes: list[int] = []
    twice = asyncio.Event()

    def leave(code: int) -> None:
        codes.append(code)
        twice.set()

    monkeypatch.setattr(os, "_exit", leave)
    ready = asyncio.Event()
    running = asyncio.create_task(serve(options_for(deaf), ready=ready))
    await ready.wait()
    os.kill(os.getpid(), number)
    await running
    assert codes == []
    os.kill(os.getpid(), number)
    await twice.wait()
    assert codes == [128 + number]
    for handled in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().remove_signal_handler(handled)
