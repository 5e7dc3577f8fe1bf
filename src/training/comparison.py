"""What a finished run was worth: its prompts and weights beside those it began with, on tasks nobody learned from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from textgrad_agents.interfaces import Engine
from textgrad_agents.policy import PolicyFile
from textgrad_agents.seeds import derive_seed
from textgrad_agents.session import Session
from textgrad_agents.trajectory import Episode
from training.collect import Collector
from training.config import TrainingConfig
from training.environments import MathSettings
from training.local_policy import LocalPolicy
from training.two_by_two import Age, Cell, two_by_two


def compare(
    config: TrainingConfig,
    file: PolicyFile,
    folder: Path,
    agents: tuple[str, ...],
    engine: Engine,
    local: LocalPolicy | None,
    tasks: int,
) -> list[Cell]:
    """Old and new prompts by old and new weights, without exploration.

    Args:
        config: of the run.
        file: its policies; it began with version `first_iteration`.
        folder: of the policy file.
        agents: names of the agents.
        engine: answers, where no model of this machine does.
        local: the model of this machine, if one acts.
        tasks: how many tasks at least: problems of the test split in mathematics, else episodes.

    Raises:
        ConfigError: weights of the run are missing.
        EnvError: all episodes of a combination failed.
        EngineError: a model does not answer.
    """
    versions = {"old": file.at(file.first_iteration or 0).of(agents), "new": file.current.of(agents)}
    policies = {age: {agent: one.policy for agent, one in version.items()} for age, version in versions.items()}
    weights = {age: next(iter(version.values())).adapter for age, version in versions.items()}
    engines: Mapping[str, Engine] = dict.fromkeys(versions, engine)
    if local is not None:
        engines = {age: local.engine_of(adapter, folder, f"compared_{age}") for age, adapter in weights.items()}
    problems = config.environment if isinstance(config.environment, MathSettings) else None
    per_episode = problems.per_episode if problems else None
    episodes = math.ceil(tasks / (per_episode or 1))
    settings = problems.model_copy(update={"split": "test", "size": max(problems.size, tasks)}) if problems else None
    collectors = {
        age: Collector(
            (settings or config.environment).make,
            engines[age],
            seed=derive_seed(config.seed, "comparison"),
            parallel=config.concurrency,
            decision_interval=config.decision_interval,
            bare=config.prompts == "bare",
        )
        for age in versions
    }

    async def play(prompt: Age, weight: Age) -> list[Episode]:
        return await collectors[weight].collect(
            policies[prompt], branch="evaluate", iteration=0, episodes=range(episodes), record=False
        )

    changed = {"prompt": policies["old"] != policies["new"], "weights": weights["old"] != weights["new"]}
    try:
        with Session(seed=config.seed, concurrency=config.concurrency) as session:
            return session.portal.run(two_by_two(play, tasks=per_episode, changed=changed))
    finally:
        for collector in collectors.values():
            collector.close()
