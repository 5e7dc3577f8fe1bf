"""`RecallBuffer`: what is new is learned from together with old attempts, right and wrong, first in, first out."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

from textgrad_agents.errors import ConfigError

T = TypeVar("T")


def is_success(attempt: Any) -> bool:
    """Whether an attempt earned anything: its `total_reward` (an Episode) or its `reward` (a Row) is above 0."""
    reward = getattr(attempt, "total_reward", None)
    return float(getattr(attempt, "reward", 0.0) if reward is None else reward) > 0


class RecallBuffer(Generic[T]):
    """Attempts at tasks.

    Args:
        preload: attempts made before, to be recalled.
        positive_recall_batch_size: old attempts that succeeded, per batch at most.
        negative_recall_batch_size: old attempts that failed, per batch at most.
        max_buffer_size: old attempts that are kept; the oldest go first.
        success: says of an attempt whether it succeeded.
        seed: root of which attempts are recalled.

    Raises:
        ConfigError: a size is out of range.
    """

    def __init__(
        self,
        preload: Iterable[T] | None = None,
        positive_recall_batch_size: int = 10,
        negative_recall_batch_size: int = 10,
        max_buffer_size: int = 10_000,
        *,
        success: Callable[[T], bool] = is_success,
        seed: int = 0,
    ) -> None:
        for name, size, least in (
            ("positive_recall_batch_size", positive_recall_batch_size, 0),
            ("negative_recall_batch_size", negative_recall_batch_size, 0),
            ("max_buffer_size", max_buffer_size, 1),
        ):
            if type(size) is not int or size < least:
                raise ConfigError(f"{name} must be a whole number of at least {least}, not {size!r}")
        self._sizes = {True: positive_recall_batch_size, False: negative_recall_batch_size}
        self._success = success
        self._chance = random.Random(seed)
        self._old: deque[T] = deque(preload or (), maxlen=max_buffer_size)
        self._new: list[T] = []

    def __len__(self) -> int:
        """Attempts that can be recalled; new ones come to them with the next batch."""
        return len(self._old)

    def add(self, results: Iterable[T]) -> None:
        """New attempts, for the next batch."""
        self._new.extend(results)

    def batch(self) -> list[T]:
        """The new attempts, then old successes and old failures; the new ones are old from now on.

        Where there are fewer old ones than asked for, all of them are in the batch, each once.
        """
        recalled = [attempt for wanted in (True, False) for attempt in self._recall(wanted)]
        batch = [*self._new, *recalled]
        self._old.extend(self._new)
        self._new = []
        return batch

    def state(self) -> tuple[list[T], list[Any]]:
        """What `restore` needs: the old attempts, and the state of chance as JSON-like values."""
        version, numbers, rest = self._chance.getstate()
        return list(self._old), [version, list(numbers), rest]

    def restore(self, attempts: Iterable[T], chance: Sequence[Any]) -> None:
        """Go on from what `state` gave.

        Raises:
            TypeError, ValueError: it is no such state.
        """
        version, numbers, rest = chance
        self._chance.setstate((version, tuple(numbers), rest))
        self._old.clear()
        self._old.extend(attempts)
        self._new = []

    def _recall(self, success: bool) -> list[T]:
        known = [attempt for attempt in self._old if self._success(attempt) is success]
        return self._chance.sample(known, min(self._sizes[success], len(known)))
