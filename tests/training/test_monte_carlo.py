"""The whole loop on lamps, with the built-in engine: files, numbers, going on, stopping, same bytes."""

import json
import re

import pytest

from textgrad_agents.engines import ScriptedEngine
from textgrad_agents.errors import ConfigError, EngineAccessError, EnvError, FileFormatError
from training import MonteCarloTrainer, TrainingConfig
from training.engines import Engines


def config(folder, **settings):
    return TrainingConfig(
        **{
            "environment": {"name": "lamps", "num_agents": 2, "max_cycles": 24},
            "exp_name": "lamps",
            "experiments_dir": folder / "experiments",
            "policy_path": folder / "policy.json",
            "num_iterations": 3,
            "save_gif": False,
            **settings,
        }
    )


def train(folder, overwrite=False, **settings):
    events = []
    with MonteCarloTrainer(config(folder, **settings), overwrite=overwrite, on_event=events.append) as trainer:
        return trainer.train_full(), trainer, events


def policy(folder):
    """The policy file without what differs between two runs."""
    return re.sub(r'"timestamp": "[^"]*"', '"timestamp": ""', (folder / "policy.json").read_text())


@pytest.mark.parametrize("paradigm", ["central_credit", "central_global", "independent"])
def test_it_learns_which_button_is_right(tmp_path, paradigm):
    stats, trainer, _ = train(tmp_path, paradigm=paradigm)
    assert len(stats) == 3
    assert stats[0]["avg_reward"] < 6
    assert any(row["accepted"] for row in stats)
    assert stats[-1]["avg_reward"] > stats[0]["avg_reward"] + 6
    learned = trainer.policy_manager.get_current_policies()["keeper_0"].lower()
    assert "press left" in learned or "press right" in learned


def test_numbers_of_an_iteration(tmp_path):
    stats, trainer, _ = train(tmp_path, num_iterations=1)
    row = stats[0]
    assert row["paradigm"] == "central_credit"
    assert row["avg_reward"] == pytest.approx(sum(row["rewards"]) / 3)
    assert (row["min_reward"], row["max_reward"]) == (min(row["rewards"]), max(row["rewards"]))
    assert row["textgrad_queries"] == 3 + 2
    assert row["total_tokens"] == row["input_tokens"] + row["output_tokens"] > 0
    assert row["cost_usd"] == 0.0
    assert row["total_tokens"] == sum(
        getattr(trainer.meter.tally().usage, name) for name in ("input_tokens", "output_tokens")
    )


def test_files_of_a_run(tmp_path):
    stats, trainer, events = train(tmp_path, num_iterations=2)
    run = tmp_path / "experiments" / "lamps"
    episode = run / "iteration_1" / "episode_2"
    for path in (
        run / "config.json",
        run / "events.jsonl",
        run / "reward_curve.png",
        run / "iteration_0" / "textgrad_evaluations.txt",
        run / "iteration_0" / "gate" / "gate.json",
        episode / "episode.json",
        episode / "episode_log.txt",
        episode / "trajectory.pkl",
        episode / "trajectory.safetensors",
        episode / "trajectory.json",
    ):
        assert path.stat().st_size > 0, path
    assert json.loads((run / "summary.json").read_text()) == stats
    assert [json.loads(line)["kind"] for line in (run / "events.jsonl").read_text().splitlines()] == [
        event.kind for event in events
    ]
    first = json.loads((run / "iteration_0" / "episode_0" / "episode.json").read_text())
    assert [credit["agent"] for credit in first["credits"]] == ["keeper_0", "keeper_1"]
    versions = json.loads((tmp_path / "policy.json").read_text())
    assert list(versions["policies"]) == ["iteration_0", "iteration_1", "iteration_2"]
    assert versions["policies"]["iteration_2"]["training_stats"]["avg_reward"] == stats[1]["avg_reward"]
    assert trainer.results()["policy"] == tmp_path / "policy.json"


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        train(tmp_path / name, seed=1 if name == "c" else 0)
    assert policy(tmp_path / "a") == policy(tmp_path / "b")
    assert policy(tmp_path / "a") != policy(tmp_path / "c")


def test_the_same_command_again_reuses_what_is_finished(tmp_path):
    stats, _, _ = train(tmp_path)
    before = (tmp_path / "policy.json").read_bytes()
    again, trainer, events = train(tmp_path)
    assert again == stats
    assert trainer.meter.tally().calls == 0
    assert (tmp_path / "policy.json").read_bytes() == before
    assert sum("is finished" in event.data.get("text", "") for event in events) == 3


def test_more_iterations_go_on_to_the_same_end(tmp_path):
    for name in ("at once", "in parts"):
        (tmp_path / name).mkdir()
    train(tmp_path / "at once", num_iterations=4)
    train(tmp_path / "in parts", num_iterations=2)
    stats, _, _ = train(tmp_path / "in parts", num_iterations=4)
    assert len(stats) == 4
    assert policy(tmp_path / "in parts") == policy(tmp_path / "at once")


def test_from_a_later_iteration_on_the_journal_tells_what_is_finished(tmp_path):
    stats, _, _ = train(tmp_path)
    (tmp_path / "experiments" / "lamps" / "summary.json").unlink()
    again, trainer, _ = train(tmp_path, start_iteration=1)
    assert again == stats
    assert trainer.meter.tally().calls == 0
    assert json.loads((tmp_path / "experiments" / "lamps" / "summary.json").read_text()) == stats


