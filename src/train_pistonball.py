"""Train a team of pistons to carry a ball to the left wall.

    python src/train_pistonball.py --seed 0

plays, criticises and rewrites for 5 iterations with the built-in engine (no key, no network) and takes the average
return of 10 pistons from about 20 to above 80. Name a model to use another engine: --model gpt-4o-mini.

    python src/train_pistonball.py --base_model tiny

trains the weights of a small built-in model from nothing but rewards.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from training.command_line import Parser, add_model
from training.config import TrainingConfig
from training.environments import PistonballSettings
from training.launch import add_run_flags, launch
from training.small_models import chosen, with_defaults

LEFT_OUT = ("environment", "name")


def parse(arguments: Sequence[str]) -> tuple[dict[str, Any], argparse.Namespace]:
    """Settings that were given, by name, and how to run."""
    parser = Parser(prog="train_pistonball.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    run = add_run_flags(parser)
    add_model(parser, TrainingConfig, leave_out=LEFT_OUT)
    add_model(parser, PistonballSettings, leave_out=LEFT_OUT)
    flags = parser.parse_args(arguments)
    settings = {name: value for name, value in vars(flags).items() if name not in run}
    return settings, flags


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    settings, flags = parse(sys.argv[1:] if arguments is None else arguments)
    suited = settings if flags.config else with_defaults(settings)
    return launch(suited, flags, command="python src/train_pistonball.py", notes=chosen(settings, suited))


if __name__ == "__main__":
    sys.exit(main())
