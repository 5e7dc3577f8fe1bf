"""A table: one running game with some seats that learn; the other seats play at random."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from envs.base import Action, ActionSpace
from envs.multi_agent.games import Game
from envs.multi_agent.seats import SeatActions
from textgrad_agents.errors import EnvError
from textgrad_agents.seeds import derive_seed

GAME_SEEDS = 2**31  # games take 31-bit seeds


class Table:
    """A match of one or more games in a row.

    Args:
        game: what is played.
        actions: the actions of each seat.
        seats: the seats that learn.
        games: number of games in a match.

    Attributes:
        game: what is played.
        seats: the seats that learn.
        acting: the learning seats that act now; none when the match is over.
        played: number of games that are over.
        truncated: True if the last game was cut before it ended by its rules.
    """

    def __init__(self, game: Game, actions: Mapping[str, SeatActions], seats: tuple[str, ...], games: int) -> None:
        self.game = game
        self.seats = seats
        self.acting: tuple[str, ...] = ()
        self.played = 0
        self.truncated = False
        self._actions = actions
        self._games = games
        self._seed = 0
        self._chance = random.Random(0)
        self._owed: dict[str, float] = {}

    def reset(self, seed: int) -> None:
        """Begin a match."""
        self._seed = seed
        self.played = 0
        self._owed = {}
        self._begin()
        self._go_on(self._owed)

    def open(self, seat: str) -> ActionSpace:
        """The actions open to an acting seat."""
        return self._actions[seat].open(self.game.mask(seat))

    def native(self, seat: str, value: Action) -> Any:
        """What the game takes for an action that is open to an acting seat.

        Raises:
            ValueError: it is not open.
        """
        if isinstance(value, str):
            raise ValueError(value)
        return self._actions[seat].native(value, self.game.mask(seat))

    def step(self, natives: Mapping[str, Any]) -> dict[str, float]:
        """Let the acting learning seats act; returns what each of them has earned since."""
        rewards, self._owed = self._owed, {}
        self._advance(natives, rewards)
        self._go_on(rewards)
        return rewards

    def _begin(self) -> None:
        self._chance = random.Random(derive_seed(self._seed, "others", self.played))
        self.game.reset(derive_seed(self._seed, "game", self.played) % GAME_SEEDS)

    def _go_on(self, rewards: dict[str, float]) -> None:
        """Let the others play until a learning seat acts, or the match is over."""
        while not (acting := self._learning(self.game.acting)):
            if self._learning(self.game.living):
                self._advance({}, rewards)
                continue
            self.played += 1
            self.truncated = self.game.truncated
            if self.played == self._games:
                break
            self._begin()
        self.acting = acting

    def _learning(self, seats: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(seat for seat in self.seats if seat in seats)

    def _advance(self, natives: Mapping[str, Any], rewards: dict[str, float]) -> None:
        acting = self.game.acting
        if not acting:
            raise EnvError(f"{self.game.title}: nobody acts although {', '.join(self.game.living)} are in the game")
        chosen = {
            seat: natives[seat] if seat in natives else self._actions[seat].draw(self.game.mask(seat), self._chance)
            for seat in acting
        }
        earned = self.game.step(chosen)
        for seat in self.seats:
            rewards[seat] = rewards.get(seat, 0.0) + earned[seat]
