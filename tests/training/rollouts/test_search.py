"""Tree and beam search."""

from __future__ import annotations

import asyncio
import itertools
from copy import deepcopy
from typing import Any

import pytest
from rollouts import CountingAgent, CountingEnv  # tests/support

from envs import DummyEnv
from textgrad_agents.agents import SimpleAgent
from textgrad_agents.errors import ConfigError
from textgrad_agents.transitions import Trajectory
from training.callbacks import Callback
from training.rollouts import BeamSearchRollout, TreeSearchRollout


class Counted(Callback):
    def __init__(self) -> None:
        self.steps = self.rollouts = 0

    async def after_transition(self, *args: Any) -> None:
        self.steps += 1

    async def after_rollout(self, *args: Any) -> None:
        self.rollouts += 1


class Copied(CountingEnv):
    """Knows how many copies were made and closed."""

    made = ended = 0

    def __deepcopy__(self, memo: Any) -> Copied:
        Copied.made += 1
        return Copied(self.state, fails_in=self.fails_in, noise=self.noise, reward=self.reward)

    async def close(self) -> None:
        Copied.ended += 1


async def later(env: Any) -> Any:
    return deepcopy(env)


@pytest.mark.parametrize("limit", [None, 1])
def test_every_step_is_sampled_as_often_as_asked_for(limit: int | None) -> None:
    Copied.made = Copied.ended = 0
    counted = Counted()
    search = TreeSearchRollout(CountingAgent(), 2, later, callbacks=[counted], concurrency_limit=limit)
    tree = asyncio.run(search.sample_tree(Copied(noise=0.01), max_depth=3))
    trajectories = tree.get_trajectories()
    paths = {str(one.traj_id).removeprefix(f"{tree.root_id}:") for one in trajectories}
    assert paths == {":".join(path) for path in itertools.product("01", repeat=3)}
    assert (counted.steps, counted.rollouts, len(tree)) == (14, 1, 14)
    assert (Copied.made, Copied.ended) == (14, 15)
    seen: dict[str, str] = {}
    for trajectory in trajectories:
        for before, after in itertools.pairwise(trajectory.steps):
            assert after.agent_state is before.next_agent_state
            assert after.observation == before.next_observation
        path = str(trajectory.traj_id).split(":")
        for depth, step in enumerate(trajectory.steps):
            text = str(step.observation[0].content)
            assert seen.setdefault(":".join(path[: depth + 1]), text) == text


def test_a_search_ends_once_enough_is_earned() -> None:
    search = TreeSearchRollout(CountingAgent(), 2, deepcopy, concurrency_limit=1, target_reward=0.5)
    trajectories = asyncio.run(search.sample_tree(Copied(reward=1.0), max_depth=3)).get_trajectories()
    assert len(trajectories) < 8
    assert {len(one.steps) for one in trajectories} == {1}


def test_a_branch_that_fails_is_recorded_and_the_others_go_on() -> None:
    class Sometimes(Copied):
        async def step(self, action: Any) -> Any:
            if Copied.made % 2:
                raise RuntimeError("no way on")
            return await super().step(action)

        def __deepcopy__(self, memo: Any) -> Sometimes:
            Copied.made += 1
            return Sometimes(self.state)

    Copied.made = 0
    search = TreeSearchRollout(CountingAgent(), 2, deepcopy, concurrency_limit=1)
    (tree,) = asyncio.run(search.sample_trees([Sometimes()], max_depth=2))
    failures = [one for one in tree.get_trajectories() if one.failed]
    assert failures
    assert len(failures) < len(tree.get_trajectories())
    assert "no way on" in failures[0].steps[-1].metadata["exception"]


def test_a_tree_whose_beginning_fails_holds_the_failure() -> None:
    search = TreeSearchRollout(CountingAgent(), 2, deepcopy)
    (trajectory,) = asyncio.run(search.sample_tree(CountingEnv(fails_in="reset"))).get_trajectories()
    assert "no beginning" in trajectory.steps[0].metadata["exception"]


