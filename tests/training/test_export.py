"""Episode files: what is written is read back, repeats cost nothing, and damage is one named error."""

from __future__ import annotations

import asyncio
import hashlib
import json
import pickle
import pickletools
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load

from envs import make
from textgrad_agents.errors import ConfigError, FileFormatError
from textgrad_agents.interfaces import GenerateOptions
from textgrad_agents.messages import Completion, Message, TokenTrace, ToolCall, ToolCallFunction, Usage, system, user
from textgrad_agents.trajectory import Credit, Cycle, Episode, Step, Trajectory
from training.acting import LanguageTeam, RuleTeam
from training.export import (
    episode_from_dict,
    episode_to_dict,
    load_episode,
    load_episode_dict,
    write_episode,
)
from training.rollout import rollout

text = st.text(max_size=12)
finite = st.floats(-1e300, 1e300)  # so that a few of them have a finite sum
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | finite | text,
    lambda children: st.lists(children, max_size=2) | st.dictionaries(text, children, max_size=2),
    max_leaves=4,
)
objects = st.dictionaries(text.filter(lambda key: key != "text"), json_values, max_size=3)
counts = st.integers(0, 10**6)
usages = st.builds(Usage, counts, counts, counts, counts, st.booleans())
calls = st.builds(ToolCall, id=text, function=st.builds(ToolCallFunction, name=text, arguments=objects))


@st.composite
def messages(draw: st.DrawFn, observation: str) -> Message:
    match draw(st.integers(0, 3)):
        case 0:
            return system(draw(text))
        case 1:
            return user(f"{draw(text)}{observation}{draw(text)}")
        case 2:
            return Message(
                content=draw(json_values), info=draw(st.none() | objects), cache_breakpoint=draw(st.booleans())
            )
        case _:
            return Message(
                role="assistant", content=draw(st.none() | text), tool_calls=(draw(calls),), name=draw(st.none() | text)
            )


@st.composite
def steps(draw: st.DrawFn, agent: str, timestep: int) -> Step:
    observation = draw(st.sampled_from(["", "I see\nSituation: the ball is still", "nothing", "a\n\nb"]) | text)
    return Step(
        agent=agent,
        timestep=timestep,
        observation=observation,
        messages=tuple(draw(st.lists(messages(observation), max_size=2))),
        reply=draw(text),
        action=draw(st.integers(0, 2) | finite | text),
        action_name=draw(st.sampled_from(["push", "stay", ""])),
        finish=draw(st.sampled_from([None, "stop", "length"])),
        parsed=draw(st.booleans()),
        usage=draw(st.just(Usage()) | usages),
        reward=draw(st.none() | finite),
        policy_version=draw(st.sampled_from(["", "v1", "v2"])),
    )


@st.composite
def episodes(draw: st.DrawFn) -> Episode:
    times = sorted(draw(st.sets(st.integers(0, 30), max_size=3)))
    agents = draw(st.lists(text, max_size=3, unique=True))
    cycles = [Cycle(t, draw(text), draw(objects), draw(finite), draw(st.booleans())) for t in times]
    trajectories = [
        Trajectory(agent, tuple(draw(steps(agent, t)) for t in times if draw(st.booleans()))) for agent in agents
    ]
    credits = st.builds(
        Credit,
        agent=text,
        text=text,
        score=st.none() | st.floats(-1, 1),
        step=st.none() | st.integers(0, 30),
        source=text,
    )
    return Episode(
        episode_id=draw(counts),
        iteration=draw(counts),
        seed=draw(st.integers(0, 2**63)),
        environment=draw(objects.filter(lambda one: not {"max_cycles", "action_mode"} & one.keys())),
        trajectories=tuple(trajectories),
        cycles=tuple(cycles),
        total_reward=draw(finite),
        length=draw(counts),
        truncated=draw(st.booleans()),
        error=draw(st.none() | text),
        credits=tuple(draw(st.lists(credits, max_size=2))),
        metadata=draw(objects),
    )


