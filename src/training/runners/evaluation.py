"""Evaluator: how good an agent is on a dataset."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from envs.dataset import TaskDataset
from textgrad_agents.agents import Agent
from textgrad_agents.errors import ConfigError
from textgrad_agents.transitions import Trajectory
from textgrad_agents.variables.modes import eval_mode
from training.callbacks import Callback
from training.rollouts import RolloutManager
from training.runners.config import EvaluatorConfig


class Evaluator:
    """Plays an agent in the environments of a dataset; callbacks see the trajectories.

    Args:
        config: settings.
        agent: the agent.
        dataset: the tasks.
        callbacks: told of everything.
    """

    def __init__(
        self,
        config: EvaluatorConfig,
        agent: Agent[Any],
        dataset: TaskDataset[Any],
        callbacks: Sequence[Callback] | None = None,
    ) -> None:
        self.config = config
        self.agent = agent
        self.dataset = dataset
        self.callbacks: Sequence[Callback] = callbacks or ()
        self.rollout_manager = config.make_rollout_manager(agent, self.callbacks)

    async def evaluate(self, **changes: Any) -> None:
        """Play in eval mode: no graph is kept.

        Args:
            changes: other values of the settings, for this evaluation.

        Raises:
            ConfigError: the dataset is endless and no number of batches is set.
        """
        with eval_mode():
            await self.run(**changes)

    async def run(self, **changes: Any) -> None:
        """Play in the present mode, so that there may be something to learn from; otherwise as `evaluate`."""
        await evaluation(self.config.model_copy(update=changes), self.dataset, self.rollout_manager, self.callbacks)


async def evaluation(
    config: EvaluatorConfig, dataset: TaskDataset[Any], manager: RolloutManager, callbacks: Sequence[Callback]
) -> None:
    """Play batch after batch.

    Args:
        config: settings.
        dataset: the tasks.
        manager: samples the rollouts.
        callbacks: told of the batches.

    Raises:
        ConfigError: the dataset is endless and no number of batches is set.
    """
    left = config.num_eval_iterations
    if left is None:
        try:
            left = math.ceil(len(dataset) / config.batch_size)
        except TypeError:
            raise ConfigError(
                f"{type(dataset).__name__} is endless: set num_eval_iterations, or pass a dataset with a length"
            ) from None
    for callback in callbacks:
        await callback.before_eval_loop()
    if not left:
        return
    rounds = 0
    while left:
        seed = None if config.seed is None else config.seed + rounds
        rounds += 1
        played = left
        for batch in dataset.iter_batches(config.batch_size, shuffle=config.shuffle, seed=seed):
            trajectories: list[Trajectory] = []
            for _ in range(config.num_rollouts_per_env):
                trajectories += await manager.sample_trajectories(
                    environments=batch, max_steps=config.max_rollout_steps
                )
            for callback in callbacks:
                await callback.after_eval_step(trajectories)
            left -= 1
            if not left:
                break
        if played == left:
            raise ConfigError(f"{type(dataset).__name__} has no tasks")
    for callback in callbacks:
        await callback.after_eval_loop()
