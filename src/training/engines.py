"""The engines of a run: who acts, who criticises, who rewrites, and the meter that counts for all three."""

from __future__ import annotations

from dataclasses import dataclass

from textgrad_agents.engines import Limited, LLMConfig, Meter, Metered, Retried, make_engine
from textgrad_agents.interfaces import Engine
from training.config import TrainingConfig

BUILT_IN = "rulebook"


@dataclass(frozen=True, slots=True)
class Engines:
    """Engines by role, all counted on one meter."""

    actor: Engine
    critic: Engine
    optimizer: Engine
    meter: Meter

    @classmethod
    def of(cls, config: TrainingConfig) -> Engines:
        """The engines that a config names.

        Raises:
            ConfigError: no such model, or its key may not be sent to its address.
            MissingKeyError: a model's key is not set; nothing was made or spent.
        """
        meter = Meter()
        actor = _engine(config.get_episode_llm_config(), config.concurrency, meter)
        critic = _engine(config.get_textgrad_llm_config(), config.concurrency, meter)
        return cls(actor, critic, critic, meter)

    @classmethod
    def single(cls, engine: Engine) -> Engines:
        """One engine for every role."""
        meter = Meter()
        metered = Metered(engine, meter)
        return cls(metered, metered, metered, meter)


def _engine(model: LLMConfig, concurrency: int, meter: Meter) -> Engine:
    if model.name == BUILT_IN and model.base_url is None:
        return Metered(make_engine(BUILT_IN), meter)
    model.get_api_key()
    return Retried(Metered(Limited(make_engine(model), concurrency), meter))
