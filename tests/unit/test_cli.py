"""The command line: which stage a command runs, what it prints, and its exit code."""

import errno
import json
import logging
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import heapfast
from heapfast import cli
from heapfast._build import BUILD_ROW
from heapfast.config.options import Options
from heapfast.errors import ConfigError, HeapfastError
from tests.shared import REPOSITORY

SOURCE = "--source=kubernetes.summary_api"
SUMMARY = {
    "node": {"nodeName": "node-1", "cpu": {"time": "2024-03-01T12:00:00Z", "usageCoreNanoSeconds": 123}},
    "pods": [
        {
            "podRef": {"name": "web", "namespace": "shop", "uid": "u-1"},
            "startTime": "2024-03-01T11:00:00Z",
            "containers": [
                {
                    "name": "nginx",
                    "startTime": "2024-03-01T11:00:01Z",
                    "memory": {"time": "2024-03-01T12:00:01Z", "usageBytes": 456},
                    "rootfs": {"usedBytes": 789},
                }
            ],
        }
    ],
}


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> list[Options]:
    """Stands in for the daemon; what it was asked to run with is in the list."""
    asked: list[Options] = []
    double = ModuleType("heapfast.daemon")
    double.run = asked.append  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "heapfast.daemon", double)
    monkeypatch.setattr(heapfast, "daemon", double, raising=False)
    monkeypatch.setattr(logging, "basicConfig", lambda **settings: None)
    return asked


def test_without_a_command_the_daemon_runs_with_the_options(daemon: list[Options]) -> None:
    assert cli.main([SOURCE, "--heapster-port=1"]) == 0
    assert [options.api.port for options in daemon] == [1]


def test_a_wrong_command_line_prints_every_fault_and_starts_nothing(
    daemon: list[Options], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["--heapster-port=x", "--sorce=kubernetes"]) == 2
    assert daemon == []
    assert capsys.readouterr().err.splitlines() == [
        "heapfast: --heapster-port: got 'x', want an integer",
        "heapfast: --sorce: unknown flag (did you mean --source?)",
    ]


