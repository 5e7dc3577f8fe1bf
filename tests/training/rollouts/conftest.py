"""Agents and environments that the tests of rollouts share."""

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "support"))


@pytest.fixture(autouse=True)
def _same_noise_in_every_run() -> None:
    random.seed(0)
