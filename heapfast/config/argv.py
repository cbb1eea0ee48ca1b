"""A command line in Go's flag syntax, read by the table of flags.

In      argv without the program's name
Out     the value of every flag, defaults included, which were given, and every fault
Callers config.build, cli
Source  spec/heapster-rest.md 12, spec/metrics-k8s-io.md 17; Go's pflag with glog's flags added to it
Never   asks what values mean together
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from heapfast.config.flag import Flag
from heapfast.config.flags import FLAGS

_SHORT = {"h": "help", "l": "node-selector"}
_GLUED_VERBOSITY = re.compile(r"-v([0-9]+)")


class Arguments(NamedTuple):
    """A command line that was read.

    Attributes:
        values: by flag name, defaults included.
        given: names of the flags that stood there, for those whose absence means more than their default.
        faults: in order of the words, each naming its flag.
    """

    values: Mapping[str, Any]
    given: frozenset[str]
    faults: list[str]


def parse_argv(argv: Sequence[str]) -> Arguments:
    """Reads a command line; a flag with a fault keeps its default, and counts as given."""
    met: set[str] = set()
    given: dict[str, Any] = {}
    faults: list[str] = []
    for flag, text in _iter_flags(argv, faults):
        met.add(flag.name)
        try:
            value = flag.parse(text)
        except ValueError as error:
            faults.append(f"--{flag.name}: got {text!r}, want {error}")
            continue
        given[flag.name] = (*given.get(flag.name, ()), *value) if flag.repeats else value
    return Arguments({name: given.get(name, flag.default) for name, flag in FLAGS.items()}, frozenset(met), faults)


def _iter_flags(argv: Sequence[str], faults: list[str]) -> Iterator[tuple[Flag, str]]:
    """Cuts argv into flags and their texts; what is neither goes to faults."""
    words = list(reversed(argv))
    while words:
        word = words.pop()
        if word == "--":
            faults.extend(_unexpected(rest) for rest in reversed(words))
            return
        if not word.startswith("-") or word == "-":
            faults.append(_unexpected(word))
            continue
        if glued := _GLUED_VERBOSITY.fullmatch(word):
            word = f"-v={glued[1]}"
        spelling, equals, text = word.partition("=")
        name = spelling.removeprefix("-").removeprefix("-").replace("_", "-")
        flag = FLAGS.get(_SHORT.get(name, name))
        if flag is None:
            faults.append(f"{spelling}: unknown flag{_suggestion(name)}")
            if not equals and words and not words[-1].startswith("-"):
                words.pop()  # most likely its value; a fault of its own would only confuse
        elif equals:
            yield flag, text
        elif flag.is_switch:
            yield flag, "true"
        elif words:
            yield flag, words.pop()
        else:
            faults.append(f"--{flag.name}: got nothing, want a value")


def _unexpected(word: str) -> str:
    return f"{word}: unexpected argument; flags start with --"


def _suggestion(name: str) -> str:
    near = difflib.get_close_matches(name, FLAGS, n=1, cutoff=0.7)
    return f" (did you mean --{near[0]}?)" if near else " (--help lists them all)"
