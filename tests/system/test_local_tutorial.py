"""The tutorial of a local model runs from its first cell to its last, and both the words and the weights gain."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from training.numeric.tiny import Recipe, tiny_model

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorials" / "local_model_math.ipynb"
CELL = re.compile(r"(\d\.\d{3}) \((\d\.\d{3}) to (\d\.\d{3})\)")

LITTLE = Recipe(width=32, layers=1, hidden=64, positions=192, steps=150, batch=16, warmup=10, rate=1e-2)
"""Writes what looks like an answer, and is right now and then."""


def run(folder: Path, **parameters: object) -> str:
    """What the tutorial prints with other parameters, in a process of its own."""
    given = {f"TUTORIAL_{name}": str(value) for name, value in parameters.items()}
    command = [sys.executable, str(ROOT / "tests" / "support" / "run_notebook.py"), str(PAGE)]
    environment = os.environ | {"TMPDIR": str(folder), "OMP_NUM_THREADS": "1"} | given
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_tutorial_runs_with_a_little_model(tmp_path: Path) -> None:
    base = tiny_model(LITTLE, tmp_path / "models")
    said = run(tmp_path, BASE_MODEL=base, ITERATIONS=1, EPISODES=16, TEST_PROBLEMS=8)
    assert re.search(r"iteration 0: .*weights: ", said)
    assert len(CELL.findall(said)) == 4
    assert len(re.findall(r"before: .* now: ", said)) == 3


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_words_and_weights_each_gain_and_both_gain_most(tmp_path: Path) -> None:
    old, weights, words, both = (tuple(map(float, cell)) for cell in CELL.findall(run(tmp_path)))
    assert weights[1] > old[2]  # the intervals do not meet
    assert words[1] > old[2]
    assert both[1] > max(words[2], weights[2])
