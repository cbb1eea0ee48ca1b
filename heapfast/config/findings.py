"""What validation finds on its way, collected so that the user sees all of it at once.

In      a flag, what it got and what was wanted
Out     faults, which stop the start, and notes, which are logged by it
Callers config.build, config.source
"""

from __future__ import annotations


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
