"""The numeric learner's step side by side with TRL's: the same model, rows and loss (DAPO), in one process.

    benchmarks/.venvs/trl/bin/python benchmarks/numeric_speed.py [--rounds 3]

A step is forward, backward and AdamW over 8 groups of 16 rows, half the groups without advantage, on one thread; the
variants take turns, and the figures are the least CPU time of all rounds. Peak memory is that of a step in a process
of its own. Without TRL our rows are printed alone.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

import torch
from local_models import character_tokenizer, tiny_module
from numeric_rows import NoScores

from training.numeric.algorithms import ALGORITHMS
from training.numeric.batch import micro_batches, step_loss
from training.numeric.forward import Forward
from training.numeric.rows import Row
from training.numeric_config import NumericConfig

GROUPS, MEMBERS = 8, 16
SHAPES = {"prompt 64, completion ≤ 64": (64, 64), "prompt 256, completion ≤ 32": (256, 32)}
MODEL: dict[str, Any] = {
    "hidden_size": 128,
    "intermediate_size": 512,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
}
OURS: dict[str, tuple[dict[str, Any], bool]] = {
    "plain": ({"layout": "padded", "token_budget": 1_000_000}, False),
    "plain, micro-batches of 4,096 tokens": ({"layout": "padded"}, False),
    "rows without advantage skipped": ({"layout": "padded"}, True),
    "each prompt computed once": ({"layout": "shared"}, False),
    "both": ({"layout": "shared"}, True),
}

Step = Callable[[], torch.Tensor]


def make_rows(prompt: int, completion: int) -> list[Row]:
    """Random rows; completions of half to full length, the first half of the groups without advantage."""
    rng = np.random.default_rng(0)
    rows: list[Row] = []
    for group in range(GROUPS):
        prompt_ids = rng.integers(4, 100, prompt).astype(np.int32)
        for member in range(MEMBERS):
            length = completion if member == 0 else int(rng.integers(completion // 2, completion + 1))
            rows.append(
                Row(
                    prompt_ids,
                    rng.integers(4, 100, length).astype(np.int32),
                    rng.normal(-4.6, 0.2, length).astype(np.float32),
                    np.ones(length, np.bool_),
                    reward=0.0,
                    advantage=float(rng.normal()) if group >= GROUPS // 2 else 0.0,
                )
            )
    return rows


def our_step(module: Any, rows: list[Row], settings: dict[str, Any], skip: bool) -> Step:
    """Forward, backward and AdamW; gives the gradient."""
    config, algorithm, forward = NumericConfig(tis=None, **settings), ALGORITHMS["dapo"], Forward(module)
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.0)

    def step() -> torch.Tensor:
        optimizer.zero_grad()
        weights = algorithm.fill(rows, config, NoScores())
        chosen = weights.live(len(rows)) if skip else range(len(rows))
        for batch in micro_batches(rows, chosen, config, forward):
            step_loss(batch.logprobs(forward), batch, weights, algorithm, config).backward()
        optimizer.step()
        return torch.cat([p.grad.flatten() for p in module.parameters()])

    return step


def trl_step(module: Any, rows: list[Row], folder: Path) -> Step:
    """The same with TRL's trainer and its own loss."""
    from trl_oracle import inputs_of, loss_of, make_trainer

    longest = max(len(row.action_ids) for row in rows)
    trainer = make_trainer(
        folder,
        module,
        character_tokenizer(),
        loss_type="dapo",
        beta=0.0,
        epsilon_high=0.28,
        max_completion_length=longest,
    )
    inputs = inputs_of(rows)
    optimizer = torch.optim.AdamW(trainer.model.parameters(), lr=0.0)

    def step() -> torch.Tensor:
        optimizer.zero_grad()
        loss_of(trainer, inputs)
        optimizer.step()
        return torch.cat([p.grad.flatten() for p in trainer.model.parameters()])

    return step


def steps_of(prompt: int, completion: int, folder: Path, only: str | None = None) -> dict[str, Step]:
    """Every variant on one shape, TRL first."""
    rows, steps = make_rows(prompt, completion), dict[str, Step]()
    if find_spec("trl") and only in (None, "TRL"):
        steps["TRL"] = trl_step(tiny_module(**MODEL), rows, folder)
    for name, (settings, skip) in OURS.items():
        if only in (None, name):
            steps[name] = our_step(tiny_module(**MODEL).eval(), rows, settings, skip)
    return steps


def measure(steps: dict[str, Step], rounds: int) -> tuple[dict[str, list[float]], dict[str, float]]:
    """CPU seconds of each variant by round, and the relative distance of its gradient from the first one's."""
    gradients = {name: step() for name, step in steps.items()}  # also warms up
    reference = next(iter(gradients.values()))
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            gc.collect()
            started = time.process_time()
            step()
            times[name].append(time.process_time() - started)
    return times, {name: float((one - reference).norm() / reference.norm()) for name, one in gradients.items()}


def peak_memory(shape: str, name: str) -> float:
    """MiB that a step adds to a process that holds the model."""
    run = subprocess.run(
        [sys.executable, __file__, "--memory", shape, name], stdout=subprocess.PIPE, check=True, text=True
    )
    return float(json.loads(run.stdout.splitlines()[-1]))


def one_step_memory(shape: str, name: str) -> None:
    """In a process of its own: print what a step adds to the resident memory, in MiB at its highest."""
    with tempfile.TemporaryDirectory() as folder:
        (step,) = steps_of(*SHAPES[shape], Path(folder), only=name).values()
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # the highest so far is forgotten
        before = resident("VmRSS")
        step()
    print(json.dumps(resident("VmHWM") - before))


def resident(field: str) -> float:
    """A field of this process's memory, MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", nargs=2, metavar=("SHAPE", "VARIANT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    if arguments.memory:
        one_step_memory(*arguments.memory)
        return
    if not find_spec("trl"):
        print("TRL is not installed here, so its rows are missing; benchmarks/README.md says how to add them.")
    parameters = sum(p.numel() for p in tiny_module(**MODEL).parameters())
    print(f"{parameters:,} parameters, {GROUPS} groups of {MEMBERS} rows, torch {torch.__version__}, one thread")
    for shape, (prompt, completion) in SHAPES.items():
        with tempfile.TemporaryDirectory() as folder:
            times, distances = measure(steps_of(prompt, completion, Path(folder)), arguments.rounds)
        base = min(next(iter(times.values())))
        print(f"\n| {shape} | CPU, least | median | × | gradient's distance | peak memory |\n|---|---|---|---|---|---|")
        for name, found in times.items():
            print(
                f"| {name} | {min(found) * 1e3:.0f} ms | {statistics.median(found) * 1e3:.0f} ms "
                f"| {base / min(found):.2f} | {distances[name]:.1e} | {peak_memory(shape, name):.0f} MiB |"
            )


if __name__ == "__main__":
    main()
