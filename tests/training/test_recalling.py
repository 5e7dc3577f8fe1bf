"""Old groups of siblings are learned from again, and a run that goes on recalls the same ones."""

import asyncio

import pytest

from textgrad_agents.errors import FileFormatError
from textgrad_agents.interfaces import UpdateReport
from textgrad_agents.trajectory import Episode
from training.recalling import RecallingLearner


class Remembering:
    name = "remembering"

    def __init__(self):
        self.batches = []

    async def update(self, episodes):
        self.batches.append([(one.iteration, one.episode_id) for one in episodes])
        return UpdateReport(self.name)

    def save(self, folder):
        folder.mkdir(parents=True, exist_ok=True)

    def load(self, folder):
        pass


def episode(iteration, number):
    """Two siblings per start; those of the first start of an iteration are good."""
    start = number // 2
    return Episode(
        episode_id=number, iteration=iteration, seed=100 * iteration + start, total_reward=1.0 if start == 0 else 0.0
    )


def iteration(number):
    return [episode(number, j) for j in range(6)]


def learn(learner, numbers):
    for number in numbers:
        asyncio.run(learner.update(iteration(number)))


def test_siblings_are_recalled_together_good_and_bad():
    inner = Remembering()
    learner = RecallingLearner(inner, 2, episode)
    learn(learner, range(3))
    assert inner.batches[0] == [(0, j) for j in range(6)]  # nothing is old yet
    assert inner.batches[1][:6] == [(1, j) for j in range(6)]
    good, bad = inner.batches[1][6:8], inner.batches[1][8:]
    assert good == [(0, 0), (0, 1)]
    assert bad in ([(0, 2), (0, 3)], [(0, 4), (0, 5)])
    assert all(when < 2 for when, _ in inner.batches[2][6:])


def test_failed_episodes_are_handed_on_and_not_recalled():
    inner = Remembering()
    learner = RecallingLearner(inner, 4, episode)
    asyncio.run(learner.update([Episode(error="broken", episode_id=7), *iteration(0)[:2]]))
    learn(learner, [1])
    assert inner.batches[0][0] == (0, 7)
    assert (0, 7) not in inner.batches[1]


def test_a_run_that_goes_on_recalls_the_same(tmp_path):
    whole, first, second = Remembering(), Remembering(), Remembering()
    learn(RecallingLearner(whole, 3, episode, seed=5), range(6))
    begun = RecallingLearner(first, 3, episode, seed=5)
    learn(begun, range(3))
    begun.save(tmp_path)
    going_on = RecallingLearner(second, 3, episode, seed=5)
    going_on.load(tmp_path)
    learn(going_on, range(3, 6))
    assert first.batches + second.batches == whole.batches


@pytest.mark.parametrize("text", ["{}", '{"old": [{"iteration": 0}], "chance": []}', '{"old": [], "chance": [1]}', "["])
def test_a_damaged_state_is_said(tmp_path, text):
    (tmp_path / "recall.json").write_text(text)
    with pytest.raises(FileFormatError, match=r"recall\.json"):
        RecallingLearner(Remembering(), 1, episode).load(tmp_path)


def test_mini_batches_of_an_iteration_are_compared_with_all_of_it(tmp_path):
    def played(_, number):
        return Episode(episode_id=number, iteration=0, seed=number // 2, total_reward=(1 + number // 2) / 2)

    live, again = Remembering(), Remembering()
    learner = RecallingLearner(live, 1, played)
    for numbers in ((0, 1), (2, 3)):
        asyncio.run(learner.update([played(0, number) for number in numbers]))
    learner.save(tmp_path)
    restored = RecallingLearner(again, 1, played)
    restored.load(tmp_path)
    for one in (learner, restored):
        asyncio.run(one.update(iteration(1)))
    assert live.batches[-1] == again.batches[-1]
    assert live.batches[-1][6:] == [(0, 2), (0, 3)]
