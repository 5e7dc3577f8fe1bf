"""Games that agents see as pictures: through SuperSuit's wrappers, as learners of pixels usually do.

The chain: agents that are out see black, views of different sizes are padded to one, colours become grey, pictures are
resized, and the last few are stacked. A stack is shown side by side, the newest on the right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from pettingzoo import ParallelEnv  # pyright: ignore[reportMissingTypeStubs]
from pettingzoo.utils.wrappers import BaseParallelWrapper  # pyright: ignore[reportMissingTypeStubs]

from envs.multi_agent.games import ParallelGame, is_picture
from textgrad_agents.errors import ConfigError

Outcome = tuple[dict[str, Any], dict[str, float], dict[str, bool], dict[str, bool], dict[str, Any]]


class PictureGame(ParallelGame):
    """A game in which all living agents act at once and see pictures.

    Args:
        title: its name, for messages.
        env: the environment, not started yet; it draws.
        make: makes another of the same kind.
        size: width and height of a picture.
        stack: how many pictures are seen at once.

    Raises:
        ConfigError: SuperSuit is not installed, or the agents see no pictures.
    """

    def __init__(self, title: str, env: Any, make: Callable[[], Any], size: tuple[int, int], stack: int) -> None:
        super().__init__(title, env, make)
        if not all(is_picture(self.observation_space(seat)) for seat in self.seats):
            seen = self.observation_space(self.seats[0])
            raise ConfigError(f"agents of {title} see no pictures but {seen}; leave pictures out")
        self._size, self._stack = size, stack
        self._witness = _Witness(env)
        self._chain = _chain(self._witness, size, stack)
        self._pictures: Mapping[str, NDArray[np.uint8]] = {}
        self._acted: dict[str, Any] = {}

    def picture(self, seat: str) -> NDArray[np.uint8]:
        """What a living seat sees: its last pictures side by side, `(height, width * stack)`."""
        seen = self._pictures[seat]
        return np.ascontiguousarray(seen.transpose(0, 2, 1).reshape(seen.shape[0], -1))

    def _reset(self, seed: int) -> None:
        self._witness = _Witness(self._env)
        self._chain = _chain(self._witness, self._size, self._stack)
        self._pictures, _ = self._chain.reset(seed=seed)
        self._start(self._witness.beginning)
        self._acted = {}

    def _step(self, actions: Mapping[str, Any]) -> Mapping[str, float]:
        """One step through the chain.

        Black death hides who is out: it is asked of the game itself, and the chain still wants an action of the dead,
        which black death drops again.
        """
        self._acted.update(actions)
        self._pictures = self._chain.step({seat: self._acted[seat] for seat in self._chain.agents})[0]
        return self._take(self._witness.outcome)


class _Witness(BaseParallelWrapper[str, Any, Any]):
    """Keeps what the game itself said of its start and of its last step."""

    beginning: tuple[dict[str, Any], dict[str, Any]]
    outcome: Outcome

    def reset(self, seed: int | None = None, options: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """Pass on, and keep."""
        self.beginning = super().reset(seed=seed, options=options)
        return self.beginning

    def step(self, actions: dict[str, Any]) -> Outcome:
        """Pass on, and keep."""
        self.outcome = cast("Outcome", super().step(actions))
        return self.outcome


def _chain(env: ParallelEnv[str, Any, Any], size: tuple[int, int], stack: int) -> Any:
    try:
        import supersuit  # pyright: ignore[reportMissingTypeStubs]
    except ImportError:
        raise ConfigError("pictures need SuperSuit; install textgrad-agents[envs]") from None
    wrappers = cast("Any", supersuit)
    chain = wrappers.pad_observations_v0(wrappers.black_death_v3(env))
    grey = wrappers.color_reduction_v0(chain, mode="full")
    return wrappers.frame_stack_v1(wrappers.resize_v1(grey, x_size=size[0], y_size=size[1]), stack)
