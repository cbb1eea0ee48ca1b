"""Servers by their command lines."""

import sys
from pathlib import Path

import pytest

from bench.compare.servers import Places, identify, parse_server
from bench.load.profiles import Dialect
from heapfast.config.build import build_options
from heapfast.errors import ConfigError

PLACES = Places(
    kubeconfig="/sim/kubeconfig",
    ca_file="/sim/ca.crt",
    api_url="https://127.0.0.1:16443",
    kubelet_port=10250,
    port=4443,
    folder="/sim/certificates",
    resolution_seconds=15,
)


@pytest.mark.parametrize("name", ["heapfast", "heapfast-heapster"])
def test_our_own_flags_are_flags_of_ours(name: str) -> None:
    argv = parse_server(name).argv(PLACES)
    assert argv[:3] == [sys.executable, "-m", "heapfast"]
    assert build_options(argv[3:], {}).resolution_ns == 15 * 10**9


@pytest.mark.parametrize(("ours", "theirs"), [("heapfast", "metrics-server"), ("heapfast-heapster", "heapster")])
def test_who_is_compared_gets_the_same_flags_to_the_letter(ours: str, theirs: str) -> None:
    mine, other = parse_server(ours), parse_server(f"{theirs}={sys.executable}")
    assert mine.argv(PLACES)[3:] == other.argv(PLACES)[1:]
    assert mine.dialect is other.dialect


def test_a_command_line_is_filled_in() -> None:
    spec = parse_server("mine:scraper=true --port={port} --kubeconfig={kubeconfig}")
    assert spec.dialect is Dialect.SCRAPER
    assert spec.argv(PLACES)[1:] == ["--port=4443", "--kubeconfig=/sim/kubeconfig"]


def test_what_runs_already_is_a_url_and_perhaps_a_process() -> None:
    spec = parse_server("mine:metrics.k8s.io=https://127.0.0.1:4443#77")
    assert (spec.url, spec.pid, spec.command) == ("https://127.0.0.1:4443", 77, ())
    assert parse_server("mine:heapster=http://127.0.0.1:8082").pid == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("metrics-server", "want heapfast"),
        ("heapfast=/bin/true", "want heapfast"),
        ("nobody", "want heapfast"),
        ("mine:prometheus=true", "DIALECT is one of"),
        ("mine:heapster=", "want heapfast"),
        ("mine:heapster=http://127.0.0.1", "a URL with a port"),
        ("mine:heapster=http://127.0.0.1:1#x", "a URL with a port"),
        ("mine:heapster=true {colour}", "cannot fill in '{colour}'"),
        ("mine:heapster=no-such-program-anywhere", "is no program"),
    ],
)
def test_what_is_no_server_says_what_would_be(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_server(text)
    assert says in str(caught.value)


def test_the_record_has_version_and_file_and_nobodys_folders(tmp_path: Path) -> None:
    program = tmp_path / "metrics-server"
    program.write_text("#!/bin/sh\necho v0.8.1\n")
    program.chmod(0o755)
    identity = identify(parse_server(f"metrics-server={program}"))
    assert identity.version == "v0.8.1"
    assert len(identity.sha256) == 64
    assert identity.command.startswith("metrics-server ")
    assert "{kubeconfig}" in identity.command
    assert str(tmp_path) not in identity.command
    ours = identify(parse_server("heapfast"))
    assert ours.command.startswith("heapfast --kubeconfig=")
    assert sys.executable not in ours.command
