"""Figures, what they may be, and the command line that every micro bench has.

In      a bench's run function, its scale and its budgets
Out     a table on stdout; the exit status, 1 when a budget was missed at full size
Callers bench/micro/*, bench/micro/command.py
Source  budgets: bench/README.md
Never   judges a smaller size: budgets are about the full one
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

#: By name. A name ends in its unit: "close: run, ms of CPU".
Figures = dict[str, float]

#: Wide enough for every table here. A pipe has no width of its own, and 80 columns would fold the cells.
PIPED_WIDTH = 140


class Scale(NamedTuple):
    """How big a bench is: in earnest, and when it only has to show that it runs."""

    full: int
    quick: int
    unit: str


class Budget(NamedTuple):
    """What a figure must be."""

    limit: float
    is_floor: bool

    def is_met(self, figure: float) -> bool:
        return figure >= self.limit if self.is_floor else figure <= self.limit

    def __str__(self) -> str:
        return f"{'≥' if self.is_floor else '≤'} {self.limit:,g}"


Budgets = Mapping[str, Budget]


def at_most(limit: float) -> Budget:
    return Budget(limit, is_floor=False)


def at_least(limit: float) -> Budget:
    return Budget(limit, is_floor=True)


def console() -> Console:
    """Stdout, as wide as the terminal, or as a table needs in a pipe."""
    usual = Console()
    return usual if usual.is_terminal else Console(width=PIPED_WIDTH)


def missed(figures: Figures, budgets: Budgets) -> list[str]:
    """Names of figures that are not what they must be.

    Raises:
        KeyError: a budget is about a figure that is not there.
    """
    return [name for name, budget in budgets.items() if not budget.is_met(figures[name])]


def print_figures(title: str, figures: Figures, budgets: Budgets) -> None:
    table = Table("figure", title=title, title_justify="left")
    table.add_column("measured", justify="right")
    table.add_column("budget", justify="right")
    over = missed(figures, budgets)
    for name, figure in figures.items():
        table.add_row(name, f"{figure:,.2f}", f"{budgets.get(name, '')}{' MISSED' if name in over else ''}")
    console().print(table)


def main(about: str | None, run: Callable[[int], Figures], scale: Scale, budgets: Budgets) -> int:
    """Runs one bench as its command line says.

    Args:
        about: the module's docstring; its first line is the title.

    Returns:
        The exit status.
    """
    title = (about or "").partition("\n")[0]
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("size", nargs="?", type=int, help=f"{scale.unit}; {scale.full:,} unless told")
    parser.add_argument("--quick", action="store_true", help=f"{scale.quick:,} {scale.unit}, and no judgement")
    asked = parser.parse_args()
    size = asked.size or (scale.quick if asked.quick else scale.full)
    is_full = size == scale.full and not asked.quick
    figures = run(size)
    judged = budgets if is_full else {}
    print_figures(f"{title} ({size:,} {scale.unit})", figures, judged)
    return 1 if missed(figures, judged) else 0
