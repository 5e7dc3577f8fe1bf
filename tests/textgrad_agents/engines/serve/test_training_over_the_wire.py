"""Training that asks a server ends in the same policies as training in one process, over a bad network too."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from textgrad_agents.engines import ChatEngine, LLMConfig, RulebookEngine, Stack
from textgrad_agents.engines.serve import serving
from training import MonteCarloTrainer, TrainingConfig
from training.engines import Engines

ROOT = Path(__file__).parents[4]
RUN = """import runpy, sys
from textgrad_agents.engines.middleware import retry
retry._LONGEST_WAIT = 0.01
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
SCRIPT = (
    "--num_iterations 2 --trajectories_per_iteration 1 --num_pistons 5 --max_cycles 30 --seed 1 --gate none "
    "--no-save_gif --policy_path policy.json"
)
SETTINGS: dict[str, Any] = {
    "num_iterations": 2,
    "trajectories_per_iteration": 1,
    "num_pistons": 5,
    "seed": 1,
    "max_cycles": 50,
    "gate": "none",
    "save_gif": False,
    "exp_name": "wire",
}


def config_in(folder: Path, **settings: Any) -> TrainingConfig:
    return TrainingConfig(
        **SETTINGS, experiments_dir=folder / "experiments", policy_path=folder / "policy.json", **settings
    )


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_times(one) for name, one in value.items() if name != "timestamp"}
    return [without_times(one) for one in value] if isinstance(value, list) else value


def policies(folder: Path) -> Any:
    return without_times(json.loads((folder / "policy.json").read_text()))


@pytest.fixture(scope="module")
def in_process(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The policies of a run in one process."""
    folder = tmp_path_factory.mktemp("here")
    MonteCarloTrainer(config_in(folder)).train_full()
    return policies(folder)


def test_the_same_policies_over_the_wire(tmp_path: Path, in_process: Any) -> None:
    with serving(RulebookEngine()) as url:
        model = LLMConfig(name="rulebook", model_string="anything", base_url=url)
        MonteCarloTrainer(config_in(tmp_path / "there", llm_config=model)).train_full()
    assert policies(tmp_path / "there") == in_process
    texts = [json.dumps(version["agent_policies"]) for version in in_process["policies"].values()]
    assert len(texts) == 3
    assert len(set(texts)) == 3  # something was learned in each iteration


def test_the_same_policies_over_a_bad_network(tmp_path: Path, in_process: Any, faults: Any) -> None:
    kinds = {kind: 0.1 if kind == "hang" else 1.0 for kind in faults.PASSING}
    plan = faults.Plan(seed=4, rate=0.3, kinds=kinds, retry_after=0.005)
    with faults.faulty(plan, RulebookEngine()) as (server, url):
        engine = ChatEngine(LLMConfig(name="rulebook", model_string="anything", base_url=url, timeout=1.0))
        engines = Engines.single(Stack(first_wait=0.002)(engine))
        MonteCarloTrainer(config_in(tmp_path / "there"), engines=engines).train_full()
        roles = dict(server.calls)
    assert policies(tmp_path / "there") == in_process
    assert roles.keys() == {"actor", "critic", "optimizer"}
    assert 0.25 < sum(bool(kind) for kind in server.kind_of.values()) / len(server.kind_of) < 0.35
    assert len(set(server.kind_of.values())) > 12


def environment() -> dict[str, str]:
    """For a program of its own; it has no keys, as this process has none."""
    return os.environ | {"PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def served() -> Iterator[str]:
    """The address of ``textgrad-agents serve rulebook``, a process of its own."""
    command = [sys.executable, "-c", "from training.cli import main; main()", "serve", "rulebook", "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment())
    assert server.stdout is not None
    try:
        yield server.stdout.readline().split()[3]
    finally:
        server.terminate()
        server.wait(timeout=10)
        server.stdout.close()


def train(folder: Path, *flags: str) -> bytes:
    """Run the script, with shorter pauses; gives the bytes of the policy file but for times and the model's name."""
    folder.mkdir()
    command = [sys.executable, "-c", RUN, str(ROOT / "src" / "train_pistonball.py"), *SCRIPT.split(), *flags]
    said = subprocess.run(command, check=True, cwd=folder, env=environment(), capture_output=True).stderr
    assert b"HTTP" not in said  # no line for each request
    return re.sub(rb'"(timestamp|model)": "[^"]*"', rb'"\1": ""', (folder / "policy.json").read_bytes())


def test_the_script_and_the_command_over_a_bad_network(tmp_path: Path, faults: Any, served: str) -> None:
    """Two programs of a user, one serves, one trains, and between them a network that loses three replies of ten."""
    here = train(tmp_path / "here")
    plan = faults.Plan(seed=7, rate=0.3, kinds=dict.fromkeys(faults.PASSING.keys() - {"hang"}, 1.0), retry_after=0.01)
    upstream = ChatEngine(LLMConfig(name="rulebook", model_string="rulebook", base_url=served))
    with faults.faulty(plan, upstream) as (network, url):
        there = train(tmp_path / "there", "--base_url", url, "--model", "anything")
    assert there == here
    assert len({json.dumps(version["agent_policies"]) for version in json.loads(here)["policies"].values()}) > 1
    assert network.calls.keys() == {"actor", "critic", "optimizer"}
    met = [kind for kind in network.kind_of.values() if kind]
    assert 0.2 < len(met) / len(network.kind_of) < 0.4
    assert len(set(met)) > 8
