"""The conformance check passes what keeps the contract and names the rule that anything else breaks."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

import envs
from envs import ActionSpace, ParsedAction, StepOutcome, check_environment, registry
from envs.actions import DiscreteActions
from envs.lamps import LampsEnvironment
from textgrad_agents.errors import EnvError


@pytest.mark.parametrize(
    "parameters",
    [
        {"name": "lamps"},
        {"name": "lamps", "num_agents": 5, "goal": 2.0},
        {"name": "pistonball", "num_pistons": 4, "max_cycles": 40},
        {"name": "pistonball", "num_pistons": 3, "max_cycles": 9, "action_mode": "continuous", "field_of_view": None},
        {"name": "pistonball", "num_pistons": 2, "random_drop": False, "pistons_start_low": True},
        {"name": "pistonball", "num_pistons": 3, "max_cycles": 9, "observation": "compact"},
    ],
)
def test_our_environments_keep_the_contract(parameters: dict[str, Any]) -> None:
    check_environment(envs.make(**parameters), seed=3)


class Leaky(LampsEnvironment):
    """The start is another one in every episode."""

    episodes = itertools.count()

    def reset(self, seed: int) -> None:
        super().reset(seed + next(self.episodes))


class Watched(LampsEnvironment):
    """Looking moves the lamps."""

    def observe(self, agent: str) -> str:
        text = super().observe(agent)
        self._random.random()
        return text


class Silent(LampsEnvironment):
    def observe(self, agent: str) -> str:
        return super().observe(agent) and ""


class Endless(LampsEnvironment):
    def step(self, actions: Mapping[str, int | float]) -> StepOutcome:
        outcome = super().step(actions)
        self._running = True
        return replace(outcome, truncated=False)


class Unrewarding(LampsEnvironment):
    def step(self, actions: Mapping[str, int | float]) -> StepOutcome:
        return replace(super().step(actions), rewards={self.agents[0]: 1.0})


class Infinite(LampsEnvironment):
    def step(self, actions: Mapping[str, int | float]) -> StepOutcome:
        return replace(super().step(actions), rewards=dict.fromkeys(self.agents, math.inf))


class Tuples(LampsEnvironment):
    def global_state(self) -> dict[str, Any]:
        return super().global_state() | {"place": (1, 2)}


class NotANumber(LampsEnvironment):
    def global_state(self) -> dict[str, Any]:
        return super().global_state() | {"place": math.nan}


class Forgetful(LampsEnvironment):
    """Does not say all its parameters."""

    def parameters(self) -> dict[str, Any]:
        return {"name": self.name, "num_agents": len(self.agents)}


class Idle(LampsEnvironment):
    """Now and then nobody acts."""

    @property
    def acting_agents(self) -> tuple[str, ...]:
        return self.agents if self._cycle % 3 else ()


class Disordered(LampsEnvironment):
    @property
    def acting_agents(self) -> tuple[str, ...]:
        return self.agents[::-1]


class TakesTurns(LampsEnvironment):
    """One keeper after the other answers."""

    @property
    def acting_agents(self) -> tuple[str, ...]:
        return (self.agents[self._cycle % 2],)

    def step(self, actions: Mapping[str, int | float]) -> StepOutcome:
        if set(actions) != set(self.acting_agents):
            raise EnvError("step: only the keeper whose turn it is answers")
        return super().step(dict.fromkeys(self.agents, 1) | dict(actions))


class LetsAnybodyAct(TakesTurns):
    """Whoever else answers is heard as well."""

    def step(self, actions: Mapping[str, int | float]) -> StepOutcome:
        if not set(self.acting_agents) <= set(actions) <= set(self.agents):
            raise EnvError("step: the keeper whose turn it is answers")
        return LampsEnvironment.step(self, dict.fromkeys(self.agents, 1) | dict(actions))


class Unreadable(LampsEnvironment):
    """What is offered in one cycle cannot be read back."""

    def action_space_of(self, agent: str) -> ActionSpace:
        if self._cycle < 5:
            return self.action_space
        return Deaf({"wait": 1, "press_left": 0, "press_right": 2}, dict.fromkeys(_NAMES, "x"), neutral="wait")


class Deaf(DiscreteActions):
    def parse(self, reply: str) -> ParsedAction:
        return ParsedAction(1, "wait", parsed=False)


_NAMES = ("wait", "press_left", "press_right")


class Nameless(LampsEnvironment):
    def parameters(self) -> dict[str, Any]:
        return super().parameters() | {"name": "never-registered"}


class Doubled(LampsEnvironment):
    def __init__(self) -> None:
        super().__init__()
        self.agents = ("a", "a")


class Eager(LampsEnvironment):
    """Starts by itself."""

    def __init__(self, num_agents: int = 2, max_cycles: int = 32, goal: float | None = None) -> None:
        super().__init__(num_agents, max_cycles, goal)
        self.reset(0)


class Raw(LampsEnvironment):
    """Misuse raises whatever comes."""

    def observe(self, agent: str) -> str:
        return super().observe(agent) if agent in self._lit else self._lit[agent]


class Careless(LampsEnvironment):
    """A refused step has already counted."""

    def step(self, actions: Mapping[str, int | float]) -> StepOutcome:
        if self._running:
            self._cycle += 0.001
        return super().step(actions)


@pytest.fixture
def under_test(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    def build(kind: type[LampsEnvironment], **parameters: Any) -> LampsEnvironment:
        monkeypatch.setitem(registry.MULTI_AGENT_REGISTRY, "lamps", kind)
        return kind(**parameters)

    return build


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        (Leaky, "the same seed and actions give the same episode"),
        (Watched, "observing changes nothing"),
        (Silent, "every observation says something"),
        (Endless, "an episode is truncated after max_cycles"),
        (Unrewarding, "a step rewards every agent"),
        (Infinite, "rewards are finite"),
        (Tuples, "round trip through JSON"),
        (NotANumber, "JSON-like with finite numbers"),
        (Nameless, r"envs.make\(\*\*parameters\(\)\) builds the environment again"),
        (Doubled, "agents have distinct names"),
        (Eager, "observe before the first reset raises EnvError"),
        (Raw, "raises EnvError; it raised KeyError"),
        (Careless, "a refused call changes nothing"),
        (Idle, "in every cycle some of the agents act"),
        (Disordered, "named in their order"),
        (LetsAnybodyAct, "to step with an agent that does not act raises EnvError; nothing was raised"),
        (Unreadable, "the action wait is read from the reply 'wait'"),
    ],
)
def test_names_the_broken_rule(kind: type[LampsEnvironment], rule: str, under_test: Any) -> None:
    with pytest.raises(EnvError, match=f"broken rule: .*{rule}"):
        check_environment(under_test(kind))


def test_turns_keep_the_contract(under_test: Any) -> None:
    check_environment(under_test(TakesTurns))


def test_parameters_that_are_not_said_are_noticed(under_test: Any) -> None:
    with pytest.raises(EnvError, match="built from parameters"):
        check_environment(under_test(Forgetful, max_cycles=5))
