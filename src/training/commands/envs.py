"""`textgrad-agents envs`: what is registered."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from envs.registry import ALL
from training.command_line import Parser


def main(arguments: Sequence[str]) -> int:
    """List environments and datasets."""
    description = "List the environments and datasets that are registered, those of installed packages too."
    Parser(prog="textgrad-agents envs", description=description).parse_args(arguments)
    table = Table()
    for heading in ("name", "kind", "is", "made with"):
        table.add_column(heading, overflow="fold")
    for registry in ALL:
        for name, place in registry.places().items():
            table.add_row(name, registry.what, place, f'{registry.how}("{name}")')
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    return 0
