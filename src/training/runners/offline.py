"""OfflineTrainer: an agent learns from rollouts that are there already."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from textgrad_agents.agents import Agent
from textgrad_agents.transitions import Trajectory
from training.callbacks import Callback
from training.runners.config import OfflineTrainerConfig
from training.runners.learning import Loss, RolloutOptimizer, take_in


class OfflineTrainer:
    """Goes through trajectories batch by batch and learns from each. Failed trajectories teach nothing.

    Without any trajectories the optimizer makes one update per epoch, of what it was given before.

    Args:
        config: settings.
        agent: the agent.
        optimizer: changes its parameters.
        train_trajectories: the rollouts.
        callbacks: told of batches and updates.
        loss: where feedback in words starts, for trajectories that have their graph; see `learning.take_in`.
    """

    def __init__(
        self,
        config: OfflineTrainerConfig,
        agent: Agent[Any],
        optimizer: RolloutOptimizer,
        train_trajectories: Sequence[Trajectory],
        callbacks: Sequence[Callback] | None = None,
        loss: Loss | None = None,
    ) -> None:
        self.config = config
        self.agent = agent
        self.optimizer = optimizer
        self.train_trajectories = list(train_trajectories)
        self.callbacks: Sequence[Callback] = callbacks or ()
        self.loss = loss

    async def train(self) -> None:
        """Train."""
        order = list(self.train_trajectories)
        random.Random(self.config.seed).shuffle(order)
        size = self.config.batch_size
        batches = [order[start : start + size] for start in range(0, len(order), size)] or [[]]
        made = 0
        for _ in range(self.config.num_epochs):
            for batch in batches:
                await take_in(self.optimizer, batch, self.loss)
                made += 1
                if made % self.config.update_every == 0:
                    await self.optimizer.update()
                    for callback in self.callbacks:
                        await callback.after_update()
                for callback in self.callbacks:
                    await callback.after_train_step(batch)
