"""Rollouts to files and back, and to the record that learners read."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from textgrad_agents import ScriptedEngine, Session
from textgrad_agents.agents import SimpleAgent
from textgrad_agents.errors import FileFormatError
from textgrad_agents.messages import Completion, Message, TokenTrace, ToolCall, ToolRequestMessage, Usage, user
from textgrad_agents.ops import IdentityOp
from textgrad_agents.tools import Tool
from textgrad_agents.transitions import Trajectory, Transition, discounted_returns
from textgrad_agents.variables import Variable


def look(place: str) -> str:
    """Look.

    Args:
        place: where
    """
    return place


LOOK = Tool.from_function(look)
TRACE = TokenTrace(
    np.array([1], np.int32), np.array([2, 3], np.int32), np.array([-0.5, -1.0], np.float32), np.array([True, True])
)


class State(BaseModel):
    """A state that can be written."""

    count: int = 0
    said: list[Any] = []


def steps(number: int, **more: Any) -> list[Transition]:
    return [
        Transition(
            timestep=at,
            agent_state=State(count=at),
            next_agent_state=State(count=at + 1),
            observation=[user(f"seen {at}")],
            next_observation=[user(f"seen {at + 1}")],
            action=IdentityOp()(ToolRequestMessage(tool_calls=[ToolCall.from_tool(LOOK, f"{at}")])),
            reward=float(at),
            done=at == number - 1,
            value=0.5,
            **more,
        )
        for at in range(number)
    ]


def written(path: Path, *, number: int = 3) -> Trajectory:
    trajectory = Trajectory(traj_id="t1", steps=steps(number), metadata={"env_id": "task 7"})
    asyncio.run(trajectory.to_jsonl(path))
    return trajectory


def test_a_file_gives_back_what_was_written(tmp_path: Path) -> None:
    trajectory = written(tmp_path / "t.jsonl")
    read = Trajectory.from_jsonl(tmp_path / "t.jsonl")
    assert (read.traj_id, read.metadata, read.done, read.failed) == ("t1", {"env_id": "task 7"}, True, False)
    for before, after in zip(trajectory.steps, read.steps, strict=True):
        assert before.action is not None
        assert after.action is not None
        assert after.action.value == before.action.value
        assert isinstance(after.action.value, ToolRequestMessage)
        assert (after.observation, after.next_observation) == (before.observation, before.next_observation)
        assert after.agent_state == before.agent_state.model_dump()
        assert (after.reward, after.done, after.value) == (before.reward, before.done, before.value)
    again = tmp_path / "again.jsonl"
    asyncio.run(read.to_jsonl(again))
    assert Trajectory.from_jsonl(again).steps[1].agent_state == {"count": 1, "said": []}


def test_a_file_of_ldp_begins_with_the_id_alone(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    written(path)
    _, *rest = path.read_text().splitlines()
    path.write_text("\n".join(['"abc"', *rest]) + "\n")
    assert Trajectory.from_jsonl(path).traj_id == "abc"


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_file_cut_off_keeps_the_steps_before(tmp_path: Path, share: float) -> None:
    path = tmp_path / "t.jsonl"
    written(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    read = Trajectory.from_jsonl(path)
    whole = data[: int(len(data) * share)].count(b"\n") - 1
    assert [step.failed for step in read.steps] == [False] * whole + [True]
    assert f"is cut off in line {whole + 2}" in read.steps[-1].metadata["exception"]
    assert read.failed
    assert len(read.record().steps) == whole


def test_damage_before_the_last_line_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    written(path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1][:40], *lines[2:]]) + "\n")
    with pytest.raises(FileFormatError, match="line 2 is no step"):
        Trajectory.from_jsonl(path)
    path.write_text('{"schema_version": 99, "traj_id": "x"}\n')
    with pytest.raises(FileFormatError, match="schema version 99, this release reads 1"):
        Trajectory.from_jsonl(path)
    path.write_text('{"policy": 1}\n')
    with pytest.raises(FileFormatError, match="names no traj_id"):
        Trajectory.from_jsonl(path)
    path.write_text('{"schema_ver')
    with pytest.raises(FileFormatError, match="first line"):
        Trajectory.from_jsonl(path)
    with pytest.raises(FileFormatError, match="cannot be read"):
        Trajectory.from_jsonl(tmp_path / "none.jsonl")


def test_a_state_that_cannot_be_written_makes_a_failed_step(tmp_path: Path) -> None:
    class Odd:
        pass

    path = tmp_path / "t.jsonl"
    first, second = steps(2)
    first.agent_state = Odd()
    asyncio.run(Trajectory(traj_id="t", steps=[first, second]).to_jsonl(path))
    read = Trajectory.from_jsonl(path)
    assert [step.failed for step in read.steps] == [True, False]
    assert "Odd" in read.steps[0].metadata["exception"]
    assert read.steps[0].reward == first.reward
    assert read.steps[0].action is not None


def test_states_may_hold_dataclasses_and_values_of_the_graph(tmp_path: Path) -> None:
    @dataclass
    class Place:
        x: int

    value = Variable(Message(content="hi"), role_description="action")
    (step,) = steps(1)
    step.agent_state, step.next_agent_state = Place(3), State(said=[value])
    asyncio.run(Trajectory(steps=[step]).to_jsonl(tmp_path / "t.jsonl"))
    (read,) = Trajectory.from_jsonl(tmp_path / "t.jsonl").steps
    assert read.agent_state == {"x": 3}
    assert read.next_agent_state["said"][0]["content"] == "hi"


def test_numbers_that_are_none_are_not_written(tmp_path: Path) -> None:
    (step,) = steps(1, metadata={"loss": float("inf")})
    asyncio.run(Trajectory(steps=[step]).to_jsonl(tmp_path / "t.jsonl"))
    assert Trajectory.from_jsonl(tmp_path / "t.jsonl").failed
    assert "Infinity" not in (tmp_path / "t.jsonl").read_text()


def test_the_record_holds_what_was_sent_said_and_sampled() -> None:
    call = ToolCall.from_tool(LOOK, "up", id="c1")
    reply = Completion("Hm.", finish="tool_calls", tool_calls=(call,), usage=Usage(7, 3), trace=TRACE)

    async def run() -> Transition:
        agent = SimpleAgent(sys_prompt="Look around.")
        state = await agent.init_state([LOOK])
        action, after, _ = await agent.get_asv(state, [user("Where?")])
        return Transition(
            timestep=0,
            agent_state=state,
            next_agent_state=after,
            observation=[user("Where?")],
            next_observation=[user("There.")],
            action=action,
            reward=2.0,
            done=True,
        )

    with Session(engine=ScriptedEngine([reply])):
        trajectory = Trajectory(traj_id="t", steps=[asyncio.run(run())])
    episode = trajectory.episode("finder", episode_id=3, environment={"name": "dummy"})
    (step,) = episode.trajectories[0].steps
    assert (step.agent, step.observation, step.reply, step.reward) == ("finder", "Where?", "Hm.", 2.0)
    assert [message.role for message in step.messages] == ["system", "user"]
    assert step.action_name == "look(place='up')"
    assert step.action["tool_calls"][0]["id"] == "c1"
    assert (step.finish, step.usage, step.trace) == ("tool_calls", Usage(7, 3), TRACE)
    assert (episode.total_reward, episode.length, episode.error, episode.episode_id) == (2.0, 1, None, 3)
    assert episode.cycles[0].done
    json.dumps(dict(episode.metadata))


def test_what_failed_is_no_part_of_the_record_but_its_reason_is() -> None:
    first, *_ = steps(2)
    failed = Transition(
        timestep=1, observation=[], next_observation=[], done=True, metadata={"exception": "ValueError('no')"}
    )
    episode = Trajectory(steps=[first, failed]).episode()
    assert episode.error == "ValueError('no')"
    assert episode.length == len(episode.trajectories[0].steps) == 1


def test_returns() -> None:
    assert discounted_returns([1.0, 2.0, 3.0], [False, False, True], 0.9) == pytest.approx([5.23, 4.7, 3.0])
    assert discounted_returns([1.0, 1.0, 1.0], [False, True, False]) == [2.0, 1.0, 1.0]
    assert Trajectory(steps=steps(3)).compute_discounted_returns(0.5) == [1.0, 2.0, 2.0]


def test_an_environment_may_have_no_id() -> None:
    class Nameless:
        async def get_id(self) -> str:
            raise NotImplementedError

    assert asyncio.run(Trajectory.from_env(Nameless(), traj_id="x")).metadata == {}
