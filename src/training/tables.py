"""Tables on stdout: as wide as the terminal, or as a line of a log may be."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table

WIDTH = 120


def make_table(title: str, *headings: str, words: tuple[str, ...] = ()) -> Table:
    """A table whose first column and those in `words` hold words, the others numbers."""
    table = Table(title=title, title_justify="left")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number and heading not in words else "left")
    return table


def print_table(table: Table) -> None:
    """Print a table."""
    Console(width=None if sys.stdout.isatty() else WIDTH).print(table)


def amount(value: float, *, sign: bool = False) -> str:
    """A return or score for people: one decimal, or three of what is below 1 (a share of problems)."""
    written = f"{value:.3f}" if 0 < abs(value) < 1 else f"{value:.1f}"
    return f"+{written}" if sign and value >= 0 else written


def say(line: str) -> None:
    """One line on stdout."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
