"""PettingZoo games, whichever of its two interfaces they have.

In an AEC game one agent acts at a time, in a parallel game all living agents at once. A `Game` tells who acts now, what
they see, which actions are legal, and takes their actions.
"""

from __future__ import annotations

import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from envs.faults import close_in_time, guarded

MASK = "action_mask"


class Game(ABC):
    """A running game.

    It is played with a PettingZoo environment made anew for every start: some carry things over from one start to the
    next (zombies, in knights, archers, zombies), and then the same seed would not give the same game.

    Args:
        title: its name, for messages.
        env: the PettingZoo environment, not started yet.
        make: makes another of the same kind.

    Attributes:
        title: its name.
        seats: all agents that may take part, in order.
        truncated: True if the game was cut before it ended by its rules.
    """

    def __init__(self, title: str, env: Any, make: Callable[[], Any]) -> None:
        self.title = title
        self.seats: tuple[str, ...] = tuple(env.possible_agents)
        self.truncated = False
        self._env = env
        self._make = make
        self._used = False

    @property
    def docs(self) -> str:
        """What the game's authors say of it."""
        module = sys.modules.get(type(self._env.unwrapped).__module__)
        return (module and module.__doc__) or type(self._env.unwrapped).__doc__ or ""

    @property
    def raw(self) -> Any:
        """The environment without its wrappers."""
        return self._env.unwrapped

    @property
    def draws(self) -> bool:
        """True if `render` gives pictures."""
        return getattr(self._env, "render_mode", None) == "rgb_array"

    def action_space(self, seat: str) -> Any:
        """The actions of a seat."""
        return self._env.action_space(seat)

    def observation_space(self, seat: str) -> Any:
        """What a seat may see."""
        return self._env.observation_space(seat)

    def reset(self, seed: int) -> None:
        """Begin anew."""
        self.truncated = False
        with self._guarded("start"):
            if self._used:
                self.close()
                self._env = self._make()
            self._used = True
            self._reset(seed)

    def step(self, actions: Mapping[str, Any]) -> dict[str, float]:
        """Let the acting seats act; returns what each seat earned by it."""
        with self._guarded("take a step"):
            rewards = self._step(actions)
            return {seat: float(rewards.get(seat, 0.0)) for seat in self.seats}

    def observation(self, seat: str) -> Any:
        """What a living seat sees, without the mask of its legal actions."""
        seen = self._see(seat)
        if not _has_mask(seen):
            return seen
        rest = {key: value for key, value in seen.items() if key != MASK}
        return rest["observation"] if [*rest] == ["observation"] else rest

    def mask(self, seat: str) -> Any:
        """Which actions of an acting seat are legal, as an array of 0 and 1; None if all are."""
        seen = self._see(seat)
        return seen[MASK] if _has_mask(seen) else self._facts(seat).get(MASK)

    def render(self) -> Any:
        """The game as an RGB array."""
        with self._guarded("draw itself"):
            return self._env.render()

    def close(self) -> None:
        """Release what the game holds.

        A game drawn with pygame holds nothing without a window, and closing it would end pygame for all other games.
        """
        modules = [vars(sys.modules[kind.__module__]) for kind in type(self.raw).__mro__]
        if not any("pygame" in module for module in modules):
            close_in_time(self.title, self._env.close)

    @property
    @abstractmethod
    def living(self) -> tuple[str, ...]:
        """The seats that are still in the game; none when it is over."""

    @property
    @abstractmethod
    def acting(self) -> tuple[str, ...]:
        """The seats that act now."""

    @abstractmethod
    def _reset(self, seed: int) -> None: ...

    @abstractmethod
    def _step(self, actions: Mapping[str, Any]) -> Mapping[str, float]: ...

    @abstractmethod
    def _see(self, seat: str) -> Any: ...

    @abstractmethod
    def _facts(self, seat: str) -> Mapping[str, Any]:
        """The seat's `info`."""

    def _guarded(self, what: str) -> AbstractContextManager[None]:
        """A game is somebody else's code: whatever it raises is an EnvError."""
        return guarded(self.title, what)


class AecGame(Game):
    """A game in which one agent acts at a time."""

    def __init__(self, title: str, env: Any, make: Callable[[], Any]) -> None:
        super().__init__(title, env, make)
        self._seen: dict[str, Any] = {}  # what was looked at since the last step

    @property
    def living(self) -> tuple[str, ...]:
        """The seats that are still in the game."""
        return tuple(self._env.agents)

    @property
    def acting(self) -> tuple[str, ...]:
        """The seat whose turn it is."""
        return (self._env.agent_selection,) if self._env.agents else ()

    def _reset(self, seed: int) -> None:
        self._env.reset(seed=seed)
        self._bury()

    def _step(self, actions: Mapping[str, Any]) -> Mapping[str, float]:
        self._env.step(actions[self._env.agent_selection])
        rewards = dict(self._env.rewards)
        self.truncated = not any(self._env.terminations.values())
        self._bury()
        return rewards

    def _bury(self) -> None:
        """Agents that are out take one empty step each before they leave."""
        env = self._env
        self._seen.clear()
        while env.agents and (env.terminations[env.agent_selection] or env.truncations[env.agent_selection]):
            env.step(None)

    def _see(self, seat: str) -> Any:
        if seat not in self._seen:
            with self._guarded("show itself"):
                self._seen[seat] = self._env.observe(seat)
        return self._seen[seat]

    def _facts(self, seat: str) -> Mapping[str, Any]:
        return self._env.infos.get(seat, {})


class ParallelGame(Game):
    """A game in which all living agents act at once."""

    def __init__(self, title: str, env: Any, make: Callable[[], Any]) -> None:
        super().__init__(title, env, make)
        self._observations: Mapping[str, Any] = {}
        self._infos: Mapping[str, Mapping[str, Any]] = {}
        self._out: frozenset[str] = frozenset()

    @property
    def living(self) -> tuple[str, ...]:
        """The seats that are still in the game."""
        return tuple(seat for seat in self._env.agents if seat not in self._out)

    @property
    def acting(self) -> tuple[str, ...]:
        """All living seats."""
        return self.living

    def _reset(self, seed: int) -> None:
        self._start(self._env.reset(seed=seed))

    def _step(self, actions: Mapping[str, Any]) -> Mapping[str, float]:
        return self._take(self._env.step(dict(actions)))

    def _start(self, beginning: tuple[Any, Any]) -> None:
        """What the start of the environment gave."""
        self._observations, self._infos = beginning
        self._out = frozenset()

    def _take(self, outcome: tuple[Any, Any, Any, Any, Any]) -> Mapping[str, float]:
        """What a step of the environment gave."""
        self._observations, rewards, terminated, truncated, self._infos = outcome
        self._out = frozenset(seat for seat in self._env.agents if terminated.get(seat) or truncated.get(seat))
        self.truncated = not any(terminated.values())
        return rewards

    def _see(self, seat: str) -> Any:
        return self._observations[seat]

    def _facts(self, seat: str) -> Mapping[str, Any]:
        return self._infos.get(seat, {})


def _has_mask(seen: Any) -> bool:
    return isinstance(seen, dict) and MASK in seen


def is_picture(space: Any) -> bool:
    """True if what is seen is a picture: bytes in three axes, both sides at least 16 long."""
    shape = getattr(space, "shape", None) or ()
    return (
        str(getattr(space, "dtype", "")) == "uint8"
        and len(shape) == 3
        and min(shape[:2]) >= 16
        and math.prod(shape) > 0
    )
