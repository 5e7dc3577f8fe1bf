"""The actions of a seat: what they are called, which are open now, and what the game takes for them."""

from __future__ import annotations

import itertools
import math
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from envs.actions import ContinuousActions, DiscreteActions
from envs.base import ActionSpace
from textgrad_agents.errors import ConfigError

MOST_COMBINATIONS = 1000


@dataclass(frozen=True)
class Wording:
    """What the actions of a seat are called.

    Attributes:
        names: name of each action, by its number from 0; lower case, with underscores for spaces.
        meanings: what each does.
        neutral: the action that an unreadable reply stands for, if it is open; otherwise the first open one is.
    """

    names: Sequence[str]
    meanings: Sequence[str]
    neutral: str | None = None


class SeatActions(ABC):
    """The actions of a seat."""

    @abstractmethod
    def open(self, mask: Any) -> ActionSpace:
        """The actions that are legal by the game's mask (None: all)."""

    @abstractmethod
    def native(self, value: float, mask: Any) -> Any:
        """What the game takes for an action.

        Raises:
            ValueError: there is no such action, or it is not legal by the mask.
        """

    @abstractmethod
    def draw(self, mask: Any, chance: random.Random) -> Any:
        """A legal action at random, as the game takes it."""


class ListedActions(SeatActions):
    """Finitely many actions, numbered from 0.

    Args:
        wording: what they are called.
        natives: what the game takes for each.
    """

    def __init__(self, wording: Wording, natives: Sequence[Any]) -> None:
        self._wording = wording
        self._natives = tuple(natives)
        self._spaces: dict[bytes, ActionSpace] = {}

    def open(self, mask: Any) -> ActionSpace:
        """The actions that are legal by the game's mask."""
        key = b"" if mask is None else np.asarray(mask, np.bool_).tobytes()
        space = self._spaces.get(key)
        if space is None:
            if len(self._spaces) > MOST_COMBINATIONS:
                self._spaces.clear()
            space = self._spaces[key] = self._offer(_legal(mask, len(self._natives)))
        return space

    def native(self, value: float, mask: Any) -> Any:
        """What the game takes for the action of a number."""
        if value not in _legal(mask, len(self._natives)):
            raise ValueError(value)
        return self._natives[int(value)]

    def draw(self, mask: Any, chance: random.Random) -> Any:
        """A legal action at random."""
        return self._natives[chance.choice(_legal(mask, len(self._natives)))]

    def _offer(self, legal: Sequence[int]) -> ActionSpace:
        names, meanings, neutral = self._wording.names, self._wording.meanings, self._wording.neutral
        choices = {names[i]: i for i in legal}
        return DiscreteActions(
            choices,
            {names[i]: meanings[i] for i in legal},
            neutral=neutral if neutral in choices else names[legal[0]],
        )


@dataclass(frozen=True)
class NumberAction(SeatActions):
    """One number in an interval.

    Attributes:
        low: least value.
        high: greatest value.
        native_of: what the game takes for a number.
        names: of the least value, the middle and the greatest.
        meanings: what they do.
    """

    low: float
    high: float
    native_of: Callable[[float], Any]
    names: tuple[str, str, str] = ("lowest", "middle", "highest")
    meanings: tuple[str, str, str] = ("the least value", "the value in the middle", "the greatest value")
    _space: list[ActionSpace] = field(default_factory=list[ActionSpace])

    def open(self, mask: Any) -> ActionSpace:
        """All numbers of the interval."""
        if not self._space:
            ends = (self.low, (self.low + self.high) / 2, self.high)
            low, middle, high = zip(self.names, ends, strict=True)
            meanings = dict(zip(self.names, self.meanings, strict=True))
            self._space.append(ContinuousActions(low, middle, high, meanings, threshold=(self.high - self.low) / 6))
        return self._space[0]

    def native(self, value: float, mask: Any) -> Any:
        """What the game takes for a number."""
        if not self.low <= value <= self.high:
            raise ValueError(value)
        return self.native_of(value)

    def draw(self, mask: Any, chance: random.Random) -> Any:
        """A number at random."""
        return self.native_of(chance.uniform(self.low, self.high))


def seat_actions(space: Any, wording: Wording | None, what: str) -> SeatActions:
    """The actions of a seat with an action space of gymnasium.

    Several numbers at once are offered as a list: all at rest, and each one alone at its least or greatest value.

    Args:
        space: the action space.
        wording: what the actions are called; None numbers them.
        what: whose actions they are, for messages.

    Raises:
        ConfigError: the space has too many actions to be listed, or is of a kind that is not known.
    """
    kind = type(space).__name__
    if kind == "Discrete":
        count, start = int(space.n), int(space.start)
        return ListedActions(wording or _numbered(count), [start + i for i in range(count)])
    if kind in ("MultiDiscrete", "MultiBinary"):
        return _combinations(space, what)
    if kind == "Box":
        return _box(space, wording)
    raise ConfigError(
        f"{what} has actions of the kind {kind}; Discrete, MultiDiscrete, MultiBinary and Box can be played"
    )


def _legal(mask: Any, count: int) -> list[int]:
    """Numbers of the legal actions; all if the mask allows none (it then tells nothing)."""
    if mask is None:
        return list(range(count))
    return np.flatnonzero(np.asarray(mask)).tolist() or list(range(count))


def _numbered(count: int) -> Wording:
    return Wording([f"action_{i}" for i in range(count)], [f"action number {i} of the game" for i in range(count)])


def _combinations(space: Any, what: str) -> SeatActions:
    sizes: list[int] = np.reshape(getattr(space, "nvec", np.full(space.shape, 2)), -1).tolist()
    starts: list[int] = np.reshape(getattr(space, "start", np.zeros(space.shape, int)), -1).tolist()
    count = math.prod(sizes)
    if count > MOST_COMBINATIONS:
        raise ConfigError(f"{what} has {count} combined actions; at most {MOST_COMBINATIONS} can be listed")
    chosen = list(itertools.product(*(range(a, a + n) for a, n in zip(starts, sizes, strict=True))))
    texts = [[str(number) for number in one] for one in chosen]
    wording = Wording([f"choose_{'_'.join(text)}" for text in texts], [", ".join(text) for text in texts])
    return ListedActions(wording, [np.asarray(one, space.dtype).reshape(space.shape) for one in chosen])


def _box(space: Any, wording: Wording | None) -> SeatActions:
    lows: NDArray[Any] = np.clip(space.low, -1e6, 1e6).reshape(-1)
    highs: NDArray[Any] = np.clip(space.high, -1e6, 1e6).reshape(-1)

    def native(values: Any) -> Any:
        return np.asarray(values, space.dtype).reshape(space.shape)

    if len(lows) == 1:
        number = NumberAction(float(lows[0]), float(highs[0]), lambda value: native([value]))
        if wording is None:
            return number
        names, meanings = tuple(wording.names), tuple(wording.meanings)
        return NumberAction(number.low, number.high, number.native_of, cast("Any", names), cast("Any", meanings))
    rest = np.where((lows <= 0) & (highs >= 0), 0.0, (lows + highs) / 2)
    names, meanings, natives = ["rest"], ["every number at rest"], [native(rest)]
    for i, (low, high) in enumerate(zip(lows.tolist(), highs.tolist(), strict=True)):
        for name, value in ((f"lower_{i}", low), (f"raise_{i}", high)):
            if value != rest[i]:
                names.append(name)
                meanings.append(f"number {i} at {value:g}, the others at rest")
                natives.append(native(np.where(np.arange(len(rest)) == i, value, rest)))
    return ListedActions(Wording(names, meanings, "rest"), natives)
