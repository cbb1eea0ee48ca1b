"""What validation finds on its way, collected so that the user sees all of it at once.

In      a flag, what it got and what was wanted
Out     faults, which stop the start, and notes, which are logged by it
Callers config.build and the modules beside it
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from heapfast.codec._duration import format_duration

MAX_PORT = 65535


class Findings:
    """Faults and notes, in the order they were met."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.notes: list[str] = []

    def refuse(self, flag: str, got: object, want: str) -> None:
        """Adds a fault: the daemon cannot run with this value of --flag."""
        self.faults.append(f"--{flag}: got {got}, want {want}")

    def note(self, flag: str, text: str) -> None:
        """Adds a note: the daemon runs, and --flag does less than it seems to."""
        self.notes.append(f"--{flag}: {text}")

    def check_pair(self, values: Mapping[str, Any], cert: str, key: str) -> None:
        """Refuses a certificate without its key, and a key without its certificate."""
        if values[cert] and not values[key]:
            self.refuse(key, "nothing", f"the key of --{cert}")
        if values[key] and not values[cert]:
            self.refuse(cert, "nothing", f"the certificate of --{key}")

    def check_port(self, flag: str, port: int, *, least: int) -> None:
        if not least <= port <= MAX_PORT:
            self.refuse(flag, port, f"a port from {least} to {MAX_PORT}")

    def check_not_negative(self, flag: str, value: int) -> None:
        if value < 0:
            self.refuse(flag, value, "0 or more")

    def check_durations(self, values: Mapping[str, Any], *flags: str) -> None:
        """Refuses durations below 0."""
        for flag in flags:
            if values[flag] < 0:
                self.refuse(flag, format_duration(values[flag]), "0s or more")
