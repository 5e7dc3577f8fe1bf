"""Rollouts: failures are recorded, siblings go on, environments are closed, nothing stays."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections import Counter
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import Any

import pytest
from rollouts import CountingAgent, CountingEnv  # tests/support

from envs import DummyEnv, Environment
from textgrad_agents import ScriptedEngine, Session
from textgrad_agents.agents import SimpleAgent
from textgrad_agents.errors import ConfigError
from textgrad_agents.interfaces import GenerateOptions
from textgrad_agents.messages import Completion, Message, ToolCall, user
from textgrad_agents.transitions import Trajectory
from textgrad_agents.variables import Variable
from training.callbacks import Callback
from training.rollouts import RolloutManager

PARTS = ("before_transition", "agent_get_asv", "after_agent_get_asv", "env_step", "after_env_step")


class Heard(Callback):
    """Counts what it is told."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.failed: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        if name.startswith(("before_", "after_")):
            self.counts[name] += 1
        return super().__getattribute__(name)

    async def after_transition(self, traj_id: str, agent: Any, env: Any, transition: Any) -> None:
        if transition.failed:
            self.failed.append(transition.metadata["exception"])


def sampled(
    agent: Any, *environments: Environment[Any], max_steps: int | None = None, **settings: Any
) -> list[Trajectory]:
    manager = RolloutManager(agent, **settings)
    return asyncio.run(manager.sample_trajectories(environments=environments, max_steps=max_steps))


def test_states_and_observations_follow_each_other() -> None:
    heard, env = Heard(), CountingEnv()
    (trajectory,) = sampled(CountingAgent(), env, callbacks=[heard])
    assert [step.timestep for step in trajectory.steps] == [0, 1, 2]
    for number, step in enumerate(trajectory.steps):
        assert (step.observation[0].content, step.next_observation[0].content) == (f"{number:.1f}", f"{number + 1:.1f}")
        assert step.next_agent_state.count == number + 1
        assert step.value == 0.5
        assert all(step.metadata[f"time_elapsed_{part}"] >= 0 for part in PARTS)
    assert trajectory.done
    assert not trajectory.steps[-1].truncated
    assert env.closed == 1
    assert heard.counts == {
        **dict.fromkeys(["before_rollout", "after_env_reset", "after_agent_init_state", "after_rollout"], 1),
        **dict.fromkeys(["before_transition", "after_agent_get_asv", "after_env_step", "after_transition"], 3),
    }


def test_a_rollout_that_is_too_long_is_cut() -> None:
    (trajectory,) = sampled(CountingAgent(), CountingEnv(), max_steps=2)
    assert [step.truncated for step in trajectory.steps] == [False, True]
    assert not trajectory.done
    (just_right,) = sampled(CountingAgent(), CountingEnv(), max_steps=3)
    assert not just_right.steps[-1].truncated


@pytest.mark.parametrize(
    ("agent", "env", "steps", "part", "problem"),
    [
        (CountingAgent(fails_at=1), CountingEnv(), 2, "agent", "ValueError('cannot count on from 1')"),
        (CountingAgent(fails_at=-1), CountingEnv(), 1, "agent", "ValueError('no state')"),
        (CountingAgent(hangs_at=2), CountingEnv(), 3, "agent", "the agent did not answer within 0.05 s"),
        (CountingAgent(), CountingEnv(fails_in="reset"), 1, "environment", "no beginning"),
        (CountingAgent(), CountingEnv(fails_in="step"), 1, "environment", "no way on"),
        (CountingAgent(), CountingEnv(fails_in="hang"), 1, "environment", "the environment did not answer within"),
        (CountingAgent(), CountingEnv(fails_in="close"), 4, "environment", "no end"),
    ],
)
def test_a_failure_is_a_last_step_and_touches_no_sibling(
    agent: CountingAgent, env: CountingEnv, steps: int, part: str, problem: str
) -> None:
    heard = Heard()
    manager = RolloutManager(agent, callbacks=[heard], timeout=0.05)
    sibling = CountingEnv(state=2.5)
    failed, sound = asyncio.run(manager.sample_trajectories(environments=[env, sibling]))
    last = failed.steps[-1]
    assert [step.failed for step in failed.steps] == [False] * (steps - 1) + [True]
    assert problem in last.metadata["exception"]
    assert last.metadata["failed_part"] == part
    assert any(name.startswith("time_elapsed_") for name in last.metadata)
    assert (last.action, last.done, last.next_observation) == (None, True, [])
    assert [problem in one for one in heard.failed][:1] == [True]
    assert (env.closed, sibling.closed) == (1, 1)
    if agent.fails_at != -1:
        assert not sound.failed
        assert manager.exceptions.total() == 1
    assert failed.record().steps == () or len(failed.record().steps) == steps - 1