class Dice:
    """An engine that answers with a random action and counts tokens as a server would."""

    name = "dice"

    def __init__(self) -> None:
        self._random = random.Random(0)

    async def generate(self, messages: Sequence[Message], options: GenerateOptions | None = None) -> Completion:
        usage = Usage(sum(len(message.text) for message in messages) // 4, 1)
        return Completion(self._random.choice("012"), usage=usage)


@pytest.fixture(scope="module")
def full_episode() -> Episode:
    """20 pistons, 125 cycles, a policy of 16 rules for each."""
    environment = make("pistonball", num_pistons=20, max_cycles=125)
    rules = "\n".join(f"{i}. When the ball is close on my left and moving right, push up." for i in range(16))
    team = LanguageTeam(environment, {agent: f"{rules}\nI am {agent}." for agent in environment.agents}, Dice(), 0.0)
    played = (asyncio.run(rollout(environment, team, (seed, "train", 0, 0))) for seed in range(20))
    return next(episode for episode in played if episode.length == 125)


@pytest.fixture(scope="module")
def short_episode() -> Episode:
    environment = make("lamps", num_agents=2, max_cycles=5)
    team = LanguageTeam(environment, dict.fromkeys(environment.agents, "Wait."), Dice(), 0.0)
    episode = asyncio.run(rollout(environment, team, (0, "train", 1, 2), episode_id=2, iteration=1))
    return replace(episode, credits=(Credit("keeper_0", "pressed well", 0.5),))


def read_or_complaint(folder: Path) -> Episode | str:
    try:
        return load_episode(folder)
    except FileFormatError as error:
        return str(error)


# -- round trips ---------------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(episode=episodes())
def test_any_record_is_read_back(episode: Episode, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("export") / "episode_0"
    write_episode(folder, episode)
    assert load_episode(folder) == episode
    assert load_episode_dict(folder) == episode_to_dict(episode)


def test_a_real_episode_is_read_back(full_episode: Episode, tmp_path: Path) -> None:
    write_episode(tmp_path / "episode_0", full_episode)
    assert load_episode(tmp_path / "episode_0") == full_episode
    assert load_episode(tmp_path / "episode_0" / "episode.json") == full_episode


def test_an_episode_without_cycles_keeps_its_score(tmp_path: Path) -> None:
    episode = Episode(total_reward=3.5, length=125, trajectories=(Trajectory("a"),), error="the ball is gone")
    write_episode(tmp_path, episode)
    assert load_episode(tmp_path) == episode


def test_token_traces_are_read_back(short_episode: Episode, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)

    def traced(step: Step) -> Step:
        prompt, action = generator.integers(1, 9, 2)
        trace = TokenTrace(
            generator.integers(0, 99, prompt, np.int32),
            generator.integers(0, 99, action, np.int32),
            generator.random(action, np.float32),
            generator.random(action) < 0.5,
        )
        return replace(step, trace=trace) if step.timestep != 1 else step

    trajectories = tuple(replace(one, steps=tuple(map(traced, one.steps))) for one in short_episode.trajectories)
    episode = replace(short_episode, trajectories=trajectories)
    write_episode(tmp_path, episode)
    read = load_episode(tmp_path)
    pairs = list(zip(episode.steps(), read.steps(), strict=True))
    assert [replace(step, trace=None) for step, _ in pairs] == [replace(step, trace=None) for _, step in pairs]
    for before, after in pairs:
        assert (before.trace is None) == (after.trace is None)
        if before.trace is not None and after.trace is not None:
            for name in ("prompt_ids", "action_ids", "logprobs", "mask"):
                one, other = getattr(before.trace, name), getattr(after.trace, name)
                assert one.dtype == other.dtype
                np.testing.assert_array_equal(one, other)
    path = tmp_path / "trajectory.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(FileFormatError, match=r"not the file whose hash is in trajectory\.json"):
        load_episode(tmp_path)


# -- the documented form -------------------------------------------------------------------------------------------

KEYS = ["episode_id", "iteration", "total_reward", "num_pistons", "max_cycles", "agent_type", "action_mode"]
KEYS += ["transitions", "gif_path", "token_stats"]


def test_the_keys_of_the_file_and_of_the_dict(short_episode: Episode, tmp_path: Path) -> None:
    write_episode(tmp_path, short_episode, gif_path=tmp_path / "episode_2.gif")
    stored = json.loads((tmp_path / "episode.json").read_text())
    assert list(stored)[: len(KEYS)] == KEYS
    data = load_episode_dict(tmp_path)
    assert list(data)[: len(KEYS)] == KEYS
    assert (data["episode_id"], data["iteration"], data["num_pistons"], data["max_cycles"]) == (2, 1, 2, 5)
    assert (data["agent_type"], data["action_mode"]) == ("llm", "discrete")
    assert data["gif_path"] == str(tmp_path / "episode_2.gif")
    usage = short_episode.usage
    assert data["token_stats"] == {
        "total_gpt_queries": 10,
        "estimated_tokens_simulation": {"input": usage.input_tokens, "output": usage.output_tokens},
    }
    for shape in (stored, data):
        transition = shape["transitions"][0]
        assert list(transition) == [
            "timestep",
            "global_state",
            "agents",
            "instant_reward",
            "cumulative_reward",
            "done",
        ]
        assert list(transition["agents"]["keeper_0"]) == [
            "action",
            "action_name",
            "local_observation",
            "observation_to_gpt",
            "gpt_query_response",
        ]


def test_the_dict_has_every_text_in_its_place(short_episode: Episode) -> None:
    data = episode_to_dict(short_episode)
    total = 0.0
    for cycle, transition in zip(short_episode.cycles, data["transitions"], strict=True):
        total += cycle.reward
        assert transition["global_state"] == {"text": cycle.text, **cycle.state}
        assert transition["cumulative_reward"] == total
        for trajectory in short_episode.trajectories:
            step, entry = trajectory.steps[cycle.timestep], transition["agents"][trajectory.agent]
            assert entry["local_observation"] == step.observation
            assert entry["gpt_query_response"] == step.reply
            assert entry["observation_to_gpt"] == "\n\n".join(message.text for message in step.messages)
            assert "Wait." in entry["observation_to_gpt"]
    again = episode_from_dict(data)
    assert again.cycles == short_episode.cycles
    assert [step.observation for step in again.steps()] == [step.observation for step in short_episode.steps()]


def test_rule_agents_ask_nobody(tmp_path: Path) -> None:
    environment = make("lamps", num_agents=1, max_cycles=3)
    team = RuleTeam(lambda one: dict.fromkeys(one.agents, 1))
    write_episode(tmp_path, asyncio.run(rollout(environment, team, (0,))))
    data = load_episode_dict(tmp_path)
    assert data["agent_type"] == "rule"
    assert data["token_stats"]["total_gpt_queries"] == 0
    assert data["transitions"][0]["agents"]["keeper_0"]["observation_to_gpt"] == ""


def test_pictures_elsewhere_are_named_in_full(short_episode: Episode, tmp_path: Path) -> None:
    write_episode(tmp_path / "a", short_episode, agent_type="rule", gif_path=tmp_path / "b.gif")
    data = load_episode_dict(tmp_path / "a")
    assert (data["gif_path"], data["agent_type"]) == (str(tmp_path / "b.gif"), "rule")


# -- size ----------------------------------------------------------------------------------------------------------


def test_a_full_episode_takes_at_most_1200_kb(full_episode: Episode, tmp_path: Path) -> None:
    write_episode(tmp_path, full_episode)
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(sizes) == {
        "episode.json",
        "episode_log.txt",
        "trajectory.json",
        "trajectory.pkl",
        "trajectory.safetensors",
    }
    assert sum(sizes.values()) <= 1_200_000, sizes


def test_prompts_are_said_once(full_episode: Episode, tmp_path: Path) -> None:
    write_episode(tmp_path, full_episode)
    stored = (tmp_path / "episode.json").read_text()
    assert stored.count("All pistons share one reward") == 1
    assert stored.count("Which action do you take") == 1
    assert stored.count("I am piston_7.") == 1


# -- the pickle and its twin ---------------------------------------------------------------------------------------


def test_the_pickle_is_builtins_only_and_says_what_happened(short_episode: Episode, tmp_path: Path) -> None:
    write_episode(tmp_path, short_episode)
    data = (tmp_path / "trajectory.pkl").read_bytes()
    opcodes = {opcode.name for opcode, _, _ in pickletools.genops(data)}
    assert not opcodes & {"GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1"}
    assert data[:2] == b"\x80\x05"
    loaded = pickle.loads(data)
    assert loaded["num_steps"] == len(loaded["trajectory"]) == len(loaded["transitions"]) == 5
    assert loaded["total_reward"] == short_episode.total_reward
    for cycle, (seen, actions, reward, done, infos) in zip(short_episode.cycles, loaded["trajectory"], strict=True):
        decisions = [one.steps[cycle.timestep] for one in short_episode.trajectories]
        assert seen == {step.agent: step.situation for step in decisions}
        assert actions == {step.agent: step.action for step in decisions}
        assert (reward, done, infos) == (cycle.reward, cycle.done, {})


def test_the_twin_has_the_same_numbers_and_the_hashes(short_episode: Episode, tmp_path: Path) -> None:
    write_episode(tmp_path, short_episode)
    names = json.loads((tmp_path / "trajectory.json").read_text())
    for name, digest in names["sha256"].items():
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == digest
    arrays = load((tmp_path / "trajectory.safetensors").read_bytes())
    assert {name: list(array.shape) for name, array in arrays.items()} == {
        name: described["shape"] for name, described in names["arrays"].items()
    }
    np.testing.assert_array_equal(arrays["reward_T"], [cycle.reward for cycle in short_episode.cycles])
    for n, trajectory in enumerate(short_episode.trajectories):
        assert names["agents"][n] == trajectory.agent
        for t, step in enumerate(trajectory.steps):
            assert names["situations"][arrays["situation_TN"][t, n]] == step.situation
            assert names["action_names"][arrays["action_name_TN"][t, n]] == step.action_name
            assert arrays["action_TN"][t, n] == step.action


# -- the log -------------------------------------------------------------------------------------------------------


def test_the_log_reads_from_top_to_bottom(short_episode: Episode, tmp_path: Path) -> None:
    write_episode(tmp_path, short_episode)
    log = (tmp_path / "episode_log.txt").read_text()
    position = 0
    for cycle in short_episode.cycles:
        actions = ", ".join(
            f"{one.agent} {one.steps[cycle.timestep].action_name}" for one in short_episode.trajectories
        )
        for part in (f"Timestep {cycle.timestep}\n", cycle.text, f"Actions: {actions}\n", f"{cycle.reward:+.4f}"):
            position = log.index(part, position)
    assert f"Total reward: {short_episode.total_reward:.4f}\nSteps: 5\n" in log[position:]


# -- what goes wrong -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"total_reward": float("nan")}, "Out of range float values"),
        ({"metadata": {"a": object()}}, "object"),
        ({"cycles": (Cycle(0, "", {}, 0.0), Cycle(0, "", {}, 0.0))}, "two of its cycles have the same timestep"),
        ({"trajectories": (Trajectory("a"), Trajectory("a"))}, "two of its trajectories are of the same agent"),
        ({"trajectories": (Trajectory("a", (Step(agent="a", timestep=3),)),)}, "a decision of a at timestep 3"),
        ({"cycles": (Cycle(0, "", {"text": ""}, 0.0),)}, "has the key 'text'"),
        ({"error": "\ud800"}, "surrogates"),
    ],
)
def test_what_no_file_can_hold_is_refused_and_nothing_is_written(
    changes: Mapping[str, Any], complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        write_episode(tmp_path / "episode_0", replace(Episode(), **changes))
    assert complaint in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_breaks_off_leaves_no_complete_episode(
    short_episode: Episode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, value: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("training.export.files.write_json", full)
    with pytest.raises(ConfigError, match="cannot be written: No space left on device"):
        write_episode(tmp_path, short_episode)
    assert not (tmp_path / "episode.json").exists()


def legacy() -> dict[str, Any]:
    """A file as the earlier system wrote it."""
    agents = {
        f"piston_{i}": {
            "action": i,
            "action_name": "stay",
            "local_observation": f"Piston index: #{i}",
            "observation_to_gpt": f"rules\nPiston index: #{i}",
            "gpt_query_response": "Action: 1",
        }
        for i in range(2)
    }
    state = {
        "text": "Ball at 400",
        "ball_position": [400.0, 100.0],
        "ball_velocity": [1.0, 0.0],
        "pistons": [{"index": 0, "position": [100.0, 400.0], "velocity": [0.0, 0.0]}],
    }
    transitions = [
        {
            "timestep": t,
            "global_state": state,
            "agents": agents,
            "instant_reward": 0.5,
            "cumulative_reward": 0.5 * (t + 1),
            "done": t == 1,
        }
        for t in range(2)
    ]
    return {
        "episode_id": 1,
        "iteration": 0,
        "total_reward": 1.0,
        "num_pistons": 2,
        "max_cycles": 125,
        "agent_type": "llm",
        "action_mode": "discrete",
        "transitions": transitions,
        "gif_path": "experiments/x/iteration_0/episode_1/episode_1.gif",
        "token_stats": {"total_gpt_queries": 4, "estimated_tokens_simulation": {"input": 10, "output": 3}},
        "something_else": 1,
    }


def test_files_of_the_earlier_system_are_read(tmp_path: Path) -> None:
    (tmp_path / "episode.json").write_text(json.dumps(legacy()))
    episode = load_episode(tmp_path)
    assert episode.agents == ("piston_0", "piston_1")
    assert (episode.length, episode.total_reward, episode.cycles[1].done) == (2, 1.0, True)
    assert episode.cycles[0].state["ball_position"] == [400.0, 100.0]
    step = episode.trajectories[1].steps[0]
    assert (step.action, step.reply, step.reward) == (1, "Action: 1", 0.5)
    assert step.messages == (user("rules\nPiston index: #1"),)
    data = load_episode_dict(tmp_path)
    assert data["transitions"] == legacy()["transitions"]
    assert {key: data[key] for key in KEYS} == {key: legacy()[key] for key in KEYS}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"schema_version": 2}, "has schema_version 2; this version reads 1"),
        ({"total_reward": "1"}, "total_reward must be a valid number, not '1'"),
        ({"transitions": {}}, "transitions must be a valid tuple"),
        ({"transitions": [{}]}, "transitions.0.timestep is missing"),
        ({"schema_version": 1, "something_els": 2}, "there is no field something_els"),
        ({"credits": [{"agent": "a"}]}, "credits.0.text is missing"),
    ],
)
def test_damage_is_one_line_with_path_and_field(tmp_path: Path, change: dict[str, Any], complaint: str) -> None:
    (tmp_path / "episode.json").write_text(json.dumps(legacy() | change))
    message = read_or_complaint(tmp_path)
    assert isinstance(message, str)
    assert message.startswith(f"episode file {tmp_path / 'episode.json'}")
    assert complaint in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("where", "value", "complaint"),
    [
        (["transitions", 0, "agents", "keeper_0", "observation_to_gpt"], "prompts[9]", "number 9 of prompts"),
        (["transitions", 0, "agents", "keeper_0", "observation_to_gpt"], "hello", "'hello' names no prompt"),
        (["transitions", 0, "agents", "keeper_0", "local_observation"], [999], "number 999 of lines"),
        (["transitions", 1, "timestep"], 0, "timesteps of its transitions do not rise"),
        (["prompts", 0], [7], "number 7 of messages"),
        (["agents"], {}, "'keeper_0' decides at timestep 0 and is not in agents"),
        (["agents", "keeper_0", "parsed"], [True], "agents.keeper_0.parsed has 1 values for 5 decisions"),
        (["rewards"], [0.5], "rewards has 1 values for 5 decisions"),
        (["traces"], True, "trajectory.safetensors cannot be used: 'trace.place_K2'"),
    ],
)
def test_parts_that_contradict_each_other_are_named(
    short_episode: Episode, tmp_path: Path, where: list[Any], value: Any, complaint: str
) -> None:
    write_episode(tmp_path, short_episode)
    path = tmp_path / "episode.json"
    data = json.loads(path.read_text())
    part = data
    for key in where[:-1]:
        part = part[key]
    part[where[-1]] = value
    path.write_text(json.dumps(data))
    message = read_or_complaint(tmp_path)
    assert isinstance(message, str)
    assert complaint in message


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_mutated_files_give_an_episode_or_the_documented_error(
    short_episode: Episode, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("mutated")
    write_episode(folder, short_episode)
    path = folder / data.draw(st.sampled_from(["episode.json", "episode.json", "trajectory.json"]))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content) - 1))
        end = start + data.draw(st.sampled_from([0, 1, 1, 8]))
        content[start:end] = data.draw(st.binary(max_size=2))
    path.write_bytes(content)
    read = read_or_complaint(folder)
    if isinstance(read, str):
        assert str(folder) in read
        assert "\n" not in read
    else:
        write_episode(folder / "again", read)
        assert load_episode(folder / "again") == read
