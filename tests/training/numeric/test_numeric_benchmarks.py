"""The benchmarks of the numeric path run, and compare what is equal."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"


def load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_every_variant_of_the_step_has_the_same_gradient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    speed = load("numeric_speed")
    monkeypatch.setattr(speed, "GROUPS", 2)
    monkeypatch.setattr(speed, "MEMBERS", 4)
    monkeypatch.setattr(speed, "MODEL", {})
    monkeypatch.setattr(speed, "find_spec", lambda name: None)
    times, distances = speed.measure(speed.steps_of(12, 6, tmp_path), rounds=1)
    assert list(times) == list(distances) == list(speed.OURS)
    assert all(distance < 1e-5 for distance in distances.values())


def test_the_accelerator_script_runs_on_a_tiny_model() -> None:
    run = subprocess.run(
        [sys.executable, BENCHMARKS / "numeric_gpu.py", "--tiny", "--device", "cpu", "--json"],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    found = json.loads(run.stdout.splitlines()[-1])
    assert found["generate_per_s"] > 0
    padded, shared = found["learner"][-2:]
    assert (padded["layout"], shared["layout"]) == ("padded", "shared")
    for one in (padded, shared):
        assert one["useful_per_s"] > one["iteration_useful_per_s"] > 0
    # 4 rows of 32 + 4 tokens: by themselves 35 places each, with one prompt 44 together
    assert padded["computed_per_s"] / padded["useful_per_s"] == pytest.approx(35 / 36)
    assert shared["computed_per_s"] / shared["useful_per_s"] == pytest.approx(44 / 144)
    assert shared["mfu_computed"] < shared["mfu_useful"]
    assert padded["mfu_computed"] == pytest.approx(padded["mfu_useful"])
