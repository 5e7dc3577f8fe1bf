"""What `train_math.py` is worth over seeds: old and new prompt by old and new weights, per family of problems.

    python benchmarks/math_seeds.py                             # every family and channel, seeds 0 to 4
    python benchmarks/math_seeds.py --families shop --seeds 1 --update both

Three runs per seed and family: text alone, weights alone, both; each is the script's own with the built-in model. The
numbers are those of the corner of the run's table that it is about (new prompt and old weights for text alone, and so
on), greedy, on problems of the test split.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from typing import Any

import train_math
from training import MonteCarloTrainer, TrainingConfig

CORNERS = {"text": ("new", "old"), "weights": ("old", "new"), "both": ("new", "new")}


def run(family: str, seed: int, update: str, tasks: int, more: list[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        flags = ["--update", update, "--seed", str(seed), "--options", f'{{"family": "{family}"}}']
        flags += ["--experiments_dir", folder, "--policy_path", f"{folder}/policy.json", *more]
        settings, _ = train_math.parse(flags)
        started = time.process_time(), time.perf_counter()
        with MonteCarloTrainer(TrainingConfig(**settings)) as trainer:
            trainer.train_full()
            cells = {(cell.prompt, cell.weights): cell for cell in trainer.compare(tasks)}
        return {
            "start": cells["old", "old"],
            "end": cells[CORNERS[update]],
            "cpu": time.process_time() - started[0],
            "wall": time.perf_counter() - started[1],
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", nargs="+", default=["shop", "reverse", "count", "mixed"])
    parser.add_argument("--update", nargs="+", default=list(CORNERS), choices=list(CORNERS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tasks", type=int, default=504)
    flags, more = parser.parse_known_args()
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    print(f"{machine}, {flags.tasks} problems per number {' '.join(more)}\n")
    print(
        "| family | what learns | start | at the end, by seed | mean | beyond the start's interval | CPU s | wall s |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for family in flags.families:
        for update in flags.update:
            rows = [run(family, seed, update, flags.tasks, more) for seed in range(flags.seeds)]
            ends = [row["end"].mean for row in rows]
            beyond = sum(row["end"].interval[0] > row["start"].interval[1] for row in rows)
            print(
                f"| {family} | {update} | {statistics.fmean(row['start'].mean for row in rows):.3f} "
                f"| {', '.join(f'{end:.3f}' for end in ends)} | {statistics.fmean(ends):.3f} | {beyond} of {len(rows)} "
                f"| {statistics.median(row['cpu'] for row in rows):.0f} "
                f"| {statistics.median(row['wall'] for row in rows):.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
