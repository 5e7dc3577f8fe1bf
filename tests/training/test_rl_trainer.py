"""Recall, updates and their callbacks."""

from dataclasses import dataclass

import pytest

from textgrad_agents.errors import ConfigError
from textgrad_agents.interfaces import UpdateReport
from textgrad_agents.servers import LocalTrainingServer
from textgrad_agents.trajectory import Episode
from training.recall import RecallBuffer, is_success
from training.rl_trainer import EvalCallback, ModelCheckpointer, RLTrainer


@dataclass(frozen=True)
class Attempt:
    number: int
    reward: float


def attempts(numbers):
    return [Attempt(n, float(n % 2)) for n in numbers]


class Remembering:
    def __init__(self):
        self.batches = []

    async def update(self, episodes):
        self.batches.append(list(episodes))
        return UpdateReport("remembering", changed=True)

    def save(self, folder):
        folder.mkdir(parents=True)

    def load(self, folder):
        raise NotImplementedError


def test_a_batch_is_the_new_and_some_old_of_both_kinds():
    buffer = RecallBuffer(attempts(range(40)), 3, 2)
    buffer.add(attempts([100, 101]))
    batch = buffer.batch()
    assert [one.number for one in batch[:2]] == [100, 101]
    assert [one.reward for one in batch[2:]] == [1, 1, 1, 0, 0]
    assert len({one.number for one in batch}) == 7
    assert len(buffer) == 42


def test_few_old_attempts_are_recalled_once_each():
    buffer = RecallBuffer(attempts([1, 2]), 10, 10)
    assert sorted(one.number for one in buffer.batch()) == [1, 2]


def test_the_oldest_go_first():
    buffer = RecallBuffer(max_buffer_size=3, positive_recall_batch_size=5, negative_recall_batch_size=5)
    buffer.add(attempts(range(5)))
    buffer.batch()
    assert sorted(one.number for one in buffer.batch()) == [2, 3, 4]


def test_the_same_seed_recalls_the_same():
    twins = [RecallBuffer(attempts(range(50)), seed=4) for _ in range(2)]
    assert twins[0].batch() == twins[1].batch()
    assert RecallBuffer(attempts(range(50)), seed=5).batch() != twins[0].batch()


def test_episodes_succeed_by_their_total_reward():
    assert is_success(Episode(total_reward=0.5))
    assert not is_success(Episode())


@pytest.mark.parametrize("sizes", [{"max_buffer_size": 0}, {"positive_recall_batch_size": -1}])
def test_unusable_sizes(sizes):
    with pytest.raises(ConfigError, match=next(iter(sizes))):
        RecallBuffer(**sizes)


def trainer(buffer, *callbacks):
    learner, server = Remembering(), LocalTrainingServer()
    server.register([("model", learner)])
    return learner, RLTrainer(model="model", server=server, recall_buffer=buffer, callbacks=callbacks)


def test_steps_train_and_callbacks_come_in_time(tmp_path):
    evaluation = EvalCallback(dataset=[1, 2], metrics={"tasks": len}, frequency=3)
    buffer = RecallBuffer(positive_recall_batch_size=0, negative_recall_batch_size=0)
    learner, rl = trainer(buffer, ModelCheckpointer(tmp_path, 2), evaluation)
    for number in range(5):
        buffer.add(attempts([number]))
        assert rl.step().changed
    assert [[one.number for one in batch] for batch in learner.batches] == [[n] for n in range(5)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step_2", "step_4"]
    assert evaluation.history == [{"step": 3, "tasks": 2.0}]
    assert (rl.steps, len(rl.reports)) == (5, 5)


def test_there_has_to_be_something_to_learn_from():
    _, rl = trainer(RecallBuffer())
    with pytest.raises(ConfigError, match="recall buffer is empty"):
        rl.step()


@pytest.mark.parametrize("frequency", [0, -1, 1.5, True])
def test_unusable_frequencies(frequency, tmp_path):
    with pytest.raises(ConfigError, match="frequency"):
        ModelCheckpointer(tmp_path, frequency)


def test_an_evaluation_needs_tasks_and_metrics():
    with pytest.raises(ConfigError, match="at least one task"):
        EvalCallback([], {"tasks": len}, 1)
