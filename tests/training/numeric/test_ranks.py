"""Two processes take the same step as one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import asyncio, json, sys
import torch, torch.distributed as dist
from test_learner import learn, model_with, recorded, weights
from training.numeric.learner import LoraLearner
from training.numeric_config import NumericConfig

torch.set_num_threads(1)
rank, world, store, out = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
if world > 1:
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=world)
model = model_with("one")
learner = LoraLearner(model, "one", NumericConfig(algorithm="grpo", lr=1e-2, layout="padded", token_budget=8))
reports = [learn(learner, recorded(model, first=4 * number)).metrics for number in range(2)]
json.dump({"weights": weights(model, "one").tolist(), "reports": [dict(one) for one in reports]}, open(out, "w"))
if world > 1:
    dist.destroy_process_group()
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_processes_end_with_the_weights_of_one(tmp_path: Path) -> None:
    here = Path(__file__).resolve().parent
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(here), str(here.parents[1] / "support"), *sys.path]),
        "OMP_NUM_THREADS": "1",
    }

    def run(rank: int, world: int) -> subprocess.Popen[bytes]:
        arguments = [str(rank), str(world), str(tmp_path / f"store{world}"), str(tmp_path / f"{world}-{rank}.json")]
        return subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments], env=environment)

    running = [run(0, 1), run(0, 2), run(1, 2)]
    assert [process.wait(240) for process in running] == [0, 0, 0]
    one, left, right = (json.loads((tmp_path / name).read_text()) for name in ("1-0.json", "2-0.json", "2-1.json"))
    assert left == right
    assert left["weights"] == pytest.approx(one["weights"], abs=1e-6)
    for mine, theirs in zip(left["reports"], one["reports"], strict=True):
        assert mine == pytest.approx(theirs, rel=1e-4, abs=1e-6)
