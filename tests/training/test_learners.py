"""Learners side by side: the same judged episodes, weights before words, a folder for each."""

import json
from dataclasses import replace

import pytest

from textgrad_agents.errors import FileFormatError
from textgrad_agents.interfaces import UpdateReport
from training import MonteCarloTrainer, TrainingConfig, monte_carlo
from training.learners import batches, make_learners


class Counter:
    """Learns nothing but how many credits it saw."""

    name = "counter"

    def __init__(self, log):
        self.log = log
        self.credits = 0

    async def update(self, episodes):
        self.credits += sum(len(episode.credits) for episode in episodes)
        self.log.append(("counter", len(episodes), self.credits))
        return UpdateReport(self.name, changed=True, metrics={"credits": self.credits}, notes=("counted",))

    def save(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "counter.json").write_text(json.dumps(self.credits))

    def load(self, folder):
        self.credits = json.loads((folder / "counter.json").read_text())


@pytest.fixture
def log(monkeypatch):
    """What learners did in the runs of a test, each with a second learner beside the textual one."""
    log = []

    def make_both(*arguments, **options):
        made = make_learners(*arguments, **options)
        learn = made.textual.update

        async def update(episodes):
            log.append(("textual", len(episodes), sum(len(episode.credits) for episode in episodes)))
            return await learn(episodes)

        made.textual.update = update
        return replace(made, members=(Counter(log), *made.members))

    monkeypatch.setattr(monte_carlo, "make_learners", make_both)
    return log


def train(folder, **settings):
    config = TrainingConfig(
        **{
            "environment": {"name": "lamps", "num_agents": 2, "max_cycles": 4},
            "exp_name": "lamps",
            "experiments_dir": folder / "experiments",
            "policy_path": folder / "policy.json",
            "num_iterations": 1,
            "gate": "none",
            "save_gif": False,
            **settings,
        }
    )
    with MonteCarloTrainer(config) as trainer:
        return trainer.train_full(), [learner.name for learner in trainer.learners]


def test_both_learn_from_the_same_judged_episodes_in_their_order(tmp_path, log):
    [row], names = train(tmp_path)
    assert names == ["counter", "textual"]
    assert row["accepted"] is False, "what else changed is no policy"
    assert log == [("counter", 3, 6), ("textual", 3, 6)]
    assert row["decision"].startswith("counted; ")


def test_in_mini_batches_each_learns_from_one_before_the_next(tmp_path, log):
    train(tmp_path, mini_batch_size=2)
    assert log == [("counter", 2, 4), ("textual", 2, 4), ("counter", 1, 6), ("textual", 1, 2)]


def test_each_has_a_folder_and_goes_on_from_it(tmp_path, log):
    train(tmp_path)
    learners = tmp_path / "experiments" / "lamps" / "iteration_0" / "learners"
    assert sorted(path.relative_to(learners).as_posix() for path in learners.rglob("*.*")) == [
        "counter/counter.json",
        "textual/textual.json",
    ]
    train(tmp_path, num_iterations=2)
    assert log[2:] == [("counter", 3, 12), ("textual", 3, 6)]
    (learners.parents[1] / "iteration_1" / "learners" / "textual" / "textual.json").write_text("[]")
    with pytest.raises(FileFormatError, match=r"learner state .*textual\.json"):
        train(tmp_path, num_iterations=3)


def test_an_iteration_that_failed_is_made_again_with_learners_as_they_were(tmp_path, log, monkeypatch):
    """The same trainer tries again: what the failed try had taught is forgotten."""
    config = TrainingConfig(
        environment={"name": "lamps", "num_agents": 2, "max_cycles": 4},
        experiments_dir=tmp_path / "experiments",
        policy_path=tmp_path / "policy.json",
        num_iterations=2,
        gate="none",
        save_gif=False,
    )
    failures = [1]

    with MonteCarloTrainer(config) as trainer:

        def fail_once(row):
            if row["iteration"] in failures:
                failures.remove(row["iteration"])
                raise OSError("the disk is full")
            finish(row)

        finish = trainer.run.finish
        monkeypatch.setattr(trainer.run, "finish", fail_once)
        with pytest.raises(OSError, match="full"):
            trainer.train_full()
        trainer.train_full()
    assert [entry for entry in log if entry[0] == "counter"] == [
        ("counter", 3, 6),
        ("counter", 3, 12),
        ("counter", 3, 12),
    ]


def test_batches_hold_every_episode_once_in_order():
    episodes = list(range(7))
    assert [list(batch) for batch in batches(episodes, 3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert [list(batch) for batch in batches(episodes, None)] == [episodes]
    assert [list(batch) for batch in batches(episodes, 9)] == [episodes]
