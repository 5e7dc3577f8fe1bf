"""What `train_env.py` makes of games over many seeds: train, then play fresh episodes with what came of it.

    python benchmarks/games_seeds.py                                   # the games of docs/games.md, seeds 0 to 9
    python benchmarks/games_seeds.py --games classic/tictactoe-v3 --seeds 3 --set opponents=self

Every run is the script's own (5 iterations of 3 episodes, built-in engine, sequential gate). "untrained" is the default
policy on the same fresh episodes. CPU seconds are those of the training alone.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from training import EpisodeGenerator, MonteCarloTrainer, TrainingConfig

FRESH_EPISODES = 10
GAMES = [
    "classic/tictactoe-v3",
    "classic/connect_four-v3",
    "mpe2/simple_spread-v3",
    "classic/rps-v2",
    "butterfly/knights_archers_zombies-v11",
]


def run(game: str, seed: int, settings: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        config = TrainingConfig(
            environment="pettingzoo",
            env=game,
            seed=seed,
            save_gif=False,
            experiments_dir=folder,
            policy_path=Path(folder) / "policy.json",
            **settings,
        )
        started = time.process_time()
        with MonteCarloTrainer(config) as trainer:
            untrained = trainer.policy_manager.get_current_policies()
            stats = trainer.train_full()
            trained = trainer.policy_manager.get_current_policies()
        seconds = time.process_time() - started
        generator = EpisodeGenerator.of(config)
        return {
            "untrained": generator.evaluate_policy(untrained, FRESH_EPISODES)["mean_reward"],
            "trained": generator.evaluate_policy(trained, FRESH_EPISODES)["mean_reward"],
            "accepted": sum(row["accepted"] for row in stats),
            "seconds": seconds,
        }


def value(text: str) -> Any:
    return int(text) if text.lstrip("-").isdigit() else text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--games", nargs="+", default=GAMES)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="further settings of the runs")
    flags = parser.parse_args()
    settings = {name: value(text) for name, _, text in (one.partition("=") for one in flags.set)}
    print(f"{platform.machine()}, Python {platform.python_version()}, seeds 0 to {flags.seeds - 1} {settings or ''}\n")
    print(
        "| game | untrained, mean (worst, best) | trained, mean (worst, best) | better on | accepted | median CPU s |"
    )
    print("|---|---|---|---|---|---|")
    for game in flags.games:
        rows = [run(game, seed, settings) for seed in range(flags.seeds)]
        before, after = ([row[key] for row in rows] for key in ("untrained", "trained"))
        print(
            f"| `{game}` | {statistics.fmean(before):.1f} ({min(before):.1f}, {max(before):.1f}) "
            f"| {statistics.fmean(after):.1f} ({min(after):.1f}, {max(after):.1f}) "
            f"| {sum(b > a for a, b in zip(before, after, strict=True))} of {len(rows)} "
            f"| {sum(row['accepted'] for row in rows)} of {5 * len(rows)} "
            f"| {statistics.median(row['seconds'] for row in rows):.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
