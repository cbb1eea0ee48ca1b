"""Command lines in Go's flag syntax."""

import re
from pathlib import Path

import pytest

from heapfast.config.argv import parse_argv
from heapfast.config.flags import FLAGS
from tests.shared import shared_path

SECOND_NS = 1_000_000_000


@pytest.mark.parametrize(
    ("argv", "name", "value"),
    [
        (["--heapster-port=80"], "heapster-port", 80),
        (["--heapster-port", "80"], "heapster-port", 80),
        (["--heapster_port=80"], "heapster-port", 80),
        (["--heapster_port", "80"], "heapster-port", 80),
        (["-heapster-port=80"], "heapster-port", 80),
        (["--heapster-port=80", "--heapster-port=81"], "heapster-port", 81),
        (["--metric_resolution=1m30s"], "metric-resolution", 90 * SECOND_NS),
        (["--disable-export"], "disable-export", True),
        (["--disable-export=false"], "disable-export", False),
        (["--disable-export=T"], "disable-export", True),
        (["--profiling=0"], "profiling", False),
        (["--logtostderr"], "logtostderr", True),
        (["-logtostderr=false"], "logtostderr", False),
        (["-v=2"], "v", 2),
        (["-v", "2"], "v", 2),
        (["-v2"], "v", 2),
        (["--v=2"], "v", 2),
        (["--stderrthreshold=warning"], "stderrthreshold", "WARNING"),
        (["--stderrthreshold=3"], "stderrthreshold", "FATAL"),
        (["-h"], "help", True),
        (["-l=a=b"], "node-selector", "a=b"),
        (["-l", "a!=b,c"], "node-selector", "a!=b,c"),
        (["--node-selector=a!=b"], "node-selector", "a!=b"),
        (
            ["--requestheader-username-headers=a", "--requestheader-username-headers=b"],
            "requestheader-username-headers",
            ("a", "b"),
        ),
        (["--tls-sni-cert-key=a,b:c", "--tls-sni-cert-key=d,e"], "tls-sni-cert-key", ("a,b:c", "d,e")),
        (["--logging-format=json"], "logging-format", "json"),
        (["--label-separator="], "label-separator", ""),
        (["--label-separator", ""], "label-separator", ""),
        (["--label-separator=="], "label-separator", "="),
        (["--label-separator", "--"], "label-separator", "--"),
        (["--allowed-users=a, b"], "allowed-users", ("a", " b")),
        (["--allowed-users=a", "--allowed-users=b"], "allowed-users", ("b",)),
        (["--ignore-label=a,b", "--ignore_label", "c"], "ignore-label", ("a", "b", "c")),
        (["--long-metrics=memory/rss"], "long-metrics", ("memory/rss",)),
        (["--source=kubernetes:http://a?x=1,2"], "source", ("kubernetes:http://a?x=1,2",)),
        (["--sink=metric", "--sink=log"], "sink", ("metric", "log")),
    ],
)
def test_a_flag_is_read_as_go_would(argv: list[str], name: str, value: object) -> None:
    values, _, faults = parse_argv(argv)
    assert values[name] == value
    assert faults == []


def test_an_empty_command_line_has_every_default() -> None:
    values, _, faults = parse_argv([])
    assert values == {name: flag.default for name, flag in FLAGS.items()}
    assert faults == []


def test_a_switch_leaves_the_next_word_alone() -> None:
    values, _, faults = parse_argv(["--disable-export", "false"])
    assert values["disable-export"] is True
    assert faults == ["false: unexpected argument; flags start with --"]


@pytest.mark.parametrize(
    ("argv", "fault"),
    [
        (["--heapster-prot=80"], "--heapster-prot: unknown flag (did you mean --heapster-port?)"),
        (["--metric_resolutoin", "5s"], "--metric_resolutoin: unknown flag (did you mean --metric-resolution?)"),
        (["--xyzzy"], "--xyzzy: unknown flag (--help lists them all)"),
        (["-x"], "-x: unknown flag (--help lists them all)"),
        (["---v=1"], "---v: unknown flag (--help lists them all)"),
        (["--v"], "--v: got nothing, want a value"),
        (["--v=loud"], "--v: got 'loud', want an integer"),
        (["--metric-resolution=60"], "--metric-resolution: got '60', want a duration such as 60s, 1m30s or 1.5h"),
        (["--disable-export=maybe"], "--disable-export: got 'maybe', want true or false"),
        (["--stderrthreshold=LOUD"], "--stderrthreshold: got 'LOUD', want INFO, WARNING, ERROR, FATAL or 0 to 3"),
        (["--logging-format=xml"], "--logging-format: got 'xml', want text or json"),
        (["serve"], "serve: unexpected argument; flags start with --"),
        (["-"], "-: unexpected argument; flags start with --"),
        (["--", "--v=1"], "--v=1: unexpected argument; flags start with --"),
    ],
)
def test_a_fault_names_the_flag_and_leaves_the_rest_readable(argv: list[str], fault: str) -> None:
    values, _, faults = parse_argv(["--heapster-port=1", *argv])
    assert faults == [fault]
    assert values["heapster-port"] == 1


def test_every_fault_is_reported_in_order() -> None:
    _, _, faults = parse_argv(["--a-b-c=1", "--v=x", "word", "--max-procs=y"])
    assert [fault.partition(":")[0] for fault in faults] == ["--a-b-c", "--v", "word", "--max-procs"]


def test_a_flag_with_a_fault_keeps_its_default() -> None:
    values, _, _ = parse_argv(["--metric-resolution=soon"])
    assert values["metric-resolution"] == 60 * SECOND_NS


def test_the_table_has_every_flag_of_heapster() -> None:
    text = Path(shared_path("spec/heapster-rest.md")).read_text()
    section = text[text.index("## 12. Command-line flags") : text.index("Source URL options")]
    named = set(re.findall(r"`--([a-z_-]+)", section))
    # Two of the text's spellings are examples of its own.
    assert named - {"name", "metric_resolution"} <= FLAGS.keys()


def test_the_table_has_every_flag_of_metrics_server() -> None:
    text = Path(shared_path("spec/metrics-k8s-io.md")).read_text()
    section = text[text.index("## 17. Command-line flags") : text.index("## 18.")]
    # "--a-b-log", "-level" in one cell are two flags that differ in their last words; "x-*" stands for a family.
    named = set(re.findall(r"`--([a-z0-9-]+[a-z0-9])`", section)) - {"flag"}
    assert len(named) > 50
    assert named <= FLAGS.keys()
    families = set(re.findall(r"`--([a-z-]+-)\*`", section))
    assert families == {"audit-", "log-json-", "log-text-"}
    assert all(any(name.startswith(family) for name in FLAGS) for family in families)


def test_flags_that_were_given_are_told_from_defaults() -> None:
    assert parse_argv(["--heapster_port=8082", "-v2", "--max-procs=many"]).given == {"heapster-port", "v", "max-procs"}


def test_every_default_can_be_written_on_the_command_line() -> None:
    for flag in FLAGS.values():
        if not flag.repeats or flag.default:
            values, _, faults = parse_argv([f"--{flag.name}={flag.show(flag.default)}"])
            assert (values[flag.name], faults) == (flag.default, [])
