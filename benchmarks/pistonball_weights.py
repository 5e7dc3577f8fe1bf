"""Pistonball by weights alone: the built-in model learns from nothing but rewards, over seeds.

    python benchmarks/pistonball_weights.py                    # seeds 0 to 4, 30 iterations, 10 pistons
    python benchmarks/pistonball_weights.py --seeds 0 3 --iterations 20

Each run is that of `train_pistonball.py --base_model tiny`. "Reached" is the first iteration (counted from 1) of whose
16 sampled episodes 14 or more were won; after the last one, fresh starts are played twice: sampled as in training, and
greedily.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

import torch

from textgrad_agents.trajectory import Episode
from training import EpisodeGenerator, MonteCarloTrainer, TrainingConfig
from training.small_models import with_defaults

AIM = 14
FRESH = 16


def won(episode: Episode) -> bool:
    """True if the ball reached the wall."""
    return episode.error is None and not episode.truncated


def run(seed: int, pistons: int, iterations: int) -> dict[str, Any]:
    given = {"base_model": "tiny", "num_pistons": pistons, "seed": seed}
    with tempfile.TemporaryDirectory() as folder:
        places = {"experiments_dir": folder, "policy_path": Path(folder) / "policy.json"}
        config = TrainingConfig(**with_defaults({**given, **places, "num_iterations": iterations}))
        with MonteCarloTrainer(config) as trainer:
            started = time.process_time(), time.perf_counter()
            trainer.train_full()
            spent = time.process_time() - started[0], time.perf_counter() - started[1]
            records = [trainer.episode_loader.load_records(config.exp_name, number) for number in range(iterations)]
            sampled, greedy = (fresh(trainer, temperature) for temperature in (config.exploration, 0.0))
        wins = [sum(map(won, episodes)) for episodes in records]
        return {
            "wins": wins,
            "reached": next((number for number, count in enumerate(wins, 1) if count >= AIM), None),
            "sampled": sum(map(won, sampled)),
            "greedy": sum(map(won, greedy)),
            "cycles": sum(episode.length for episode in sampled) / len(sampled),
            "cpu": spent[0],
            "wall": spent[1],
        }


def fresh(trainer: MonteCarloTrainer, temperature: float) -> list[Episode]:
    """Episodes of starts that nothing was learned from."""
    assert trainer.engines is not None
    assert trainer.policy_manager is not None
    collector = EpisodeGenerator.of(trainer.config, trainer.engines.actor).collector(with_model=True)
    policies = trainer.policy_manager.get_current_policies()
    played = collector.collect(
        policies, branch="evaluate", iteration=0, episodes=range(FRESH), temperature=temperature, record=False
    )
    return asyncio.run(played)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--pistons", type=int, default=10)
    parser.add_argument("--iterations", type=int, default=30)
    flags = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{date.today()}, {platform.machine()}, Python {platform.python_version()}, torch {torch.__version__}\n")
    print(
        f"| seed | {AIM} of 16 reached | wins of 16, iterations 1, 5, 10, … | fresh, sampled | fresh, greedy "
        "| cycles, sampled | CPU s | s |"
    )
    print("|---|---|---|---|---|---|---|---|")
    reached = 0
    for seed in flags.seeds:
        row = run(seed, flags.pistons, flags.iterations)
        reached += row["reached"] is not None
        course = ", ".join(str(row["wins"][max(0, number - 1)]) for number in range(0, flags.iterations + 1, 5))
        print(
            f"| {seed} | {row['reached'] or 'no'} | {course} | {row['sampled']} of {FRESH} "
            f"| {row['greedy']} of {FRESH} | {row['cycles']:.0f} | {row['cpu']:.0f} | {row['wall']:.0f} |",
            flush=True,
        )
    print(f"\n{AIM} of 16 within {flags.iterations} iterations: {reached} of {len(flags.seeds)} seeds")


if __name__ == "__main__":
    main()
