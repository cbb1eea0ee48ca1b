"""Sinks on the command line: their URIs, what is refused, and that nothing secret is shown."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from heapfast import cli
from heapfast.config.build import build_options
from heapfast.config.findings import Findings
from heapfast.config.sinks import UriReader, build_sinks
from heapfast.config.uris import parse_uri
from heapfast.errors import ConfigError
from heapfast.sinks.graphite import GraphiteSpec
from heapfast.sinks.kinds import GONE, KINDS, reader_of
from heapfast.sinks.sink import Address, Secret
from tests.unit.config.defaults import SinkOptions

SOURCE = "--source=kubernetes.summary_api"


def faults_of(*sinks: str) -> list[str]:
    with pytest.raises(ConfigError) as refusal:
        build_options([SOURCE, *(f"--sink={sink}" for sink in sinks)], {})
    return refusal.value.faults


def reader(value: str) -> tuple[UriReader, Findings]:
    findings = Findings()
    return UriReader(parse_uri(value, {}), findings), findings


def test_sinks_come_in_the_order_of_the_command_line() -> None:
    options = build_options(
        [SOURCE, "--sink=graphite:tcp://a", "--sink=metric", "--sink=graphite:udp://b:1?prefix=p."], {}
    )
    assert options.sinks.specs == (
        ("graphite", GraphiteSpec(protocol="tcp", address=Address("a", 2003))),
        ("graphite", GraphiteSpec(protocol="udp", address=Address("b", 1), prefix="p")),
    )
    assert options.api.model_enabled


def test_flags_of_sinks_are_taken_over() -> None:
    flags = ["--sink-export-data-timeout=5s", "--sink-flush-timeout=0s", "--sink-queue-batches=7"]
    assert build_options([SOURCE, *flags], {}).sinks == SinkOptions(queue_batches=7, send_ns=5 * 10**9, flush_ns=0)


def test_variables_of_the_environment_are_expanded() -> None:
    options = build_options([SOURCE, "--sink=graphite:tcp://$CARBON:2004"], {"CARBON": "carbon.monitoring"})
    assert options.sinks.specs[0][1] == GraphiteSpec(protocol="tcp", address=Address("carbon.monitoring", 2004))


@pytest.mark.parametrize("key", sorted(GONE))
def test_a_sink_that_is_gone_names_a_living_one(key: str) -> None:
    (fault,) = faults_of(f"{key}:?writekey=secret")
    assert fault.startswith(f"--sink: got '{key}', want '")
    assert "secret" not in fault


def test_a_misspelt_sink_names_all_there_are() -> None:
    (fault,) = faults_of("grafite:tcp://h")
    assert fault == f"--sink: got 'grafite', want one of {', '.join(sorted(['metric', *KINDS]))}"


@pytest.mark.parametrize(
    ("sink", "fault"),
    [
        ("graphite", "--sink: got 'graphite' with the scheme '', want graphite:tcp://HOST:PORT or graphite:udp://"),
        ("graphite:nop://h", "--sink: got 'graphite' with the scheme 'nop', want graphite:tcp://HOST:PORT"),
        ("graphite:tcp://h:0", "--sink: got 'graphite' with a host and a port that cannot be used, want HOST:PORT"),
        ("graphite:tcp://h:65536", "--sink: got 'graphite' with a host and a port that cannot be used"),
    ],
)
def test_what_a_sink_cannot_be_made_of_is_refused(sink: str, fault: str) -> None:
    faults = faults_of(sink)
    assert len(faults) == 1
    assert faults[0].startswith(fault)


def test_an_option_that_no_sink_reads_is_noted() -> None:
    notes = build_options([SOURCE, "--sink=graphite:tcp://h?prefixx=secret"], {}).notes
    assert notes == ("--sink: 'graphite' has no option 'prefixx', which has no effect",)


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("k:tcp://h:1", Address("h", 1)),
        ("k:tcp://h", Address("h", 9)),
        ("k:tcp://h:", Address("h", 9)),
        ("k:tcp://:1", Address("there", 1)),
        ("k", Address("there", 9)),
        ("k:tcp://[::1]:1", Address("::1", 1)),
        ("k:tcp://[::1]", Address("::1", 9)),
    ],
)
def test_host_and_port_have_defaults(value: str, address: Address) -> None:
    assert reader(value)[0].address("there", 9) == address


def test_options_are_read_by_type() -> None:
    uri, findings = reader("k:?s=t&i=-3&n=1.5&c=b&t=1&t=2&x=pw")
    assert uri.switch("s", False) is True
    assert uri.integer("i", 0, least=-5) == -3
    assert uri.number("n", 0.0) == 1.5
    assert uri.choice("c", "a", ("a", "b")) == "b"
    assert uri.texts("t") == ("1", "2")
    assert uri.secret("x").reveal() == "pw"
    uri.note_unread()
    assert (findings.faults, findings.notes) == ([], [])


def test_options_that_are_not_given_have_defaults() -> None:
    uri, findings = reader("k")
    assert (uri.switch("s", True), uri.integer("i", 4, least=0), uri.number("n", 0.5)) == (True, 4, 0.5)
    assert (uri.choice("c", "a", ("a", "b")), uri.texts("t"), uri.text("u", "d")) == ("a", (), "d")
    assert findings.faults == []


def test_options_that_cannot_be_read_are_all_refused_without_their_values() -> None:
    uri, findings = reader("k:?s=secret&i=secret&n=-1&c=secret")
    uri.switch("s", False)
    uri.integer("i", 0, least=0)
    uri.number("n", 0.0)
    uri.choice("c", "a", ("a", "b"))
    assert findings.faults == [
        "--sink: got 'k' with an option 's' that cannot be read, want true or false",
        "--sink: got 'k' with an option 'i' that cannot be read, want an integer, 0 or more",
        "--sink: got 'k' with an option 'n' that cannot be read, want a number, 0 or more",
        "--sink: got 'k' with an option 'c' that cannot be read, want one of a, b",
    ]


def test_a_secret_shows_itself_to_the_wire_alone() -> None:
    secret = Secret("hunter2")
    shown = [repr(secret), str(secret), f"{secret}", msgspec.json.encode(secret, enc_hook=repr).decode()]
    assert all("hunter2" not in text for text in shown)
    assert (secret == Secret("hunter2"), bool(secret), bool(Secret())) == (True, True, False)


def test_no_sinks_are_no_sinks() -> None:
    assert build_sinks([], {}, Findings()) == ((), False)


@pytest.mark.parametrize("key", sorted(KINDS))
def test_every_kind_has_something_that_reads_its_uri(key: str) -> None:
    assert callable(reader_of(key))


@pytest.mark.parametrize(
    "sink",
    [
        "elasticsearch:http://u:hunter2@h:9200?esUserName=u&esUserSecret=hunter2",
        "otlp:https://u:hunter2@h?token=hunter2&header=x-team:hunter2",
        "opentsdb:http://u:hunter2@h",
        "graphite:tcp://u:hunter2@h",
        "otlp:https://h/hunter2?token=$TOKEN",
    ],
)
def test_no_secret_is_shown_where_a_sink_is(sink: str) -> None:
    ((_, spec),) = build_options([SOURCE, f"--sink={sink}"], {"TOKEN": "hunter2"}).sinks.specs
    with ThreadPoolExecutor(1) as executor:
        assert "hunter2" not in spec.build(executor).place


def test_check_config_shows_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    sinks = [
        "--sink=elasticsearch:http://h:9200?esUserName=me&esUserSecret=hunter2",
        "--sink=otlp:https://h?token=hunter2&header=x-team:hunter2",
    ]
    assert cli.main(["check-config", SOURCE, *sinks]) == 0
    out = capsys.readouterr().out
    assert '"***"' in out
    assert "hunter2" not in out
