"""--help: every command and flag, grouped.

In      the table of flags
Out     text, 100 columns wide at most
Callers cli
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from heapfast.config.flag import Flag, Group, parse_text
from heapfast.config.flags import FLAGS
from heapfast.config.values import parse_duration, parse_int

WIDTH = 100
_INDENT = " " * 8


def format_help(commands: Mapping[str, str]) -> str:
    """Writes the help text; commands are name -> what it does."""
    lines = [
        "Usage: heapfast [flags]                       run as metrics-server does",
        "       heapfast --source=KEY[:URL] [flags]    run as Heapster does",
        "       heapfast COMMAND [flags]",
        "",
        "Without a command: scrapes the cluster's kubelets and serves what they say. Either daemon's flags",
        "may be given to both; --secure-port and --heapster-port open the other one's port.",
        "",
        "Commands:",
        *(f"  {name:<14}{text}" for name, text in commands.items()),
        "",
        "Flags are --name=value or --name value; '_' and '-' are the same in names. Durations are written",
        "as in Go: 60s, 1m30s, 1.5h. Exit codes: 0 done, 1 something could not be done, 2 wrong usage.",
    ]
    for group in Group:
        lines += ["", f"{group.value}:"]
        flags = [flag for flag in FLAGS.values() if flag.group is group]
        if group is Group.IGNORED:
            lines += _names(flags)
        else:
            lines += (line for flag in flags for line in _flag_lines(flag))
    return "\n".join(lines) + "\n"


def _flag_lines(flag: Flag) -> Iterator[str]:
    default = flag.show(flag.default)
    yield f"  --{flag.name}{_value_name(flag)}"
    shown = f" Default: {default}." if default not in ("", "false") else ""
    yield from textwrap.wrap(flag.help + shown, WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT)


def _names(flags: Iterable[Flag]) -> list[str]:
    names = ", ".join(f"--{flag.name}" for flag in flags)
    return textwrap.wrap(names, WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)


def _value_name(flag: Flag) -> str:
    if flag.is_switch:
        return "[=false]" if flag.default else ""
    names: dict[Callable[[str], Any], str] = {parse_int: "=N", parse_duration: "=DURATION", parse_text: "=TEXT"}
    return names.get(flag.parse, "=LIST" if flag.repeats else "=TEXT")