def test_an_agent_that_calls_no_tool_is_recorded() -> None:
    with Session(engine=ScriptedEngine(["No, thank you."])):
        (trajectory,) = sampled(SimpleAgent(), DummyEnv())
    assert "called no tool: 'No, thank you.'" in trajectory.steps[-1].metadata["exception"]


class Odd(CountingEnv):
    """Breaks the contract of environments in the way it is told to."""

    def __init__(self, answer: Any = None, name: Any = None, beginning: Any = None) -> None:
        super().__init__()
        self.answer, self.name, self.beginning = answer, name, beginning

    async def reset(self) -> Any:
        return await super().reset() if self.beginning is None else self.beginning

    async def get_id(self) -> str:
        if self.name is not None:
            raise self.name
        return "odd"

    async def step(self, action: Message) -> Any:
        return self.answer


@pytest.mark.parametrize(
    ("env", "problem"),
    [
        (Odd(), "step has to give (messages, reward, done, truncated)"),
        (Odd(([Message(content="1")], 0.0, False)), "3 is missing"),
        (Odd((["1"], 0.0, False, False)), "observations.0"),
        (Odd(([Message(content="1")], "much", False, False)), "reward must be a valid number"),
        (Odd(([Message(content="1")], float("nan"), False, False)), "reward must be a finite number, not nan"),
        (Odd(beginning=("1", [])), "reset has to give (messages, tools): observations must be a valid list, not '1'"),
        (Odd(beginning=["1"]), "1 is missing"),
        (Odd(name=RuntimeError("nobody knows")), "nobody knows"),
    ],
)
def test_an_environment_that_breaks_its_contract_is_recorded(env: Odd, problem: str) -> None:
    failed, sound = sampled(CountingAgent(), env, CountingEnv())
    assert problem in failed.steps[-1].metadata["exception"]
    assert "\n" not in failed.steps[-1].metadata["exception"]
    assert failed.steps[-1].metadata["failed_part"] == "environment"
    assert env.closed == 1
    assert sound.done


@pytest.mark.parametrize(
    ("decided", "problem"),
    [
        ((Message(content="hi"), None, 0.0), "wrap_action(message)"),
        ((Variable("hi", role_description="action"), None, None), "value must be a valid number, not None"),
        ((Variable("hi", role_description="action"), None), "2 is missing"),
        (None, "get_asv has to give (action, state, value)"),
    ],
)
def test_an_agent_that_breaks_its_contract_is_recorded(decided: Any, problem: str) -> None:
    class Odd(CountingAgent):
        async def get_asv(self, agent_state: Any, obs: Any) -> Any:
            return decided

    (trajectory,) = sampled(Odd(), CountingEnv())
    assert problem in trajectory.steps[-1].metadata["exception"]
    assert trajectory.steps[-1].metadata["failed_part"] == "agent"


def test_a_model_that_hangs_is_left_and_holds_up_nobody() -> None:
    """The call is stopped with the step that waited for it, so it takes no place and the session can be left."""
    stopped: list[bool] = []

    class Hanging:
        name = "hanging"

        async def generate(self, messages: Any, options: Any = None) -> Completion:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                stopped.append(True)
                raise
            raise AssertionError

    with Session(engine=Hanging(), concurrency=1):
        trajectories = sampled(SimpleAgent(), DummyEnv(), DummyEnv(), timeout=0.05)
    assert all("the agent did not answer within" in one.steps[-1].metadata["exception"] for one in trajectories)
    assert stopped


def test_a_failure_in_closing_after_another_is_kept_beside_it() -> None:
    (trajectory,) = sampled(CountingAgent(fails_at=0), CountingEnv(fails_in="close"))
    assert len(trajectory.steps) == 1
    assert "cannot count" in trajectory.steps[0].metadata["exception"]
    assert "no end" in trajectory.steps[0].metadata["close_exception"]


def test_failures_can_be_raised_and_everything_is_closed_then() -> None:
    environments = [CountingEnv(), CountingEnv()]
    with pytest.raises(ValueError, match="cannot count on from 1"):
        sampled(CountingAgent(fails_at=1), *environments, catch_agent_failures=False)
    assert [env.closed for env in environments] == [1, 1]
    with pytest.raises(RuntimeError, match="no way on"):
        sampled(CountingAgent(), CountingEnv(fails_in="step"), catch_env_failures=False)


def test_errors_of_callbacks_are_not_those_of_agents() -> None:
    class Broken(Callback):
        async def after_env_step(self, *args: Any) -> None:
            raise ZeroDivisionError

    env = CountingEnv()
    with pytest.raises(ZeroDivisionError):
        sampled(CountingAgent(), env, callbacks=[Broken()])
    assert env.closed == 1


def test_failures_are_summed_up(caplog: pytest.LogCaptureFixture) -> None:
    manager = RolloutManager(CountingAgent(fails_at=1))
    environments = [CountingEnv(), CountingEnv(), CountingEnv(2)]
    trajectories = asyncio.run(manager.sample_trajectories(environments=environments, summarize_exceptions=True))
    assert [one.failed for one in trajectories] == [True, True, False]
    (record,) = [one for one in caplog.records if one.levelname == "WARNING"]
    assert "2 rollouts failed" in record.message
    assert "2 × ValueError('cannot count on from 1')" in record.message


