"""Checkpoints: what is in them, and that an episode goes on from them to the same bytes without asking twice."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from textgrad_agents.engines import ScriptedEngine
from textgrad_agents.errors import EngineAccessError, FileFormatError
from training.episode_generator import EpisodeGenerator

POLICIES = {f"piston_{i}": "Push up under the ball." for i in range(3)}


class Cable:
    """An engine's answers, until the cable is pulled."""

    def __init__(self, length: float = float("inf")) -> None:
        self.asked = 0
        self.length = length

    def __call__(self, messages: Any, options: Any) -> Any:
        self.asked += 1
        return str(options.seed % 3) if self.asked <= self.length else EngineAccessError("the cable is pulled")


def play(where: Path, cable: Cable, *, policies: dict[str, str] = POLICIES, **given: Any) -> list[dict[str, Any]]:
    generator = EpisodeGenerator(
        num_pistons=3, max_cycles=10, experiments_dir=where, exp_name="x", engine=ScriptedEngine(cable)
    )
    return generator.generate_episodes(1, agent_policies=policies, **({"save_gif": False, "save_interval": 4} | given))


def folder(where: Path) -> Path:
    return where / "x" / "iteration_0" / "episode_0"


def files(where: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder(where).iterdir()}


def stopped(where: Path, calls: int = 20, **given: Any) -> Path:
    with pytest.raises(EngineAccessError):
        play(where, Cable(calls), **given)
    return folder(where)


def test_a_checkpoint_holds_the_episode_so_far(tmp_path: Path) -> None:
    left = stopped(tmp_path, save_gif=True)
    assert {path.name for path in left.iterdir()} == {
        "checkpoint.json", "trajectory_checkpoint.pkl", "episode_0_step_4.gif"
    }  # fmt: skip
    kept = json.loads((left / "checkpoint.json").read_text())
    assert (kept["is_checkpoint"], kept["checkpoint_timestep"], len(kept["transitions"])) == (True, 4, 4)
    pickled = pickle.loads((left / "trajectory_checkpoint.pkl").read_bytes())
    assert (pickled["is_checkpoint"], pickled["checkpoint_timestep"], pickled["num_steps"]) == (True, 4, 4)
    assert len(pickled["trajectory"]) == 4
    assert (left / "episode_0_step_4.gif").read_bytes()[:6] == b"GIF89a"


def test_an_episode_goes_on_to_the_same_bytes_and_asks_nothing_twice(tmp_path: Path) -> None:
    whole = Cable()
    play(tmp_path / "whole", whole)
    assert whole.asked > 20
    stopped(tmp_path / "again")
    rest = Cable()
    play(tmp_path / "again", rest)
    assert rest.asked < whole.asked
    assert files(tmp_path / "again") == files(tmp_path / "whole")
    assert not [name for name in files(tmp_path / "again") if "checkpoint" in name]


@pytest.mark.parametrize("change", [{"policies": POLICIES | {"piston_1": "Stay."}}, {"incremental_save": False}])
def test_another_episode_begins_anew(tmp_path: Path, change: dict[str, Any]) -> None:
    whole, again = Cable(), Cable()
    play(tmp_path / "whole", whole, **change)
    stopped(tmp_path / "again")
    play(tmp_path / "again", again, **change)
    assert again.asked == whole.asked
    assert files(tmp_path / "again") == files(tmp_path / "whole")


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    (stopped(tmp_path) / "checkpoint.json").write_text("{")
    with pytest.raises(FileFormatError, match=r"checkpoint .*checkpoint\.json is not valid JSON"):
        play(tmp_path, Cable())


def test_an_episode_that_does_not_come_out_again_is_a_failure_that_says_so(tmp_path: Path) -> None:
    path = stopped(tmp_path) / "checkpoint.json"
    kept = json.loads(path.read_text())
    kept["transitions"][2]["instant_reward"] += 1
    path.write_text(json.dumps(kept))
    [episode] = play(tmp_path, Cable())
    assert "cycle 2 of the episode that was begun does not come out again" in episode["error"]


def test_the_rule_and_the_built_in_engine_keep_checkpoints_only_if_asked(tmp_path: Path) -> None:
    generator = EpisodeGenerator(num_pistons=8, max_cycles=9, experiments_dir=tmp_path, exp_name="x")
    generator.generate_episodes(1, save_interval=4)
    assert not list(folder(tmp_path).glob("*_step_*"))
    generator.generate_episodes(1, save_interval=4, incremental_save=True)
    assert {path.name for path in folder(tmp_path).glob("*_step_*")} == {"episode_0_step_4.gif", "episode_0_step_8.gif"}
