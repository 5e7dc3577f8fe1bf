"""`trajectory.pkl` for users' own scripts, and its twin of safe files, which is what we read ourselves.

Both hold the run in numbers and short names: an observation stands for itself by the situation that it names; the texts
are in `episode.json`. The pickle is builtins only, with `trajectory` (per cycle a tuple of observations, actions,
reward, done, infos), `transitions`, `total_reward` and `num_steps`.

The twin is `trajectory.safetensors` and `trajectory.json` (names, and the SHA-256 of pickle and arrays). Axes are T
cycles and N agents; `reward_TN` is there only if agents were rewarded differently. Token traces are in the twin alone
(`training.export.traces`).
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from textgrad_agents.errors import FileFormatError
from textgrad_agents.files import read_json
from textgrad_agents.trajectory import Episode, Step
from training.export.schema import WAY_OUT
from training.export.traces import Traces, pack, unpack

SCHEMA_VERSION = 1


def pickle_bytes(episode: Episode, mark: Mapping[str, Any] | None = None) -> bytes:
    """What stands in ``trajectory.pkl``, with a `mark` on what is not a whole episode."""
    decisions = _by_time(episode)
    trajectory: list[Any] = []
    transitions: list[Any] = []
    total = 0.0
    for cycle in episode.cycles:
        steps = decisions.get(cycle.timestep, [])
        total += cycle.reward
        seen = {step.agent: _seen(step) for step in steps}
        actions = {step.agent: step.action for step in steps}
        trajectory.append((seen, actions, cycle.reward, cycle.done, {}))
        transitions.append(
            {
                "timestep": cycle.timestep,
                "global_state": dict(cycle.state),
                "agents": {step.agent: {"action": step.action, "action_name": step.action_name} for step in steps},
                "instant_reward": cycle.reward,
                "cumulative_reward": total,
                "done": cycle.done,
            }
        )
    data: dict[str, Any] = {"total_reward": episode.total_reward, "num_steps": episode.length, **(mark or {})}
    data |= {"transitions": transitions, "trajectory": trajectory}  # the larger first: a fifth fewer bytes
    return pickle.dumps(_with_each_text_once(data, {}), protocol=5)


def twin(episode: Episode, pickled: bytes) -> tuple[bytes, dict[str, Any]]:
    """What stands in ``trajectory.safetensors`` and ``trajectory.json``."""
    from safetensors.numpy import save

    agents = episode.agents
    places = {agent: n for n, agent in enumerate(agents)}
    times = {cycle.timestep: t for t, cycle in enumerate(episode.cycles)}
    cells = [(times[step.timestep], places[step.agent], step) for step in episode.steps()]
    shape = (len(times), len(agents))
    situations, situation_TN = _named(shape, [(t, n, _seen(step)) for t, n, step in cells])
    actions, action_name_TN = _named(shape, [(t, n, step.action_name) for t, n, step in cells])
    arrays: dict[str, NDArray[Any]] = {
        "timestep_T": np.array([cycle.timestep for cycle in episode.cycles], np.int64),
        "reward_T": np.array([cycle.reward for cycle in episode.cycles], np.float64),
        "done_T": np.array([cycle.done for cycle in episode.cycles], np.bool_),
        "situation_TN": situation_TN,
        "action_name_TN": action_name_TN,
    }
    if any(step.reward != episode.cycles[t].reward for t, _, step in cells):
        arrays["reward_TN"] = _filled(shape, [(t, n, step.reward) for t, n, step in cells])
    if all(isinstance(step.action, int | float) for _, _, step in cells):
        arrays["action_TN"] = _filled(shape, [(t, n, step.action) for t, n, step in cells])
    traces, traced = pack([(t, n, step.trace) for t, n, step in cells if step.trace is not None])
    data = save(arrays | traces)
    return data, {
        "schema_version": SCHEMA_VERSION,
        "sha256": {"trajectory.pkl": sha256(pickled).hexdigest(), "trajectory.safetensors": sha256(data).hexdigest()},
        "agents": list(agents),
        "situations": situations,
        "action_names": actions,
        "total_reward": episode.total_reward,
        "num_steps": episode.length,
        "arrays": {name: {"dtype": str(array.dtype), "shape": list(array.shape)} for name, array in arrays.items()},
        **({"traces": traced} if traced else {}),
    }


def read_traces(folder: Path, timesteps: Sequence[int], agents: Sequence[str]) -> Traces:
    """The token traces in the twin of an episode.

    Raises:
        FileFormatError: the twin is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    path = folder / "trajectory.safetensors"
    head: Any = read_json(folder / "trajectory.json", what="trajectory file")
    try:
        data = path.read_bytes()
        if sha256(data).hexdigest() != head["sha256"][path.name]:
            raise ValueError("it is not the file whose hash is in trajectory.json")
        return unpack(load(data), head.get("traces", {}), timesteps, agents)
    except (OSError, SafetensorError, LookupError, TypeError, ValueError) as error:
        raise FileFormatError(f"trajectory file {path} cannot be used: {error}; {WAY_OUT}") from None


def _by_time(episode: Episode) -> dict[int, list[Step]]:
    decisions: dict[int, list[Step]] = {}
    for step in episode.steps():
        decisions.setdefault(step.timestep, []).append(step)
    return decisions


def _with_each_text_once(value: Any, texts: dict[str, str]) -> Any:
    """The same value in which equal texts are one object and nothing else is: a pickle writes an object once."""
    match value:
        case str():
            return texts.setdefault(value, value)
        case dict():
            items = cast("dict[Any, Any]", value).items()
            return {_with_each_text_once(key, texts): _with_each_text_once(one, texts) for key, one in items}
        case list():
            return [_with_each_text_once(one, texts) for one in cast("list[Any]", value)]
        case tuple():
            return tuple(_with_each_text_once(one, texts) for one in cast("tuple[Any, ...]", value))
        case _:
            return value


def _seen(step: Step) -> str:
    return step.situation or step.observation


def _named(shape: tuple[int, int], cells: Sequence[tuple[int, int, str]]) -> tuple[list[str], NDArray[Any]]:
    """Texts as numbers into a list of them; -1 where there is none."""
    numbers: dict[str, int] = {}
    table = np.full(shape, -1, np.int32)
    for t, n, text in cells:
        table[t, n] = numbers.setdefault(text, len(numbers))
    return list(numbers), table.astype(np.int16) if len(numbers) < 2**15 else table


def _filled(shape: tuple[int, int], cells: Sequence[tuple[int, int, float | None]]) -> NDArray[np.float64]:
    """Numbers in a table; NaN where there is none."""
    table = np.full(shape, np.nan, np.float64)
    for t, n, value in cells:
        if value is not None:
            table[t, n] = value
    return table
