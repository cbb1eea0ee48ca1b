"""Options: flags, defaults, and every fault at once."""

import argparse
import re

import pytest

from heapfast.errors import ConfigError
from heapfast.sim.main import add_arguments, options_from_args
from heapfast.sim.options import SimulateOptions


def parse(*words: str) -> SimulateOptions:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return options_from_args(parser.parse_args(words))


def test_flags_become_options() -> None:
    options = parse(
        "--nodes=50", "--pods-per-node=3", "--containers=1", "--seed=9", "--tls", "--churn=60", "--token=t",
        "--fault=node-0001=hang", "--fault=5%=500", "--no-shuffle", "--api-port=0",
    )  # fmt: skip
    assert options == SimulateOptions(
        nodes=50, pods_per_node=3, containers=1, seed=9, tls=True, churn_per_minute=60.0, token="t",
        faults=("node-0001=hang", "5%=500"), shuffle=False, api_port=0, kubelet_port=20250,
    )  # fmt: skip


def test_every_flag_says_what_it_does() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    actions = [action for action in parser._actions if action.dest != "help"]
    assert {action.dest for action in actions} == set(SimulateOptions.__struct_fields__)
    assert all(action.help and len(action.help) > 15 for action in actions)
    assert "(default 16443)" in " ".join(parser.format_help().split())


def test_every_fault_is_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse(
            "--nodes=0",
            "--containers=0",
            "--fault=x",
            "--daemon-url=http://192.0.2.1:80",
            "--aggregated-url=http://192.0.2.1:80",
        )
    assert [fault.partition(":")[0] for fault in caught.value.faults] == [
        "--nodes", "--containers", "--fault", "--daemon-url", "--aggregated-url",
    ]  # fmt: skip


@pytest.mark.parametrize("url", ["http://127.0.0.1:8082", "https://127.3.2.1:1/", "http://[::1]:8082"])
def test_a_daemon_on_loopback_is_accepted(url: str) -> None:
    SimulateOptions(daemon_url=url).check()


@pytest.mark.parametrize(
    "url",
    ["http://example.com:80", "http://10.0.0.1:80", "ftp://127.0.0.1:1", "127.0.0.1:8082", "http://127.0.0.1", ""],
)
def test_a_daemon_elsewhere_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=re.escape("want http(s)://, a loopback address and a port")):
        SimulateOptions(daemon_url=url).check()