def test_no_word_at_all_runs_as_metrics_server_does(daemon: list[Options]) -> None:
    assert cli.main([]) == 0
    (options,) = daemon
    assert options.source.kind == "resource"
    assert options.secure is not None
    assert options.secure.port == 443


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.EADDRINUSE, "Address already in use"), "[Errno 98] Address already in use"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "a.pem"), "a.pem: No such file or directory"),
        (HeapfastError("cannot start: got A, want B"), "cannot start: got A, want B"),
        (ConfigError("cannot read the key a.pem: Permission denied"), "cannot read the key a.pem: Permission denied"),
    ],
)
def test_what_the_world_does_wrong_is_one_line(
    error: Exception,
    line: str,
    daemon: list[Options],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(options: Options) -> None:
        raise error

    monkeypatch.setattr(sys.modules["heapfast.daemon"], "run", fail)
    assert cli.main([SOURCE]) == 1
    assert capsys.readouterr().err == f"heapfast: {line}\n"


def test_what_we_do_wrong_shows_its_stack(daemon: list[Options], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(options: Options) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(sys.modules["heapfast.daemon"], "run", fail)
    with pytest.raises(ZeroDivisionError):
        cli.main([SOURCE])


def logged(argv: list[str], monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """The level that a command line asks for, and a line as it would be written."""
    configured: list[Any] = []
    monkeypatch.setattr(logging, "basicConfig", lambda **settings: configured.append(settings))
    cli.main(argv)
    (settings,) = configured
    (handler,) = settings["handlers"]
    assert handler.stream is sys.stderr
    record = logging.LogRecord("heapfast.x", logging.INFO, "/src/x.py", 7, "%s is up", ("it",), None)
    record.created = 1.25
    return settings["level"], handler.format(record)


def test_logging_goes_to_standard_error_at_the_level_asked_for(
    daemon: list[Options], monkeypatch: pytest.MonkeyPatch
) -> None:
    level, line = logged([SOURCE, "-v=4"], monkeypatch)
    assert level == "DEBUG"
    assert line.endswith(" INFO heapfast.x: it is up")


def test_logging_as_json_is_one_object_a_line(daemon: list[Options], monkeypatch: pytest.MonkeyPatch) -> None:
    level, line = logged(["--logging-format=json"], monkeypatch)
    assert level == "INFO"
    assert json.loads(line) == {
        "ts": 1250.0, "caller": "x.py:7", "level": "info", "logger": "heapfast.x", "msg": "it is up",
    }  # fmt: skip


def test_json_lines_carry_the_stack(daemon: list[Options], monkeypatch: pytest.MonkeyPatch) -> None:
    configured: list[Any] = []
    monkeypatch.setattr(logging, "basicConfig", lambda **settings: configured.append(settings))
    cli.main(["--logging-format=json"])
    try:
        raise KeyError("gone")
    except KeyError:
        record = logging.LogRecord("x", logging.ERROR, "x.py", 1, "bad\nday", (), sys.exc_info())
    line = configured[0]["handlers"][0].format(record)
    assert "\n" not in line
    assert "KeyError: 'gone'" in json.loads(line)["stacktrace"]


def test_the_version_has_heapsters_two_lines_and_the_build_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    version, commit, build = capsys.readouterr().out.splitlines()
    assert version == f"version: v{heapfast.__version__}"
    assert re.fullmatch("commit: ([0-9a-f]{40}|unknown)", commit)
    assert build == f"build: {BUILD_ROW}"


def test_a_fault_beats_the_version() -> None:
    assert cli.main(["--version", "--nope"]) == 2


@pytest.mark.parametrize("argv", [["--help"], ["-h"], [SOURCE, "--help"], ["--nope", "--help"], ["check-config", "-h"]])
def test_help_lists_every_command_and_flag(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    from heapfast.config.flags import FLAGS

    assert cli.main(argv) == 0
    text = capsys.readouterr().out
    assert [name for name in FLAGS if f"--{name}" not in text] == []
    assert all(f"\n  {command} " in text for command in ("check-config", "parse", "simulate", "demo", "bench"))
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("simulat", "simulat: unknown command (did you mean simulate?)"),
        ("xyzzy", "xyzzy: unknown command (--help lists them all)"),
    ],
)
def test_an_unknown_command_is_refused(word: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([word]) == 2
    assert capsys.readouterr().err == f"heapfast: {line}\n"


def test_check_config_prints_what_the_daemon_would_run_with(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check-config", SOURCE, "--metric-resolution=10s", "--log-dir=/tmp"]) == 0
    out, err = capsys.readouterr()
    printed = json.loads(out)
    assert printed["resolution_ns"] == 10_000_000_000
    assert printed["source"]["kind"] == "summary"
    assert err == "heapfast: note: --log-dir: has no effect; heapfast logs to standard error\n"


def test_check_config_prints_every_fault(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check-config", "--source=docker", "--sink=nosuch", "--secure-port=-1"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split(":")[1].strip() for line in err.splitlines()] == ["--source", "--sink", "--secure-port"]


def test_parse_shows_every_value_of_a_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "summary.json"
    path.write_text(json.dumps(SUMMARY))
    assert cli.main(["parse", str(path)]) == 0
    out = capsys.readouterr().out
    for shown in ("node-1", "cpu/usage 123", "shop/web/nginx", "memory/usage 456", "filesystem", "usage=789"):
        assert shown in out
    assert "2024-03-01T12:00:01Z" in out
    assert out.endswith("3 entities, 0 bad values left out\n")


def test_parse_takes_the_kind_from_the_flag_or_the_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "stats.json"
    path.write_text('{"/": {"name": "/", "spec": {"has_cpu": true}, "stats": [{"cpu": {"usage": {"total": 5}}}]}}')
    assert cli.main(["parse", "--kind=cadvisor", str(path)]) == 0
    by_flag = capsys.readouterr().out
    assert "cpu/usage 5" in by_flag
    assert cli.main(["parse", str(path)]) == 0
    assert capsys.readouterr().out == by_flag


def test_parse_reads_resource_metrics(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "resource.txt"
    path.write_text("# TYPE node_cpu_usage_seconds_total counter\nnode_cpu_usage_seconds_total 1.5 1709294401000\n")
    assert cli.main(["parse", str(path)]) == 0
    out = capsys.readouterr().out
    assert "cpu/usage 1500000000" in out
    assert "2024-03-01T12:00:01Z" in out


def test_parse_points_at_the_byte_that_does_not_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(b'{"node": {"nodeName": "\xc3\xa9" !}}')
    assert cli.main(["parse", str(path)]) == 1
    message, excerpt, caret = capsys.readouterr().err.splitlines()
    assert message.startswith("heapfast: cannot parse")
    assert message.endswith("at byte 27")
    assert excerpt == '{"node": {"nodeName": ".." !}}'
    assert excerpt[caret.index("^")] == "!"


def test_parse_of_a_file_that_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "gone.json"
    assert cli.main(["parse", str(path)]) == 1
    assert capsys.readouterr().err == f"heapfast: {path}: No such file or directory\n"


def test_the_module_runs_as_the_command_does() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "heapfast", "--version"], capture_output=True, text=True, timeout=30, check=True
    )
    assert result.stdout.startswith(f"version: v{heapfast.__version__}\n")


def test_bench_without_its_extra_is_one_line() -> None:
    program = (
        "import sys; sys.modules['hdrh'] = None; from heapfast.cli import main; sys.exit(main(['bench', 'scenarios']))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=REPOSITORY, timeout=60)
    line = "heapfast: bench: hdrhistogram is not installed; pip install 'heapfast[bench]' brings it\n"
    assert (result.returncode, result.stdout, result.stderr) == (2, "", line)
