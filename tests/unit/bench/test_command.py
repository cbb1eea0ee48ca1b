"""`heapfast bench`: one command, and clear words for what it does not take."""

import pytest

from bench.command import COMMANDS, main
from bench.scenarios import SCENARIOS


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"], "heapfast bench")
    assert caught.value.code == 0
    assert f"usage: heapfast bench {name}" in capsys.readouterr().out


def test_nothing_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage" in capsys.readouterr().out


def test_an_unknown_command_names_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fast"]) == 2
    assert "fast: unknown; want one of micro, macro, compare" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["hundred", "--server", "nobody"], "want heapfast"),
        (["hundred", "--server", "heapfast", "--server", "heapfast"], "two have one name"),
        (["small"], "without TLS"),
        (["hundred", "--rounds", "0"], "must be above 0"),
        (["hundred", "--load-seconds=-1"], "must not be below 0"),
    ],
    ids=["unknown server", "twice", "no TLS", "no round", "no load"],
)
def test_what_compare_cannot_run_says_why(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *words]) == 2
    assert says in capsys.readouterr().err


def test_scenarios_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scenarios"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in SCENARIOS)
    assert "150,000" in out
