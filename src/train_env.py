"""Train the seats of any PettingZoo game in words.

    python src/train_env.py --env classic/tictactoe-v3

trains a policy for each of the two players with the built-in engine (no key, no network); an episode is 20 games of
each player against random moves. Other games: classic/connect_four-v3, mpe2/simple_spread-v3,
butterfly/knights_archers_zombies-v11, any other name of PettingZoo, or my_module:my_env.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from training.command_line import Parser, add_model
from training.config import TrainingConfig
from training.environments import PettingZooSettings
from training.launch import add_run_flags, launch

LEFT_OUT = ("environment", "name", "exp_name", "agent_type", "rule_k", "rule_tau")


def parse(arguments: Sequence[str]) -> tuple[dict[str, Any], argparse.Namespace]:
    """Settings that were given, by name, and how to run."""
    parser = Parser(prog="train_env.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    run = add_run_flags(parser)
    add_model(parser, PettingZooSettings, leave_out=LEFT_OUT)
    parser.add_argument("--exp_name", default=argparse.SUPPRESS, help="name of the run's folder (default: by the game)")
    add_model(parser, TrainingConfig, leave_out=LEFT_OUT)
    flags = parser.parse_args(arguments)
    settings = {name: value for name, value in vars(flags).items() if name not in run}
    if flags.config is None:
        settings = {"environment": "pettingzoo", "save_gif": False} | settings
    return settings, flags


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    settings, flags = parse(sys.argv[1:] if arguments is None else arguments)
    return launch(settings, flags, command="python src/train_env.py")


if __name__ == "__main__":
    sys.exit(main())
