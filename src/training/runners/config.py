"""Settings of the runners."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt

from textgrad_agents.agents import Agent
from training.callbacks import Callback
from training.rollouts import RolloutManager


class EvaluatorConfig(BaseModel):
    """How an agent is evaluated.

    Attributes:
        batch_size: environments at once.
        num_eval_iterations: batches; None goes once through a finite dataset, 0 plays nothing.
        num_rollouts_per_env: rollouts in each environment, one after the other.
        max_rollout_steps: most steps of a rollout.
        catch_agent_failures, catch_env_failures: record failures instead of raising them.
        clear_ctx_at_each_iter: accepted, and not needed: graphs are gone with their results.
        shuffle: take the tasks of a finite dataset in random order.
        seed: of that order; None for any.
        timeout: seconds that one answer of the agent or an environment may take.
    """

    model_config = ConfigDict(extra="forbid")

    batch_size: PositiveInt = 1
    num_eval_iterations: NonNegativeInt | None = None
    num_rollouts_per_env: PositiveInt = 1
    max_rollout_steps: PositiveInt | None = None
    catch_agent_failures: bool = True
    catch_env_failures: bool = True
    clear_ctx_at_each_iter: bool = False
    shuffle: bool = False
    seed: int | None = None
    timeout: PositiveFloat | None = None

    def make_rollout_manager(self, agent: Agent[Any], callbacks: Sequence[Callback]) -> RolloutManager:
        """What samples the rollouts."""
        return RolloutManager(
            agent,
            catch_agent_failures=self.catch_agent_failures,
            catch_env_failures=self.catch_env_failures,
            callbacks=callbacks,
            timeout=self.timeout,
        )


class OnlineTrainerConfig(EvaluatorConfig):
    """How an agent is trained on rollouts that it makes.

    Attributes:
        num_train_iterations: batches of training; 0 trains nothing.
        update_every: batches between two updates of the optimizer.
        eval_every: batches between two evaluations; None evaluates before and after alone.
        eval_before: evaluate before training.
    """

    num_train_iterations: NonNegativeInt
    update_every: PositiveInt = 1
    eval_every: PositiveInt | None = None
    eval_before: bool = True


class OfflineTrainerConfig(BaseModel):
    """How an agent is trained on rollouts that are there already.

    Attributes:
        batch_size: trajectories at once.
        update_every: batches between two updates of the optimizer.
        clear_ctx_at_each_iter: accepted, and not needed: graphs are gone with their results.
        num_epochs: how often all trajectories are gone through.
        seed: of the order of trajectories; None for any.
    """

    model_config = ConfigDict(extra="forbid")

    batch_size: PositiveInt
    update_every: PositiveInt = 1
    clear_ctx_at_each_iter: bool = False
    num_epochs: NonNegativeInt = Field(default=1)
    seed: int | None = None
