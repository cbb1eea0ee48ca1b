"""The command line: serve, or run one stage by hand.

In      argv
Out     an exit code: 0 done (also after Ctrl-C and SIGTERM), 1 something could not be done, 2 wrong usage,
        130 interrupted before there was anything to stop
Callers __main__, the console script
Never   imports a stage before its command asks for it: `heapfast --help` is instant
"""

from __future__ import annotations

import difflib
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from heapfast import __version__
from heapfast.errors import ConfigError, HeapfastError, ParseError

if TYPE_CHECKING:
    import argparse

    from heapfast.config.options import Options

DONE = 0
FAILED = 1
WRONG_USAGE = 2
INTERRUPTED = 130
WIDE = 200


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line; whatever can be said in one line is, on standard error."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        if not words or words[0].startswith("-"):
            return _serve(words)
        command = _COMMANDS.get(words[0])
        if command is None:
            return _unknown_command(words[0])
        return command[1](words[1:])
    except ConfigError as error:
        _say_faults(error)
        return WRONG_USAGE
    except HeapfastError as error:
        _say(str(error))
    except OSError as error:
        # A port in use, a certificate that cannot be read: the world's fault, not worth a stack.
        _say(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except KeyboardInterrupt:
        # Only before there is anything to stop: a running daemon takes Ctrl-C as a request.
        return INTERRUPTED
    return FAILED


def _serve(words: list[str]) -> int:
    """Runs the daemon until it is told to stop."""
    if answer := _answer(words):
        sys.stdout.write(answer)
        return DONE
    options = _options(words)
    _start_logging(options)
    from heapfast import daemon

    try:
        daemon.run(options)
    except ConfigError as error:
        # The command line was right; what it names is not there, or not what it should be.
        _say_faults(error)
        return FAILED
    return DONE


def _check_config(words: list[str]) -> int:
    """Prints what the daemon would run with, as JSON."""
    if answer := _answer(words):
        sys.stdout.write(answer)
        return DONE
    import msgspec

    options = _options(words)
    for note in options.notes:
        _say(f"note: {note}")
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(options, enc_hook=repr), indent=2).decode() + "\n")
    return DONE


def _simulate(words: list[str]) -> int:
    """Runs the simulated cluster until it is told to stop."""
    from heapfast.sim import main as simulator

    parser = _parser("simulate")
    simulator.add_arguments(parser)
    simulator.run(simulator.options_from_args(parser.parse_args(words)))
    return DONE


def _demo(words: list[str]) -> int:
    """Runs simulator and daemon together until told to stop."""
    from heapfast.sim import demo

    parser = _parser("demo")
    demo.add_arguments(parser)
    demo.run(demo.options_from_args(parser.parse_args(words)))
    return DONE


def _parse(words: list[str]) -> int:
    """Prints what is in a kubelet's answer, or the place where it is none."""
    from rich.console import Console

    from heapfast import parse_file

    parser = _parser("parse")
    parser.add_argument("file", type=Path, help="the body of a kubelet's answer")
    parser.add_argument("--kind", choices=parse_file.PARSERS, help="its source; told from the bytes if not given")
    arguments = parser.parse_args(words)
    body = arguments.file.read_bytes()
    try:
        rows = parse_file.parse_body(body, arguments.kind or parse_file.guess_kind(body))
    except ParseError as error:
        _say(f"{error}\n{parse_file.excerpt(body, error)}")
        return FAILED
    # Into a pipe or a file nothing needs to be folded.
    parse_file.print_rows(rows, Console(width=None if sys.stdout.isatty() else WIDE))
    return DONE


def _inspect(words: list[str]) -> int:
    """Shows what is in a --data-dir, and checks it."""
    import msgspec
    from rich.console import Console

    from heapfast import inspect_dir

    parser = _parser("inspect")
    parser.add_argument("directory", type=Path, metavar="DIR", help="what --data-dir is, or was")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    arguments = parser.parse_args(words)
    report = inspect_dir.inspect(arguments.directory)
    if arguments.json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n")
    else:
        inspect_dir.print_report(report, Console(width=None if sys.stdout.isatty() else WIDE))
    return FAILED if report.is_damaged else DONE


def _bench(words: list[str]) -> int:
    """Runs the load tests, which are in the source tree and not in the package."""
    trees = (Path.cwd(), Path(__file__).resolve().parents[1])
    tree = next((tree for tree in trees if (tree / "bench" / "command.py").is_file()), None)
    if tree is None:
        _say("bench: there is no bench/ here; run this in heapfast's source tree, which has it")
        return WRONG_USAGE
    sys.path.insert(0, str(tree))
    from importlib import import_module

    try:
        command = import_module("bench.command")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "hdrh":
            raise
        _say("bench: hdrhistogram is not installed; pip install 'heapfast[bench]' brings it")
        return WRONG_USAGE
    status: int = command.main(words, "heapfast bench")
    return status


def _parser(command: str) -> argparse.ArgumentParser:
    import argparse

    return argparse.ArgumentParser(prog=f"heapfast {command}", description=_COMMANDS[command][0])


def _answer(words: list[str]) -> str:
    """What --help or --version print, "" when neither is asked for."""
    from heapfast.config.argv import parse_argv

    values, _, faults = parse_argv(words)
    if values["help"]:
        from heapfast.config.help import format_help

        return format_help({name: text for name, (text, _) in _COMMANDS.items()})
    return _version() if values["version"] and not faults else ""


def _options(words: list[str]) -> Options:
    from heapfast.config.build import build_options

    return build_options(words, os.environ)


class _JsonLines(logging.Formatter):
    """One JSON object a line, with the members that Kubernetes' own daemons write; `ts` is in milliseconds."""

    def format(self, record: logging.LogRecord) -> str:
        import msgspec

        line = {
            "ts": round(record.created * 1000, 3),
            "caller": f"{record.filename}:{record.lineno}",
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": record.getMessage(),
        }
        if record.exc_info:
            line["stacktrace"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


def _start_logging(options: Options) -> None:
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(_JsonLines() if options.log.format == "json" else text)
    logging.basicConfig(level=options.log.level, handlers=[handler])


def _version() -> str:
    from heapfast._build import BUILD_ROW

    stated = Path(__file__).with_name("commit.txt")
    commit = stated.read_text().strip() if stated.exists() else "unknown"
    return f"version: v{__version__}\ncommit: {commit}\nbuild: {BUILD_ROW}\n"


def _unknown_command(word: str) -> int:
    near = difflib.get_close_matches(word, _COMMANDS, n=1)
    _say(f"{word}: unknown command ({f'did you mean {near[0]}?' if near else '--help lists them all'})")
    return WRONG_USAGE


def _say_faults(error: ConfigError) -> None:
    for fault in error.faults:
        _say(fault)


def _say(text: str) -> None:
    sys.stderr.write(f"heapfast: {text}\n")


_COMMANDS: dict[str, tuple[str, Callable[[list[str]], int]]] = {
    "check-config": ("Print what the daemon would run with, or every fault of its flags.", _check_config),
    "parse": ("Show what the daemon would read from a kubelet's answer in a file.", _parse),
    "inspect": ("Show what is in a --data-dir, and check every byte of it.", _inspect),
    "simulate": ("Run a simulated cluster: an API server and kubelets on loopback.", _simulate),
    "demo": ("Run the simulated cluster and the daemon on it, and print what to try.", _demo),
    "bench": ("Load-test the daemon and other metrics servers on a simulated cluster (source tree).", _bench),
}
