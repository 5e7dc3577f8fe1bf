"""`textgrad-agents models`: the known models."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from textgrad_agents.engines.models import model_table
from training.command_line import Parser


def main(arguments: Sequence[str]) -> int:
    """List the known models."""
    Parser(prog="textgrad-agents models", description="List the known models, their prices and keys.").parse_args(
        arguments
    )
    print_models()
    return 0


def print_models() -> None:
    """Print the table of models."""
    title = "rulebook (built in, no key) is used unless a model is named"
    table = Table(title=title, title_justify="left")
    for heading in ("name", "model string", "provider", "USD per 1M tokens, in / out", "ends", "key"):
        table.add_column(heading, overflow="fold")
    for row in model_table():
        price = "unknown" if row.input_price is None else f"{row.input_price:g} / {row.output_price:g}"
        ends = "" if row.successor is None else f"{row.retires_on or 'day unknown'}, then {row.successor}"
        key = (
            "none needed" if row.key_variable is None else f"{row.key_variable}{'' if row.key_present else ' not'} set"
        )
        table.add_row(row.name, row.model_string, row.provider, price, ends, key)
    Console(width=None if sys.stdout.isatty() else 160).print(table)
