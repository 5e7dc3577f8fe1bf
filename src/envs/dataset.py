"""Datasets of tasks: each task is an environment."""

from __future__ import annotations

import random
from abc import ABC
from collections.abc import Iterator, Sequence
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue

from envs.environment import Environment
from envs.registry import TASK_DATASET_REGISTRY, build
from textgrad_agents.errors import ConfigError

EnvironmentT = TypeVar("EnvironmentT", bound=Environment[Any])
Split = Literal["train", "eval", "test"]


class TaskDataset(ABC, Generic[EnvironmentT]):
    """Tasks of one kind. A finite one has a length and `get_new_env_by_idx`, an endless one `get_new_env`."""

    @classmethod
    def from_name(cls, name: str, **env_kwargs: Any) -> TaskDataset[Any]:
        """A dataset by its registered name, or as ``module:Class``.

        Raises:
            ConfigError: there is none of this name, or it does not take the parameters.
        """
        return build(f"dataset {name!r}", TASK_DATASET_REGISTRY.find(name), env_kwargs)

    def __len__(self) -> int:
        raise TypeError(f"a {type(self).__name__} has no length")

    def get_new_env_by_idx(self, idx: int) -> EnvironmentT:
        """The environment of a task of a finite dataset."""
        raise NotImplementedError(f'"{type(self).__name__}" does not implement get_new_env_by_idx')

    def get_new_env(self) -> EnvironmentT:
        """The environment of the next task of an endless dataset."""
        raise NotImplementedError(f'"{type(self).__name__}" does not implement get_new_env')

    def get_new_env_by_args(self, **kwargs: Any) -> EnvironmentT:
        """The environment of a task that the caller describes."""
        raise NotImplementedError(f'"{type(self).__name__}" does not implement get_new_env_by_args')

    def iter_batches(
        self, batch_size: int, shuffle: bool = False, seed: int | None = None
    ) -> Iterator[list[EnvironmentT]]:
        """Batches of environments: once through a finite dataset (the last batch may be smaller), or without end.

        Args:
            batch_size: environments per batch.
            shuffle: take the tasks of a finite dataset in random order.
            seed: the same seed gives the same order; None gives any.

        Raises:
            ConfigError: `batch_size` is less than 1.
        """
        if batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1, not {batch_size}")
        return self._batches(batch_size, random.Random(seed) if shuffle else None)

    def _batches(self, batch_size: int, chance: random.Random | None) -> Iterator[list[EnvironmentT]]:
        try:
            indices = list(range(len(self)))
        except TypeError:
            while True:
                yield [self.get_new_env() for _ in range(batch_size)]
        if chance is not None:
            chance.shuffle(indices)
        for start in range(0, len(indices), batch_size):
            yield [self.get_new_env_by_idx(index) for index in indices[start : start + batch_size]]


class EnvsTaskDataset(TaskDataset[EnvironmentT]):
    """A dataset of environments that are there already."""

    def __init__(self, envs: EnvironmentT | Sequence[EnvironmentT]) -> None:
        self._envs = envs if isinstance(envs, Sequence) else (envs,)

    def __len__(self) -> int:
        return len(self._envs)

    def get_new_env_by_idx(self, idx: int) -> EnvironmentT:
        """The environment itself, not a copy."""
        return self._envs[idx]


class TaskConfig(BaseModel):
    """A dataset as an entry of a config file: its name, and parameters for all splits and for single ones."""

    model_config = ConfigDict(extra="forbid")

    name: str
    task_kwargs: dict[str, BaseModel | JsonValue] = {}
    train_kwargs: dict[str, BaseModel | JsonValue] = {}
    eval_kwargs: dict[str, BaseModel | JsonValue] = {}
    test_kwargs: dict[str, BaseModel | JsonValue] = {}

    def make_dataset(self, split: Split) -> TaskDataset[Any]:
        """The dataset of a split.

        Raises:
            ConfigError: there is no such split or dataset, or it does not take the parameters.
        """
        of_splits = {"train": self.train_kwargs, "eval": self.eval_kwargs, "test": self.test_kwargs}
        if split not in of_splits:
            raise ConfigError(f"a split is train, eval or test, not {split!r}")
        return TaskDataset.from_name(self.name, **(self.task_kwargs | of_splits[split]))
