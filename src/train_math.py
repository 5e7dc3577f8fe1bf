"""Train a model on mathematics: its prompt in words, its weights by policy gradient, both on the same episodes.

    python src/train_math.py

makes the built-in model `tiny` if it is not there (a minute or two), trains it on problems that are made up, and
compares old and new prompt with old and new weights on 500 problems that nothing was learned from. Other models and
problems: --base_model PATH --problems gsm8k; a model behind an address learns in words alone: --model gpt-4o-mini.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from training.command_line import Parser, add_model
from training.config import TrainingConfig
from training.environments import MathSettings
from training.launch import add_run_flags, launch, report_comparison
from training.small_models import with_defaults

LEFT_OUT = ("environment", "name", "exp_name", "agent_type", "rule_k", "rule_tau", "save_gif", "save_mp4")


def parse(arguments: Sequence[str]) -> tuple[dict[str, Any], argparse.Namespace]:
    """Settings that were given, by name, and how to run."""
    parser = Parser(prog="train_math.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    run = add_run_flags(parser)
    parser.add_argument("--test_tasks", type=int, default=500, help="problems to compare on at the end (500; 0: none)")
    parser.add_argument("--exp_name", default=argparse.SUPPRESS, help="name of the run's folder (default: math_exp)")
    add_model(parser, MathSettings, leave_out=LEFT_OUT)
    add_model(parser, TrainingConfig, leave_out=LEFT_OUT)
    flags = parser.parse_args(arguments)
    settings = {name: value for name, value in vars(flags).items() if name not in (*run, "test_tasks")}
    if flags.config is None:
        settings = {"environment": "math", "save_gif": False} | settings
        if not {"base_model", "model", "llm_config", "episode_llm_config"} & settings.keys():
            settings |= {"base_model": "tiny", "update": settings.get("update", "both")}
        settings = with_defaults(settings)
    return settings, flags


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    settings, flags = parse(sys.argv[1:] if arguments is None else arguments)
    return launch(
        settings,
        flags,
        command="python src/train_math.py",
        finish=lambda trainer: report_comparison(trainer, flags.test_tasks),
    )


if __name__ == "__main__":
    sys.exit(main())
