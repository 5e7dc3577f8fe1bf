"""What the demo's run ends with, over many seeds: train, then play fresh episodes with the policy at the end.

    python benchmarks/demo_seeds.py                        # 10 and 20 pistons, seeds 0 to 9
    python benchmarks/demo_seeds.py --pistons 10 --seeds 20
    python benchmarks/demo_seeds.py --paradigm central_credit central_global independent

Every run is the demo's own (5 iterations of 3 episodes, built-in engine, sequential gate). "untrained" is the default
policy on the same fresh episodes. Calls and tokens are those of critic and optimizer; each run's wall time is that of
its training alone.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from training import EpisodeGenerator, MonteCarloTrainer, TrainingConfig

FRESH_EPISODES = 10


def run(arguments: tuple[int, int, str]) -> dict[str, Any]:
    pistons, seed, paradigm = arguments
    with tempfile.TemporaryDirectory() as folder:
        config = TrainingConfig(
            num_pistons=pistons,
            seed=seed,
            paradigm=paradigm,
            save_gif=False,
            experiments_dir=folder,
            policy_path=Path(folder) / "policy.json",
        )
        started = time.perf_counter()
        with MonteCarloTrainer(config) as trainer:
            untrained = trainer.policy_manager.get_current_policies()
            stats = trainer.train_full()
            trained = trainer.policy_manager.get_current_policies()
        seconds = time.perf_counter() - started
        generator = EpisodeGenerator.of(config)
        return {
            "pistons": pistons,
            "seed": seed,
            "paradigm": paradigm,
            "untrained": generator.evaluate_policy(untrained, FRESH_EPISODES)["mean_reward"],
            "trained": generator.evaluate_policy(trained, FRESH_EPISODES)["mean_reward"],
            "accepted": sum(row["accepted"] for row in stats),
            "calls": sum(row["textgrad_queries"] for row in stats),
            "tokens": sum(row["textgrad_estimated_tokens"] for row in stats),
            "seconds": seconds,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pistons", type=int, nargs="+", default=[10, 20])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first_seed", type=int, default=0)
    parser.add_argument("--paradigm", nargs="+", default=["central_credit"])
    parser.add_argument("--processes", type=int, default=1)
    flags = parser.parse_args()
    seeds = range(flags.first_seed, flags.first_seed + flags.seeds)
    jobs = [(pistons, seed, one) for pistons in flags.pistons for one in flags.paradigm for seed in seeds]
    print(f"{platform.machine()}, Python {platform.python_version()}, {flags.processes} process(es)\n")
    print("| pistons | paradigm | seed | untrained | trained | proposals accepted | training, s |")
    print("|---|---|---|---|---|---|---|")
    rows: list[dict[str, Any]] = []
    with ProcessPoolExecutor(flags.processes) as pool:
        for row in pool.map(run, jobs):
            rows.append(row)
            print(
                f"| {row['pistons']} | {row['paradigm']} | {row['seed']} "
                f"| {row['untrained']:.1f} | {row['trained']:.1f} "
                f"| {row['accepted']} of 5 | {row['seconds']:.1f} |",
                flush=True,
            )
    print(
        "\n| pistons | paradigm | untrained, mean | trained, mean | >= 80 on | >= 60 on | calls | tokens | median s |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for pistons in flags.pistons:
        for paradigm in flags.paradigm:
            own = [row for row in rows if (row["pistons"], row["paradigm"]) == (pistons, paradigm)]
            mean = {
                key: statistics.fmean(row[key] for row in own) for key in ("untrained", "trained", "calls", "tokens")
            }
            print(
                f"| {pistons} | {paradigm} | {mean['untrained']:.1f} | {mean['trained']:.1f} "
                f"| {sum(row['trained'] >= 80 for row in own)} of {len(own)} "
                f"| {sum(row['trained'] >= 60 for row in own)} of {len(own)} "
                f"| {mean['calls']:.0f} | {mean['tokens'] / 1000:.0f} k "
                f"| {statistics.median(row['seconds'] for row in own):.1f} |"
            )


if __name__ == "__main__":
    main()
