"""Token traces in an episode's files: all of it comes back, earlier files are read, damage is one error."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from textgrad_agents.errors import FileFormatError
from textgrad_agents.messages import PromptSpan, Sampling, TokenTrace
from textgrad_agents.trajectory import Cycle, Episode, Step, Trajectory
from training.export import load_episode, write_episode

text = st.text(max_size=5)
ids = st.integers(0, 2**31 - 1)


@st.composite
def traces(draw: st.DrawFn) -> TokenTrace:
    action = draw(st.lists(st.tuples(ids, st.floats(width=32), st.booleans()), max_size=3))
    return TokenTrace(
        np.array(draw(st.lists(ids, max_size=3)), np.int32),
        np.array([one for one, _, _ in action], np.int32),
        np.array([logprob for _, logprob, _ in action], np.float32),
        np.array([chosen for _, _, chosen in action], np.bool_),
        spans=tuple(draw(st.lists(st.builds(PromptSpan, ids, ids, text, text), max_size=2))),
        sampling=draw(
            st.builds(
                Sampling,
                temperature=st.sampled_from([0.0, 1.0]) | st.floats(0, 2),
                top_p=st.floats(0, 1),
                top_k=ids,
                min_p=st.floats(0, 1),
                seed=st.none() | st.integers(0, 2**70),
                engine=text,
                dtype=text,
                logprobs=st.sampled_from(["processed", "raw"]),
            )
        ),
        base=draw(text),
        adapter=draw(text),
        adapter_version=draw(ids),
    )


@st.composite
def episodes(draw: st.DrawFn) -> Episode:
    """Two agents, three cycles; some decisions have a trace."""

    def run(agent: str) -> Trajectory:
        return Trajectory(
            agent, tuple(Step(agent=agent, timestep=t, reward=0.0, trace=draw(st.none() | traces())) for t in range(3))
        )

    return Episode(cycles=tuple(Cycle(t, "", {}, 0.0) for t in range(3)), trajectories=(run("a"), run("b")), length=3)


def assert_equal(one: TokenTrace | None, other: TokenTrace | None) -> None:
    assert (one is None) == (other is None)
    for field in fields(TokenTrace) if one is not None else ():
        left, right = getattr(one, field.name), getattr(other, field.name)
        if isinstance(left, np.ndarray):
            assert left.dtype == right.dtype
            np.testing.assert_array_equal(left, right)
        else:
            assert left == right


def example() -> Episode:
    trace = TokenTrace(
        np.array([5, 6], np.int32),
        np.array([7, 8], np.int32),
        np.array([-0.5, -0.25], np.float32),
        np.array([True, True]),
        spans=(PromptSpan(0, 1, "a", "v1"),),
        sampling=Sampling(temperature=0.5, seed=3),
        base="b",
    )
    steps = (Step(agent="a", timestep=0, reward=1.0, finish="stop", trace=trace),)
    return Episode(cycles=(Cycle(0, "", {}, 1.0),), trajectories=(Trajectory("a", steps),), total_reward=1.0, length=1)


@settings(max_examples=60, deadline=None)
@given(episode=episodes())
def test_any_trace_is_read_back(episode: Episode, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("export")
    write_episode(folder, episode)
    for before, after in zip(episode.steps(), load_episode(folder).steps(), strict=True):
        assert replace(before, trace=None) == replace(after, trace=None)
        assert_equal(before.trace, after.trace)


def test_files_of_earlier_versions_are_read(tmp_path: Path) -> None:
    write_episode(tmp_path, example())
    arrays = load((tmp_path / "trajectory.safetensors").read_bytes())
    for name in ("source_K", "spans_K", "span_S4"):
        del arrays[f"trace.{name}"]
    rewrite(tmp_path, arrays, lambda head: head.pop("traces"))
    record = json.loads((tmp_path / "episode.json").read_text())
    assert record["agents"]["a"].pop("finish") == "stop"
    (tmp_path / "episode.json").write_text(json.dumps(record))
    (step,) = load_episode(tmp_path).steps()
    (original,) = example().steps()
    assert step.finish is None
    assert original.trace is not None
    assert_equal(step.trace, replace(original.trace, spans=(), sampling=Sampling(), base=""))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda head, arrays: head["traces"]["seeds"].append(1), "the table of traces is of 2 traces"),
        (lambda head, arrays: head["traces"]["texts"].pop(), "list index out of range"),
        (lambda head, arrays: head["traces"].pop("sources"), "sources"),
        (lambda head, arrays: head["traces"]["sources"][0][0].update(temperature="warm"), "temperature"),
        (lambda head, arrays: arrays.update({"trace.spans_K": np.array([2])}), r"trace\.span_S4 does not fit"),
        (
            lambda head, arrays: arrays.update({"trace.length_K2": np.array([[3, 2]])}),
            r"trace\.prompt_ids does not fit",
        ),
        (lambda head, arrays: arrays.update({"trace.place_K2": np.array([[0, -1]])}), "holds the place 0, -1"),
    ],
)
def test_parts_that_contradict_each_other_are_one_error(change: Any, complaint: str, tmp_path: Path) -> None:
    write_episode(tmp_path, example())
    arrays = load((tmp_path / "trajectory.safetensors").read_bytes())
    rewrite(tmp_path, arrays, lambda head: change(head, arrays))
    with pytest.raises(FileFormatError, match=complaint) as caught:
        load_episode(tmp_path)
    assert "delete its folder and the episode is played again" in str(caught.value)
    assert "\n" not in str(caught.value)


def rewrite(folder: Path, arrays: dict[str, Any], change: Any) -> None:
    """Change the twin, hashes and all."""
    head = json.loads((folder / "trajectory.json").read_text())
    change(head)
    data = save(arrays)
    (folder / "trajectory.safetensors").write_bytes(data)
    head["sha256"]["trajectory.safetensors"] = sha256(data).hexdigest()
    (folder / "trajectory.json").write_text(json.dumps(head))