def test_beams_follow_the_score() -> None:
    """With a score that likes high counts, the noise that helps is kept."""
    Copied.made = Copied.ended = 0
    counted = Counted()

    async def score(trajectory: Trajectory) -> float:
        return float(trajectory.steps[-1].next_observation[0].content or 0)

    search = BeamSearchRollout(CountingAgent(), 2, 4, later, deepcopy, score, callbacks=[counted])
    trajectories = asyncio.run(search.sample_trajectories([Copied(noise=0.3), Copied(noise=0.3)], max_steps=5))
    assert len(trajectories) == 2
    for trajectory in trajectories:
        assert trajectory.done
        assert [step.timestep for step in trajectory.steps] == [*range(len(trajectory.steps))]
        values = [step.value for step in trajectory.steps]
        assert values == sorted(values)
    assert counted.rollouts == 2
    assert Copied.ended == Copied.made + 2


def test_one_beam_of_one_sample_is_a_rollout() -> None:
    search = BeamSearchRollout(CountingAgent(), 1, 1, deepcopy, deepcopy, lambda trajectory: 0.0)
    (trajectory,) = asyncio.run(search.sample_trajectories([CountingEnv()]))
    assert [step.observation[0].content for step in trajectory.steps] == ["0.0", "1.0", "2.0"]
    (cut,) = asyncio.run(search.sample_trajectories([CountingEnv()], max_steps=2))
    assert cut.steps[-1].truncated


def test_a_finished_trajectory_is_better_than_one_that_was_cut() -> None:
    starts = iter([2.5, 0.0])

    def clone(env: CountingEnv) -> CountingEnv:
        return CountingEnv(next(starts, 0.0))

    search = BeamSearchRollout(CountingAgent(), 2, 1, clone, deepcopy, lambda one: -one.total_reward)
    (trajectory,) = asyncio.run(search.sample_trajectories([CountingEnv()], max_steps=1))
    assert trajectory.done
    assert not trajectory.steps[-1].truncated


def test_actions_are_repeated_in_environments_that_cannot_be_copied() -> None:
    async def anew(env: DummyEnv) -> DummyEnv:
        fresh = DummyEnv(end_immediately=False)
        await fresh.reset()
        return fresh

    search = BeamSearchRollout(SimpleAgent(), 1, 2, anew, deepcopy, lambda one: 0.0, replay_actions_on_clone=True)
    (trajectory,) = asyncio.run(search.sample_trajectories([DummyEnv(end_immediately=False)], max_steps=3))
    assert len(trajectory.steps) == 3
    assert len(trajectory.steps[-1].next_agent_state.messages) == 6


def test_beams_that_all_fail_leave_the_failure() -> None:
    search = BeamSearchRollout(CountingAgent(fails_at=1), 2, 2, deepcopy, deepcopy, lambda one: 0.0)
    (trajectory,) = asyncio.run(search.sample_trajectories([CountingEnv()]))
    assert [step.failed for step in trajectory.steps] == [False, True]
    (reset,) = asyncio.run(search.sample_trajectories([CountingEnv(fails_in="reset")]))
    assert reset.failed


def test_numbers_must_be_positive() -> None:
    with pytest.raises(ConfigError, match="branching_factor"):
        TreeSearchRollout(CountingAgent(), 0, deepcopy)
    with pytest.raises(ConfigError, match="beam_width"):
        BeamSearchRollout(CountingAgent(), 0, 1, deepcopy, deepcopy, lambda one: 0.0)
    with pytest.raises(ConfigError, match="max_depth"):
        asyncio.run(TreeSearchRollout(CountingAgent(), 1, deepcopy).sample_tree(CountingEnv(), max_depth=0))


@pytest.mark.parametrize("kind", ["beam", "tree"])
def test_failures_that_are_raised_leave_no_copy_open(kind: str) -> None:
    Copied.made = Copied.ended = 0
    agent = CountingAgent(fails_at=1)
    beam = BeamSearchRollout(agent, 2, 2, deepcopy, deepcopy, lambda one: 0.0, catch_agent_failures=False)
    tree = TreeSearchRollout(agent, 2, deepcopy, catch_agent_failures=False)
    with pytest.raises(ValueError, match="cannot count on from 1"):
        asyncio.run(beam.sample_trajectories([Copied()]) if kind == "beam" else tree.sample_trees([Copied()]))
    assert Copied.made > 0
    assert Copied.ended == Copied.made + 1
