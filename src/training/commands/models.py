"""`textgrad-agents models`: the known models, and the making of built-in ones."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from textgrad_agents.engines.models import model_table
from training.command_line import Parser


def main(arguments: Sequence[str]) -> int:
    """List the known models, or make a built-in one."""
    parser = Parser(prog="textgrad-agents models", description="List the known models, their prices and keys.")
    actions = parser.add_subparsers(dest="action", metavar="make")
    make = actions.add_parser("make", help="make a built-in model: tiny takes about a minute, small about ten")
    make.add_argument("kind", metavar="KIND", help="tiny or small")
    make.add_argument("--cache", type=Path, metavar="DIR", help="where to keep it (default: the user's cache)")
    flags = parser.parse_args(arguments)
    if flags.action == "make":
        make_model(flags.kind, flags.cache)
    else:
        print_models()
    return 0


def make_model(kind: str, cache: Path | None = None) -> Path:
    """Make a built-in model, unless it is there, and show how far it is; returns its folder.

    Raises:
        ConfigError: there is no such model, or the cache cannot be written.
        FileFormatError: the files of the model were changed.
    """
    from training.numeric.tiny import tiny_model

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"making {kind}", total=None)
        folder = tiny_model(kind, cache, told=lambda done, of: bar.update(task, completed=done, total=of))
    sys.stdout.write(f"{kind} is in {folder}\n")
    return folder


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
