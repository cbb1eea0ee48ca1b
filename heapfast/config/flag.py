"""What a flag is, and how a table of them is written.

In      one line a flag
Out     Flag rows, in the order in which --help shows them
Callers flags_heapster, flags_metrics_server, flags_ignored, flags; config.argv and config.help read
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

from heapfast.codec._duration import format_duration
from heapfast.config.values import parse_bool, parse_duration, parse_int, parse_list
from heapfast.units import NS_PER_SECOND


def parse_text(text: str) -> list[str]:
    """Reads a flag each occurrence of which is one value, commas and all."""
    return [text]


class Group(Enum):
    """Headings of --help, in its order."""

    COMMON = "Heapster's and metrics-server's"
    SOURCES = "Heapster's: where metrics come from and go to"
    LABELS = "Heapster's: labels"
    PLAIN_PORT = "Heapster's: its port"
    KUBELETS = "metrics-server's: how kubelets are asked"
    SECURE_PORT = "metrics-server's: the secure port"
    AUTH = "metrics-server's: who may ask on the secure port"
    STORE = "heapfast's own: memory"
    DISK = "heapfast's own: disk"
    SCRAPING = "heapfast's own: scraping"
    SINKS = "heapfast's own: sinks"
    SECURE_APIS = "heapfast's own: what the secure port serves beside metrics.k8s.io"
    QUERIES = "heapfast's own: queries"
    LOGGING = "Logging"
    IGNORED = "Accepted and without effect, which is noted at start"
    OTHER = "Other"


class Flag(NamedTuple):
    """One flag.

    Attributes:
        name: without dashes.
        parse: from the text on the command line to the value; ValueError says what was wanted.
        default: the value when the flag is not given.
        group: where --help shows it.
        help: what it does, in one sentence; of an ignored flag, why it does nothing.
        repeats: the values of all occurrences are joined; otherwise the last one counts.
    """

    name: str
    parse: Callable[[str], Any]
    default: Any
    group: Group
    help: str
    repeats: bool = False

    @property
    def is_switch(self) -> bool:
        """True when the bare flag means true, so that the next word is not its value."""
        return self.parse is parse_bool

    def show(self, value: Any) -> str:
        """Writes a value as a user would, "" when there is none."""
        if self.parse is parse_duration:
            return format_duration(value)
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, tuple):
            return ",".join(value)
        return str(value)


class FlagTable:
    """Takes one flag a call; `group` is the heading of those that follow."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self.flags: list[Flag] = []

    def add(self, name: str, parse: Callable[[str], Any], default: Any, text: str, repeats: bool = False) -> None:
        self.flags.append(Flag(name, parse, default, self.group, text, repeats))

    def string(self, name: str, text: str, default: str = "") -> None:
        self.add(name, str, default, text)

    def switch(self, name: str, text: str, default: bool = False) -> None:
        self.add(name, parse_bool, default, text)

    def integer(self, name: str, default: int, text: str) -> None:
        self.add(name, parse_int, default, text)

    def duration(self, name: str, default_seconds: int, text: str) -> None:
        self.add(name, parse_duration, default_seconds * NS_PER_SECOND, text)

    def words(self, name: str, text: str, default: tuple[str, ...] = ()) -> None:
        """Adds a list; the first occurrence replaces the default, the next ones add to it."""
        self.add(name, parse_list, default, f"{text} Comma-separated, repeatable.", repeats=True)

    def texts(self, name: str, text: str) -> None:
        """Adds a flag that parse_text reads."""
        self.add(name, parse_text, (), f"{text} Repeatable.", repeats=True)
