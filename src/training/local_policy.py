"""The model of this machine that acts in a run, and the adapter that the run trains.

The engine samples with the same weights that the learner changes, so an update is in the next reply. Every set of
weights that a policy file names is kept in a folder of its own, by its hash, and never written again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textgrad_agents.errors import ConfigError
from textgrad_agents.policy import AdapterReference
from training.config import BUILT_IN_MODELS, TrainingConfig

if TYPE_CHECKING:
    from textgrad_agents.engines.local import LocalModel
    from textgrad_agents.interfaces import Engine, Learner
    from textgrad_agents.trajectory import Episode

ADAPTER = "policy"
"""Name of the adapter that all agents share."""


class LocalPolicy:
    """A model, its adapter and the engine that samples from both.

    Args:
        config: the run; its `base_model` is loaded (a built-in one is made if it is not in the cache).

    Attributes:
        model: the model, with the adapter on it.
        engine: answers with the adapter.
        base_engine: answers without it.

    Raises:
        ConfigError: torch is not installed, or there is no such model, tokenizer or chat template.
        FileFormatError: a file of the built-in model was changed.
    """

    def __init__(self, config: TrainingConfig) -> None:
        try:
            from textgrad_agents.engines.local import LocalEngine, LocalModel
        except ImportError as error:
            raise ConfigError(
                f"base_model needs torch, transformers and peft ({error}); install textgrad-agents[rl]"
            ) from None
        self._config = config
        self._name = str(config.base_model)
        self.model: LocalModel = LocalModel.load(_source(self._name))
        numeric = config.numeric
        self.model.add_adapter(ADAPTER, rank=numeric.rank, alpha=numeric.alpha, seed=config.seed)
        self._untrained = [parameter.detach().clone() for _, parameter in self.model.trainable(ADAPTER)]
        self._options: dict[str, Any] = {"max_batch": config.concurrency, "max_tokens": numeric.max_tokens}
        self.base_engine: Engine = LocalEngine(self.model, **self._options)
        self.engine: Engine = LocalEngine(self.model, ADAPTER, **self._options)

    def learner(self, roles: Mapping[str, str], report: Any = None) -> Learner[Episode]:
        """What trains the adapter."""
        from training.numeric.learner import LoraLearner

        return LoraLearner(self.model, ADAPTER, self._config.numeric, roles=roles, report=report)

    def version(self) -> str:
        """Hash of the present weights of the adapter."""
        return self.model.adapter(ADAPTER).sha256

    def use(self, reference: AdapterReference | None, folder: Path) -> None:
        """Act with the weights of a policy: those that it refers to, or untrained ones.

        Args:
            reference: the policy's weights.
            folder: that of the policy file, which the reference's path is relative to.

        Raises:
            ConfigError: the weights are missing, or for another base model.
            FileFormatError: their folder is damaged.
        """
        if reference is None:
            self.reset()
            return
        place = _place(reference, folder)
        loaded = self.model.load_adapter(place, ADAPTER)
        if loaded.sha256 != reference.sha256:
            raise ConfigError(
                f"the adapter in {place} has the sha256 {loaded.sha256[:16]}, and the policy file names "
                f"{reference.sha256[:16]}; restore the folder that belongs to the policy"
            )

    def engine_of(self, reference: AdapterReference | None, folder: Path, name: str) -> Engine:
        """An engine that answers with the weights of another policy; the present ones stay as they are.

        Args:
            reference: the weights; None for the base model alone.
            folder: that of the policy file.
            name: what to call them beside the present ones.

        Raises:
            ConfigError: the weights are missing, or for another base model.
            FileFormatError: their folder is damaged.
        """
        from textgrad_agents.engines.local import LocalEngine

        if reference is None:
            return self.base_engine
        self.model.load_adapter(_place(reference, folder), name)
        return LocalEngine(self.model, name, **self._options)

    def reset(self) -> None:
        """Begin with an untrained adapter again."""
        for (_, parameter), untrained in zip(self.model.trainable(ADAPTER), self._untrained, strict=True):
            parameter.data.copy_(untrained)
        self.model.updated(ADAPTER, 0)

    def keep(self, folder: Path, policy_file: Path) -> AdapterReference | None:
        """Write the present weights into a folder of their own; None if they were never trained.

        Args:
            folder: of all adapters of the run.
            policy_file: the file that will refer to them.
        """
        adapter = self.model.adapter(ADAPTER)
        if adapter.version == 0:
            return None
        place = folder / adapter.sha256[:16]
        if not place.exists():
            self.model.save_adapter(ADAPTER, place)
        return AdapterReference(
            path=os.path.relpath(place, policy_file.parent), sha256=adapter.sha256, base_model=self._name
        )


def _place(reference: AdapterReference, folder: Path) -> Path:
    """Where weights are that a policy file in `folder` refers to."""
    place = folder / reference.path
    if not place.is_dir():
        raise ConfigError(
            f"the policy's adapter {place} is missing (base model {reference.base_model}, "
            f"sha256 {reference.sha256[:16]}); restore the folder, or begin with a policy that has no adapter"
        )
    return place


def _source(name: str) -> str | Path:
    """A built-in model's folder; other names as they are."""
    if name not in BUILT_IN_MODELS:
        return name
    from training.numeric.tiny import tiny_model

    return tiny_model(name)
