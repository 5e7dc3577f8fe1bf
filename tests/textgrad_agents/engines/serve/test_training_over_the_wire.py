"""Training that asks a server ends in the same policies as training in one process, over a bad network too."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from textgrad_agents.engines import ChatEngine, LLMConfig, RulebookEngine, Stack
from textgrad_agents.engines.serve import serving
from training import MonteCarloTrainer, TrainingConfig
from training.engines import Engines

ROOT = Path(__file__).parents[4]
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


def test_the_script_and_the_command(tmp_path: Path, in_process: Any) -> None:
    """Two programs of a user: one serves, one trains."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1"}
    serve = "import sys; from training.serve_command import main; sys.exit(main(sys.argv[1:]))"
    train = [sys.executable, str(ROOT / "src" / "train_pistonball.py"), "--no-save_gif", "--model", "anything"]
    train += [part for name, value in SETTINGS.items() if name != "save_gif" for part in (f"--{name}", str(value))]
    (tmp_path / "there").mkdir()
    server = subprocess.Popen(
        [sys.executable, "-c", serve, "rulebook", "--port", "0"], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert server.stdout is not None
    try:
        url = server.stdout.readline().split()[3]
        train += ["--base_url", url, "--policy_path", "policy.json"]
        subprocess.run(train, check=True, cwd=tmp_path / "there", env=environment, capture_output=True)
    finally:
        server.terminate()
        server.wait(timeout=10)
        server.stdout.close()
    assert named(policies(tmp_path / "there"), "anything") == named(in_process, "rulebook")


def named(file: Any, model: str) -> Any:
    """A policy file without the name that the user gave the model, which must be this one."""
    file = copy.deepcopy(file)
    lineages = [version["lineage"] for version in file["policies"].values() if version.get("lineage")]
    assert [lineage.pop("model") for lineage in lineages] == [model] * len(lineages)
    return file
