"""OnlineTrainer: an agent learns from rollouts that it makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from envs.dataset import TaskDataset
from envs.environment import Environment
from textgrad_agents.agents import Agent
from textgrad_agents.errors import ConfigError
from textgrad_agents.transitions import Trajectory
from textgrad_agents.variables.modes import eval_mode, train_mode
from training.callbacks import Callback
from training.runners.config import OnlineTrainerConfig
from training.runners.evaluation import evaluation
from training.runners.learning import Loss, RolloutOptimizer, take_in


class OnlineTrainer:
    """Collects a batch of rollouts, learns from it, and begins again; evaluates before, in between and after.

    Args:
        config: settings.
        agent: the agent.
        optimizer: changes its parameters.
        train_dataset: tasks to learn from.
        eval_dataset: tasks of evaluations; None evaluates nothing.
        callbacks: told of everything.
        loss: where feedback in words starts; see `learning.take_in`.

    Raises:
        ConfigError: evaluations are asked for without a dataset for them.
    """

    def __init__(
        self,
        config: OnlineTrainerConfig,
        agent: Agent[Any],
        optimizer: RolloutOptimizer,
        train_dataset: TaskDataset[Any],
        eval_dataset: TaskDataset[Any] | None = None,
        callbacks: Sequence[Callback] | None = None,
        loss: Loss | None = None,
    ) -> None:
        if config.eval_every is not None and eval_dataset is None:
            raise ConfigError("eval_every is set; pass an eval_dataset, too")
        self.config = config
        self.agent = agent
        self.optimizer = optimizer
        self.train_dataset = train_dataset
        self.eval_dataset = eval_dataset
        self.callbacks: Sequence[Callback] = callbacks or ()
        self.loss = loss
        self.rollout_manager = config.make_rollout_manager(agent, self.callbacks)

    async def train(self) -> None:
        """Train.

        Raises:
            ConfigError: a dataset has no tasks, or an endless one is evaluated without a number of batches.
        """
        if self.config.eval_before:
            await self.evaluate()
        made = rounds = 0
        while made < self.config.num_train_iterations:
            before = made
            seed = None if self.config.seed is None else self.config.seed + rounds
            rounds += 1
            for batch in self.train_dataset.iter_batches(self.config.batch_size, shuffle=True, seed=seed):
                await self._iteration(made, batch)
                made += 1
                if self.config.eval_every is not None and made % self.config.eval_every == 0:
                    await self.evaluate()
                if made == self.config.num_train_iterations:
                    break
            if made == before:
                raise ConfigError(f"{type(self.train_dataset).__name__} has no tasks")
        await self.evaluate()

    async def evaluate(self) -> None:
        """Play the tasks of evaluations, if there are any, in eval mode."""
        if self.eval_dataset is not None:
            with eval_mode():
                await evaluation(self.config, self.eval_dataset, self.rollout_manager, self.callbacks)

    async def _iteration(self, number: int, batch: Sequence[Environment[Any]]) -> None:
        trajectories: list[Trajectory] = []
        with train_mode():
            for _ in range(self.config.num_rollouts_per_env):
                trajectories += await self.rollout_manager.sample_trajectories(
                    environments=batch, max_steps=self.config.max_rollout_steps
                )
            await take_in(self.optimizer, trajectories, self.loss)
        if (number + 1) % self.config.update_every == 0:
            await self.optimizer.update()
            for callback in self.callbacks:
                await callback.after_update()
        for callback in self.callbacks:
            await callback.after_train_step(trajectories)
