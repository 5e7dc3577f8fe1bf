"""Little PettingZoo games with the shapes that real games have: turns, deaths, masks, odd spaces, failures."""

from __future__ import annotations

import threading
from typing import Any, ClassVar

import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Text
from pettingzoo import AECEnv, ParallelEnv


class Leaving(ParallelEnv[str, Any, Any]):
    """Each of three agents may leave from the second round on and earns the round's number by it; 5 rounds at most."""

    metadata: ClassVar[dict[str, Any]] = {"name": "leaving", "render_modes": []}

    def __init__(self, rounds: int = 5) -> None:
        self.possible_agents = ["a", "b", "c"]
        self.rounds = rounds
        self.closed = False

    def action_space(self, agent: str) -> Any:
        return Discrete(2)

    def observation_space(self, agent: str) -> Any:
        return Discrete(self.rounds + 1)

    def reset(self, seed: int | None = None, options: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        self.agents = self.possible_agents[:]
        self.round = 0
        self.luck = np.random.default_rng(seed).integers(100)
        return self._seen()

    def step(self, actions: dict[str, int]) -> Any:
        assert set(actions) == set(self.agents)
        assert self.round or not any(actions.values()), "nobody leaves in the first round"
        self.round += 1
        left = {agent: bool(actions[agent]) for agent in self.agents}
        cut = dict.fromkeys(self.agents, self.round == self.rounds)
        rewards = {agent: float(self.round if left[agent] else 0) for agent in self.agents}
        seen, infos = self._seen()
        self.agents = [agent for agent in self.agents if not (left[agent] or cut[agent])]
        return seen, rewards, left, cut, infos

    def _seen(self) -> tuple[dict[str, Any], dict[str, Any]]:
        mask = np.array([1, int(self.round > 0)], np.int8)
        return dict.fromkeys(self.agents, self.round), {agent: {"action_mask": mask} for agent in self.agents}

    def close(self) -> None:
        self.closed = True


class Taking(AECEnv[str, Any, Any]):
    """Three players in turn take 1 or 2 of 7 stones; who takes the last loses 2, the others win 1 each.

    The third player is out after its first move.
    """

    metadata: ClassVar[dict[str, Any]] = {"name": "taking", "render_modes": []}

    def __init__(self) -> None:
        self.possible_agents = ["p_0", "p_1", "p_2"]
        self.agents = []

    def action_space(self, agent: str) -> Any:
        return Discrete(2, start=1)

    def observation_space(self, agent: str) -> Any:
        return Dict({"observation": Box(0, 7, (1,), np.int8), "action_mask": Box(0, 1, (2,), np.int8)})

    def observe(self, agent: str) -> Any:
        return {"observation": np.array([self.stones], np.int8), "action_mask": np.array([1, self.stones > 1], np.int8)}

    def reset(self, seed: int | None = None, options: Any = None) -> None:
        self.agents = self.possible_agents[:]
        self.stones = 7
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self.infos = {agent: {} for agent in self.agents}
        self.agent_selection = "p_0"

    def step(self, action: int | None) -> None:
        agent = self.agent_selection
        if self.terminations[agent]:
            self._was_dead_step(action)
            return
        assert action in (1, 2)
        assert action <= self.stones
        self._clear_rewards()
        self.stones -= action
        following = self.agents[(self.agents.index(agent) + 1) % len(self.agents)]
        if self.stones == 0:
            self.rewards = {one: -2.0 if one == agent else 1.0 for one in self.agents}
            self.terminations = dict.fromkeys(self.agents, True)
        elif agent == "p_2":
            self.terminations[agent] = True
        self.agent_selection = following
        self._accumulate_rewards()
        self._deads_step_first()


class Odd(ParallelEnv[str, Any, Any]):
    """Two agents with other spaces than usual; the reward of each is the sum of what it chose."""

    metadata: ClassVar[dict[str, Any]] = {"name": "odd", "render_modes": []}

    def __init__(self) -> None:
        self.possible_agents = ["binary", "box", "digits", "number"]

    def action_space(self, agent: str) -> Any:
        return {
            "binary": MultiBinary(2),
            "box": Box(-1, 2, (2,), np.float32),
            "digits": MultiDiscrete([2, 3]),
            "number": Box(0, 10, (1,), np.float32),
        }[agent]

    def observation_space(self, agent: str) -> Any:
        return Dict({"words": Text(9), "grid": Box(0, 9, (2, 2), np.int64)})

    def reset(self, seed: int | None = None, options: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        self.agents = self.possible_agents[:]
        return self._seen(), {agent: {} for agent in self.agents}

    def step(self, actions: dict[str, Any]) -> Any:
        for agent, action in actions.items():
            assert self.action_space(agent).contains(action), (agent, action)
        rewards = {agent: float(np.sum(action)) for agent, action in actions.items()}
        agents, self.agents = self.agents, []
        over = dict.fromkeys(agents, True)
        return self._seen(agents), rewards, over, dict.fromkeys(agents, False), {agent: {} for agent in agents}

    def _seen(self, agents: list[str] | None = None) -> dict[str, Any]:
        seen = {"words": "hello", "grid": np.array([[1, 2], [3, 4]])}
        return dict.fromkeys(self.agents if agents is None else agents, seen)


class Breaking(Leaving):
    """Fails in the second round."""

    def step(self, actions: dict[str, int]) -> Any:
        if self.round == 1:
            raise KeyError("the cable is out")
        return super().step(actions)


class Sticking(Leaving):
    """Does not come back from being closed."""

    def close(self) -> None:
        threading.Event().wait()


class Remembering(Leaving):
    """Every start goes on where the last game stopped, as far as its object remembers."""

    def __init__(self) -> None:
        super().__init__()
        self.round = 0

    def reset(self, seed: int | None = None, options: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        kept = self.round
        super().reset(seed, options)
        self.round = kept
        return self._seen()


def no_game() -> object:
    return object()
