"""Replay buffers: samples that are learned from more than once."""

from __future__ import annotations

import inspect
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator
from enum import StrEnum
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from textgrad_agents.errors import ConfigError, TextgradAgentsError
from textgrad_agents.variables.modes import eval_mode

Sample = dict[str, Any]
Batch = dict[str, list[Any]]


class SampleError(TextgradAgentsError, RuntimeError):
    """The samples in a buffer are not yet such that batches can be made of them."""


class ReplayBuffer:
    """Keeps all samples. A sample is a dict; all samples have the same keys.

    Args:
        seed: of the order in which samples are drawn; None for any.

    Attributes:
        data: the samples, the oldest first.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.data: list[Sample] = []
        self._chance = random.Random(seed)

    def append(self, sample: Sample) -> None:
        """Add a sample."""
        self.data.append(sample)

    def extend(self, samples: Iterable[Sample]) -> None:
        """Add samples."""
        self.data.extend(samples)

    def clear(self) -> None:
        """Forget all samples."""
        self.data.clear()

    def resize(self, size: int) -> None:
        """Keep no more than `size` samples, if the buffer is of a kind that forgets."""

    async def prepare_for_sampling(self) -> None:
        """Work out what sampling depends on, if it depends on anything."""

    def batched_iter(self, batch_size: int, shuffle: bool = True, infinite: bool = False) -> Iterator[Batch]:
        """Batches: for each key the values of the samples in the batch.

        Args:
            batch_size: samples in a batch; the last one may have fewer.
            shuffle: draw the samples in random order, anew each time through.
            infinite: begin again at the end.

        Raises:
            ConfigError: `batch_size` is less than 1.
            SampleError: samples have different keys.
        """
        return batches(self.drawn(), batch_size, self._chance if shuffle else None, infinite=infinite)

    def drawn(self) -> list[Sample]:
        """The samples that batches are made of."""
        return self.data

    @staticmethod
    def sample_from(*buffers: ReplayBuffer, seed: int | None = None, **settings: Any) -> Iterator[Batch]:
        """Batches of the samples of several buffers together.

        Args:
            buffers: the buffers; none that draws its samples by their priority.
            seed: of the order.
            settings: those of `batched_iter`.

        Raises:
            ConfigError: one of them is a `PrioritizedReplayBuffer`.
        """
        if any(isinstance(buffer, PrioritizedReplayBuffer) for buffer in buffers):
            raise ConfigError("sample_from takes no PrioritizedReplayBuffer, which draws its samples by itself")
        together = ReplayBuffer(seed)
        together.data = [sample for buffer in buffers for sample in buffer.data]
        return together.batched_iter(**settings)

    def __iadd__(self, samples: Iterable[Sample]) -> ReplayBuffer:
        self.extend(samples)
        return self

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.data)


class CircularReplayBuffer(ReplayBuffer):
    """Forgets the oldest samples."""

    def resize(self, size: int) -> None:
        """Keep the last `size` samples."""
        if len(self.data) > size:
            self.data = self.data[len(self.data) - size :]


class RandomizedReplayBuffer(ReplayBuffer):
    """Forgets samples at random."""

    def resize(self, size: int) -> None:
        """Keep `size` samples, drawn at random."""
        if len(self.data) > size:
            self.data = self._chance.sample(self.data, size)


class PrioritizedReplayBuffer(ReplayBuffer):
    """Draws samples that were misjudged most (a variant of Schaul et al., "Prioritized Experience Replay", ICLR 2016).

    The error of a sample is its ``discounted_return`` minus what the Q function says of it (called with the sample's
    ``input_args`` and ``input_kwargs``); errors are worked out for all samples at once before sampling.

    Args:
        alpha: how much priority counts; 0 draws all alike.
        ranked: priority by the rank of the error (the largest first), not by its size.
        q_function: what a decision is worth (sync or async); a number, an array or tensor of one.
        seed: of the drawing.
    """

    def __init__(
        self, alpha: float, ranked: bool, q_function: Callable[..., Awaitable[Any] | Any], seed: int | None = None
    ) -> None:
        super().__init__(seed)
        self.alpha = alpha
        self.ranked = ranked
        self.q_function = q_function
        self._size: int | None = None

    def resize(self, size: int) -> None:
        """Draw `size` samples from now on; none is forgotten."""
        self._size = size

    async def prepare_for_sampling(self) -> None:
        """Work out the error of every sample (``td_error``)."""
        if self._size is None:
            return
        with eval_mode():
            for sample in self.data:
                value: Any = self.q_function(*sample["input_args"], **sample["input_kwargs"])
                if inspect.isawaitable(value):
                    value = await value
                sample["td_error"] = sample["discounted_return"] - float(value)

    def drawn(self) -> list[Sample]:
        """As many samples as the size says, by their priority, none twice.

        Raises:
            SampleError: `prepare_for_sampling` was not called since samples were added.
        """
        if self._size is None or len(self.data) <= self._size:
            return self.data
        if any("td_error" not in sample for sample in self.data):
            raise SampleError("TD errors not available for all samples; await prepare_for_sampling() after adding any")
        errors = np.abs(np.array([sample["td_error"] for sample in self.data], dtype=np.float64))
        if self.ranked:
            ranks = np.empty(len(errors))
            ranks[np.argsort(-errors, kind="stable")] = np.arange(1, len(errors) + 1)
            errors = 1.0 / ranks
        weights = errors**self.alpha
        # keys of Efraimidis and Spirakis (2006): the largest u^(1/w) are a weighted sample without replacement, and
        # samples of weight 0 come last
        keys = [self._chance.random() ** (1.0 / weight) if weight > 0 else -1.0 for weight in weights]
        return [self.data[index] for index in np.argsort(-np.array(keys), kind="stable")[: self._size]]


class ReplayBufferType(StrEnum):
    """Kinds of buffers."""

    APPEND_ONLY = "append_only"
    CIRCULAR = "circular"
    RANDOMIZED = "randomized"
    PRIORITIZED = "prioritized"


class ReplayBufferConfig(BaseModel):
    """A buffer as an entry of a config file.

    Attributes:
        buf_type: its kind.
        size: most samples; it is for the program to call `resize` with it.
        kwargs: further arguments.
    """

    model_config = ConfigDict(extra="forbid")

    buf_type: ReplayBufferType = ReplayBufferType.CIRCULAR
    size: PositiveInt | None = None
    kwargs: dict[str, Any] = Field(default_factory=dict[str, Any])

    def make_buffer(self, **kwargs: Any) -> ReplayBuffer:
        """The buffer.

        Args:
            kwargs: further arguments, such as the Q function.

        Raises:
            ConfigError: it does not take the arguments.
        """
        kinds: dict[ReplayBufferType, Callable[..., ReplayBuffer]] = {
            ReplayBufferType.APPEND_ONLY: ReplayBuffer,
            ReplayBufferType.CIRCULAR: CircularReplayBuffer,
            ReplayBufferType.RANDOMIZED: RandomizedReplayBuffer,
            ReplayBufferType.PRIORITIZED: PrioritizedReplayBuffer,
        }
        try:
            return kinds[self.buf_type](**self.kwargs | kwargs)
        except TypeError as error:
            raise ConfigError(f"a {self.buf_type} buffer cannot be made: {error}") from None


def batches(data: list[Sample], batch_size: int, chance: random.Random | None, *, infinite: bool) -> Iterator[Batch]:
    """Batches of samples; see `ReplayBuffer.batched_iter`."""
    if batch_size < 1:
        raise ConfigError(f"batch_size must be at least 1, got {batch_size}")
    return _batches(data, batch_size, chance, infinite=infinite)


def _batches(data: list[Sample], batch_size: int, chance: random.Random | None, *, infinite: bool) -> Iterator[Batch]:
    while data:
        order = list(range(len(data)))
        if chance is not None:
            chance.shuffle(order)
        for start in range(0, len(order), batch_size):
            yield _batch([data[index] for index in order[start : start + batch_size]])
        if not infinite:
            return


def _batch(samples: list[Sample]) -> Batch:
    keys = samples[0].keys()
    for sample in samples:
        if sample.keys() != keys:
            raise SampleError(
                f"Found buffer element with inconsistent keys: {sorted(sample)} beside {sorted(keys)}; all samples of "
                "a buffer have the same"
            )
    return {key: [sample[key] for sample in samples] for key in keys}