def test_slots_use_up_their_steps() -> None:
    manager = RolloutManager(CountingAgent(), concurrency_limit=1)
    pairs = asyncio.run(manager.sample_trajectories(environment_factory=CountingEnv, batch_size=2, max_steps=7))
    assert [len(trajectory.steps) for trajectory, _ in pairs] == [3, 3, 1, 3, 3, 1]
    assert [trajectory.steps[-1].truncated for trajectory, _ in pairs] == [False, False, True] * 2
    assert all(env.closed == 1 for _, env in pairs)
    assert len(asyncio.run(manager.sample_trajectories(environment_factory=CountingEnv))) == 1


def test_no_more_than_the_limit_are_under_way() -> None:
    class Watched(CountingEnv):
        now = most = ended = 0

        async def reset(self) -> Any:
            Watched.now += 1
            Watched.most = max(Watched.most, Watched.now)
            await asyncio.sleep(0)
            return [Message(content="0")], []

        async def close(self) -> None:
            Watched.now -= 1
            Watched.ended += 1

    taken: list[int] = []

    def environments() -> Iterator[Watched]:
        for number in range(10):
            taken.append(number - Watched.ended)
            yield Watched()

    asyncio.run(RolloutManager(CountingAgent(), concurrency_limit=3).sample_trajectories(environments=environments()))
    assert Watched.most == 3
    assert max(taken) == 2


def test_nothing_of_a_finished_rollout_stays() -> None:
    """No more graphs are alive at once than those of rollouts that may be under way, whatever their number."""
    alive: weakref.WeakSet[Variable[Any]] = weakref.WeakSet()

    async def run() -> tuple[int, int]:
        count = most = 0
        manager = RolloutManager(CountingAgent(), concurrency_limit=8)
        async for trajectory in manager.stream(CountingEnv() for _ in range(200)):
            alive.update(step.action for step in trajectory.steps if step.action is not None)
            count += 1
            if count % 50 == 0:
                gc.collect()
                most = max(most, len(alive))
        return count, most

    count, most = asyncio.run(run())
    gc.collect()
    assert count == 200
    assert 0 < most <= 3 * 2 * 8
    assert len(alive) == 0


def test_a_stream_that_is_left_stops_what_is_under_way() -> None:
    environments = [CountingEnv(), CountingEnv(fails_in="hang")]

    async def run() -> None:
        stream = RolloutManager(CountingAgent()).stream(environments)
        async for _ in stream:
            break
        await stream.aclose()

    asyncio.run(run())
    assert [env.closed for env in environments] == [1, 1]


def test_seeds_are_those_of_the_rollout_whatever_finishes_first() -> None:
    def played(delays: Sequence[float]) -> list[list[int | None]]:
        seeds: dict[str, list[int | None]] = {}

        class Late(DummyEnv):
            async def step(self, action: Message) -> Any:
                await asyncio.sleep(delays[int(str(self.task))])
                return await super().step(action)

        def answer(messages: Any, options: GenerateOptions) -> Completion:
            seeds.setdefault(at.get(), []).append(options.seed)
            call = ToolCall.from_name("get_random_int", id="c")
            return Completion("", finish="tool_calls", tool_calls=(call,))

        class Named(SimpleAgent):
            async def get_asv(self, agent_state: Any, obs: Any) -> Any:
                obs = [user("Same words in every rollout.")]
                return await super().get_asv(agent_state, obs)

        at: ContextVar[str] = ContextVar("at")

        class Where(Callback):
            async def before_rollout(self, traj_id: str, env: Any) -> None:
                at.set(env.task)

        with Session(engine=ScriptedEngine(answer)):
            sampled(Named(), *(Late(str(n)) for n in range(3)), max_steps=3, callbacks=[Where()])
        return [seeds[str(n)] for n in range(3)]

    first = played([0.02, 0.0, 0.01])
    assert first == played([0.0, 0.02, 0.0])
    assert len({seed for some in first for seed in some}) == 9


def test_what_does_not_fit_is_refused() -> None:
    manager = RolloutManager(CountingAgent())
    for arguments in ({}, {"environments": [], "environment_factory": CountingEnv}):
        with pytest.raises(ConfigError, match="either environments"):
            asyncio.run(manager.sample_trajectories(**arguments))
    with pytest.raises(ConfigError, match="max_steps must be at least 1"):
        asyncio.run(manager.sample_trajectories(environments=[CountingEnv()], max_steps=0))
    with pytest.raises(ConfigError, match="concurrency_limit"):
        RolloutManager(CountingAgent(), concurrency_limit=0)
    with pytest.raises(ConfigError, match="timeout"):
        RolloutManager(CountingAgent(), timeout=0)
