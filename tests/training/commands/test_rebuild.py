"""The files of a run from its journal alone."""

import json
import shutil

import pytest

from textgrad_agents.engines import RulebookEngine
from textgrad_agents.errors import ConfigError, EngineAccessError, FileFormatError
from textgrad_agents.journal import Journal
from training import MonteCarloTrainer, TrainingConfig
from training.commands import rebuild
from training.engines import Engines


class Paid:
    """Says what the built-in engine says, to the run alone."""

    name = "paid"
    structured = False

    def __init__(self):
        self.inner = RulebookEngine()

    async def generate(self, messages, options):
        return await self.inner.generate(messages, options)


def run(folder, engines=None, iterations=2, **settings):
    config = TrainingConfig(
        **{
            "environment": {"name": "lamps", "num_agents": 2, "max_cycles": 12},
            "exp_name": "mine",
            "experiments_dir": folder / "experiments",
            "policy_path": folder / "policies" / "policy.json",
            "num_iterations": iterations,
            "seed": 4,
            "save_gif": False,
            **settings,
        }
    )
    with MonteCarloTrainer(config, engines=engines) as trainer:
        trainer.train_full()
    return trainer.run.path


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("events.jsonl", "journal.sqlite", "budget.sqlite", ".lock")
    }


def lose(folder, *, policies=True):
    """Delete everything but the journal."""
    for path in (folder / "experiments" / "mine").iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != "journal.sqlite":
            path.unlink()
    if policies:
        shutil.rmtree(folder / "policies")


@pytest.mark.parametrize("paid", [True, False])
def test_everything_comes_back_byte_by_byte(tmp_path, paid):
    run(tmp_path, Engines.single(Paid()) if paid else None)
    before = files(tmp_path)
    lose(tmp_path)
    assert "policies/policy.json" in before
    assert files(tmp_path) == {}
    rebuild.rebuild(tmp_path / "experiments" / "mine")
    assert files(tmp_path) == before


def test_a_rule_team_comes_back_too(tmp_path):
    settings = {"environment": {"name": "pistonball", "num_pistons": 3, "max_cycles": 8}, "agent_type": "rule"}
    run(tmp_path, **settings)
    before = files(tmp_path)
    lose(tmp_path, policies=False)
    rebuild.rebuild(tmp_path / "experiments" / "mine")
    assert files(tmp_path) == before


def test_the_folder_may_have_moved(tmp_path):
    run(tmp_path, Engines.single(Paid()), policy_path=tmp_path / "experiments" / "mine" / "policy.json")
    before = (tmp_path / "experiments" / "mine" / "policy.json").read_bytes()
    lose(tmp_path, policies=False)
    (tmp_path / "experiments" / "mine").rename(tmp_path / "kept")
    rebuild.rebuild(tmp_path / "kept")
    assert (tmp_path / "kept" / "policy.json").read_bytes() == before


def test_the_command_says_what_it_made_and_keeps_a_policy_file_that_says_otherwise(tmp_path, capsys):
    run(tmp_path)
    path = tmp_path / "policies" / "policy.json"
    made = path.read_bytes()
    assert rebuild.main(["mine", "--experiments_dir", str(tmp_path / "experiments")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'experiments' / 'mine'}: 2 iterations with 6 episodes made anew\n"
    path.write_text("{")
    rebuild.main(["mine", "--experiments_dir", str(tmp_path / "experiments")])
    assert f"as it was, it is {path}.before\n" in capsys.readouterr().out
    assert path.read_bytes() == made
    assert path.with_name("policy.json.before").read_text() == "{"


def test_the_run_goes_on_after_it(tmp_path):
    run(tmp_path / "one", iterations=3)
    for part in range(2):
        run(tmp_path / "two", iterations=2 + part)
        lose(tmp_path / "two")
        rebuild.rebuild(tmp_path / "two" / "experiments" / "mine")
    one, two = files(tmp_path / "one"), files(tmp_path / "two")
    assert one.keys() == two.keys()
    other_paths = {"experiments/mine/config.json"}
    other_times = {"policies/policy.json", "experiments/mine/best_policy.json"}
    assert {name for name in one if one[name] != two[name]} <= other_paths | other_times


def test_a_reply_that_is_missing_is_said_and_nothing_is_replaced(tmp_path):
    folder = run(tmp_path, Engines.single(Paid()))
    journal = Journal(folder / "journal.sqlite")
    with journal._database.transaction() as connection:
        connection.execute("DELETE FROM calls WHERE role = 'critic'")
    journal.close()
    before = (tmp_path / "policies" / "policy.json").read_bytes()
    with pytest.raises(EngineAccessError, match="does not hold what paid said to this request of the critic"):
        rebuild.rebuild(folder)
    assert [path.name for path in (tmp_path / "policies").iterdir()] == ["policy.json"]
    assert (tmp_path / "policies" / "policy.json").read_bytes() == before


def test_what_comes_out_otherwise_is_said(tmp_path):
    folder = run(tmp_path)
    journal = Journal(folder / "journal.sqlite")
    journal.finish(1, journal.finished()[1] | {"avg_reward": 1000.0})
    journal.close()
    with pytest.raises(FileFormatError, match=r"iteration 1 of experiment mine does not come out .* avg_reward is "):
        rebuild.rebuild(folder)


def test_without_a_journal_nothing_can_be_rebuilt(tmp_path):
    with pytest.raises(FileFormatError, match="there is no journal"):
        rebuild.rebuild(tmp_path / "mine")
    assert not (tmp_path / "mine").exists()
    Journal(tmp_path / "mine" / "journal.sqlite").close()
    with pytest.raises(ConfigError, match="no iteration is finished"):
        rebuild.rebuild(tmp_path / "mine")


def test_a_run_without_its_journal_does_not_begin_again_behind_the_users_back(tmp_path):
    folder = run(tmp_path)
    (folder / "journal.sqlite").unlink()
    with pytest.raises(ConfigError, match=r"its journal .*journal\.sqlite is missing.*--overwrite"):
        run(tmp_path)
    assert not (folder / "journal.sqlite").exists()
    assert json.loads((folder / "summary.json").read_text())
