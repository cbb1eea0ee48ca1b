"""What a person sees while a bench runs: one line that changes, on stderr.

In      texts
Out     a spinner where stderr is a terminal, else a line a text
Callers bench/command.py
Never   writes to stdout, which is for results
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console


@contextmanager
def telling() -> Iterator[Callable[[str], None]]:
    """Gives the function that says what happens now."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda text: console.print(text, markup=False, highlight=False, soft_wrap=True)
        return
    with console.status("") as status:
        yield lambda text: status.update(text)