def test_beyond_ten_iterations_the_order_is_that_of_numbers(tmp_path):
    settings = {"environment": {"name": "lamps", "num_agents": 1, "max_cycles": 2}, "trajectories_per_iteration": 1}
    train(tmp_path, num_iterations=11, gate_episodes=5, **settings)
    stats, trainer, _ = train(tmp_path, num_iterations=12, gate_episodes=5, **settings)
    assert [row["iteration"] for row in stats] == list(range(12))
    assert trainer.policy_manager.current_iteration == 12


def test_a_stop_saves_and_the_same_command_finishes_to_the_same_end(tmp_path):
    for name in ("stopped", "whole"):
        (tmp_path / name).mkdir()
    train(tmp_path / "whole")

    def stop_in_iteration_1(event):
        if event.kind == "episode_finished" and event.iteration == 1:
            trainer.request_stop()

    with MonteCarloTrainer(config(tmp_path / "stopped"), on_event=stop_in_iteration_1) as trainer:
        stats = trainer.train_full()
    assert trainer.stopped
    assert len(stats) == 1
    finished, trainer, _ = train(tmp_path / "stopped")
    assert not trainer.stopped
    assert len(finished) == 3
    assert policy(tmp_path / "stopped") == policy(tmp_path / "whole")


@pytest.mark.parametrize("kind", ["evaluation_finished", "gate_pair_finished", "updated"])
def test_a_stop_at_any_other_moment_ends_in_the_same_policies_too(tmp_path, kind):
    for name in ("stopped", "whole"):
        (tmp_path / name).mkdir()
    train(tmp_path / "whole")

    def stop(event):
        if event.kind == kind:
            trainer.request_stop()

    with MonteCarloTrainer(config(tmp_path / "stopped"), on_event=stop) as trainer:
        trainer.train_full()
    assert trainer.stopped
    train(tmp_path / "stopped")
    assert policy(tmp_path / "stopped") == policy(tmp_path / "whole")


def test_a_rule_team_learns_nothing_and_touches_no_policy_file(tmp_path):
    settings = {"agent_type": "rule", "num_pistons": 4, "max_cycles": 10, "environment": {"name": "pistonball"}}
    stats, trainer, _ = train(tmp_path, num_iterations=2, **settings)
    assert len(stats) == 2
    assert stats[0]["decision"] == "nothing learns"
    assert trainer.meter is None
    assert not (tmp_path / "policy.json").exists()
    again, _, _ = train(tmp_path, num_iterations=2, **settings)
    assert again == stats


def test_a_key_that_is_refused_in_mid_run_ends_it_with_what_is_finished_saved(tmp_path):
    def refuse(messages, options):
        if options.role == "actor":
            return "0"
        raise EngineAccessError("the key is refused")

    engines = Engines.single(ScriptedEngine(refuse))
    with (
        MonteCarloTrainer(config(tmp_path), engines=engines) as trainer,
        pytest.raises(EngineAccessError, match="the key is refused"),
    ):
        trainer.train_full()
    assert (tmp_path / "experiments" / "lamps" / "iteration_0" / "episode_2" / "episode.json").exists()


def test_another_run_of_the_same_name_is_refused_with_the_ways_out(tmp_path):
    train(tmp_path, num_iterations=1)
    with pytest.raises(ConfigError, match=r"paradigm is .*central_credit.*--exp_name.*--overwrite"):
        MonteCarloTrainer(config(tmp_path, paradigm="independent"))
    train(tmp_path, overwrite=True, paradigm="independent", num_iterations=1)


def test_a_name_that_nobody_chose_gets_the_next_free_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = {"environment": {"name": "lamps", "max_cycles": 4}, "num_iterations": 1, "save_gif": False}
    for seed, name in ((0, "pistonball_exp"), (1, "pistonball_exp_2"), (0, "pistonball_exp")):
        with MonteCarloTrainer(TrainingConfig(seed=seed, **settings)) as trainer:
            trainer.train_full()
        assert trainer.config.exp_name == name


def test_two_writers_cannot_share_a_run(tmp_path):
    with MonteCarloTrainer(config(tmp_path)), pytest.raises(ConfigError, match="in use by process"):
        MonteCarloTrainer(config(tmp_path))


def test_a_damaged_policy_file_is_named_and_left_alone(tmp_path):
    (tmp_path / "policy.json").write_text('{"policies": ')
    with pytest.raises(FileFormatError, match=r"policy\.json is not valid JSON"):
        MonteCarloTrainer(config(tmp_path))
    assert (tmp_path / "policy.json").read_text() == '{"policies": '
    with pytest.raises(FileFormatError):  # and the folder is not held by the run that could not begin
        MonteCarloTrainer(config(tmp_path))


def test_an_environment_that_always_fails_ends_the_run_with_its_reason(tmp_path, monkeypatch):
    from envs.lamps import LampsEnvironment

    def step(self, actions):
        raise EnvError("the power is out")

    monkeypatch.setattr(LampsEnvironment, "step", step)
    with (
        MonteCarloTrainer(config(tmp_path)) as trainer,
        pytest.raises(EnvError, match="failed in all 3 episodes: the power is out"),
    ):
        trainer.train_full()


def test_a_published_policy_is_started_from_and_not_written(tmp_path):
    train(tmp_path, num_iterations=1)
    published = json.loads((tmp_path / "policy.json").read_text()) | {"published": True}
    (tmp_path / "policy.json").write_text(json.dumps(published))
    before = (tmp_path / "policy.json").read_bytes()
    _, trainer, _ = train(tmp_path, num_iterations=1, exp_name="other")
    assert (tmp_path / "policy.json").read_bytes() == before
    assert trainer.policy_manager.policy_path == tmp_path / "experiments" / "other" / "policy.json"
    assert any("published" in note for note in trainer.notes)
