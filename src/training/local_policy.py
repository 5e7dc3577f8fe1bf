"""The model of this machine that acts in a run, and the adapter that the run trains.

The engine samples with the same weights that the learner changes, so an update is in the next reply, also where a vLLM
server samples. Every set of weights that a policy file names is kept in a folder of its own, by its hash, and never
written again.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textgrad_agents.errors import ConfigError
from textgrad_agents.policy import AdapterReference
from training.config import BUILT_IN_MODELS, TrainingConfig
from training.served_policy import ServedPolicy

if TYPE_CHECKING:
    from textgrad_agents.engines.local import LocalModel
    from textgrad_agents.interfaces import Adapter, Engine, Learner
    from textgrad_agents.trajectory import Episode

ADAPTER = "weights"
"""Name of the adapter that all agents share."""


class LocalPolicy:
    """A model, its adapter and the engine that samples from both.

    Args:
        config: the run; its `base_model` is loaded (a built-in one is made if it is not in the cache).

    Attributes:
        model: the model, with the adapter on it.
        engine: answers with the adapter as it stands.
        is_free: True if the same call always has the same answer and costs nothing: nobody else samples.
        folder: where weights are written, each in a folder that is named by their hash.

    Raises:
        ConfigError: torch is not installed, or there is no such model, tokenizer or chat template.
        FileFormatError: a file of the built-in model was changed.
    """

    def __init__(self, config: TrainingConfig) -> None:
        try:
            from textgrad_agents.engines.local import LocalModel
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
        self._first = self.version()
        self._places: dict[str, Path] = {}  # by hash, where weights were read from
        self.folder = config.experiments_dir / config.exp_name / "adapters"
        self.is_free = config.sampler == "local"
        self._sample = self._here() if self.is_free else self._served()
        self.engine: Engine = self._sample(ADAPTER)

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
        self._load(reference, folder, ADAPTER)

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
        if reference is None:
            return self._sample(None)
        self._load(reference, folder, name)
        return self._sample(name)

    def reset(self) -> None:
        """Begin with an untrained adapter again."""
        for (_, parameter), untrained in zip(self.model.trainable(ADAPTER), self._untrained, strict=True):
            parameter.data.copy_(untrained)
        self.model.updated(ADAPTER, 0)

    def keep(self, policy_file: Path) -> AdapterReference | None:
        """Write the present weights into a folder of their own; None if they were never trained.

        Args:
            policy_file: the file that will refer to them.
        """
        adapter = self.model.adapter(ADAPTER)
        if adapter.sha256 == self._first:
            return None
        path = os.path.relpath(self._write(adapter), policy_file.parent)
        return AdapterReference(path=path, sha256=adapter.sha256, base_model=self._name)

    def _write(self, adapter: Adapter) -> Path:
        """Write an adapter into the folder of its hash, whole or not at all; returns that folder."""
        place = self.folder / adapter.sha256[:16]
        if not (place / "adapter_model.safetensors").exists():
            shutil.rmtree(place, ignore_errors=True)
            self.folder.mkdir(parents=True, exist_ok=True)
            unfinished = Path(tempfile.mkdtemp(prefix=f".{place.name}.", suffix=".part", dir=self.folder))
            try:
                self.model.save_adapter(adapter.name, unfinished)
                unfinished.chmod(self.folder.stat().st_mode)
                os.replace(unfinished, place)
            except BaseException:
                shutil.rmtree(unfinished, ignore_errors=True)
                raise
        return place

    def _load(self, reference: AdapterReference, folder: Path, name: str) -> None:
        """Put the weights of a policy under a name."""
        place = _place(reference, folder)
        try:
            loaded = self.model.load_adapter(place, name)
        except ConfigError as error:
            raise ConfigError(
                f"the policy's weights cannot be used with base_model {self._name} and numeric rank "
                f"{self._config.numeric.rank}, alpha {self._config.numeric.alpha}: {error}"
            ) from None
        if loaded.sha256 != reference.sha256:
            raise ConfigError(
                f"the adapter in {place} has the sha256 {loaded.sha256[:16]}, and the policy file names "
                f"{reference.sha256[:16]}; restore the folder that belongs to the policy"
            )
        self._places[loaded.sha256] = place

    def _here(self) -> Callable[[str | None], Engine]:
        """Engines of this process, by the name of their adapter."""
        from textgrad_agents.engines.local import LocalEngine

        config = self._config
        return lambda name: LocalEngine(
            self.model, name, max_batch=config.concurrency, max_tokens=config.numeric.max_tokens
        )

    def _served(self) -> Callable[[str | None], Engine]:
        """Engines that ask the config's server, by the name of their adapter; what is untrained is the base model."""
        from textgrad_agents.engines.vllm_server import VLLMEngine

        numeric = self._config.numeric
        server = VLLMEngine(
            self._name,
            self._config.sampler,
            template=self.model.template,
            base=self.model.base_hash,
            window=numeric.max_staleness + 2,
            max_tokens=numeric.max_tokens,
        )

        def present(name: str | None) -> Adapter | None:
            adapter = None if name is None else self.model.adapter(name)
            return None if adapter is None or adapter.sha256 == self._first else adapter

        def folder_of(adapter: Adapter) -> Path:
            return self._places.get(adapter.sha256) or self._write(adapter)

        return lambda name: ServedPolicy(server, lambda: present(name), folder_of)


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
