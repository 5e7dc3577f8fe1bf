"""`LocalModel`: a causal language model, its tokenizer and its adapters, for whoever samples and whoever trains.

The base weights are never trained; an adapter is switched on for the length of a ``with model.use(name):`` and nothing
else may run on the model meanwhile. Outside of it the base model stands alone.
"""

# The types that torch, transformers and peft leave open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any, cast

import peft
import torch
from numpy.typing import NDArray
from peft.tuners.tuners_utils import BaseTunerLayer

from textgrad_agents.engines.local import adapters
from textgrad_agents.engines.local.hashing import adapter_hash, base_hash
from textgrad_agents.engines.local.loading import load_module, load_tokenizer, pick_device, pick_dtype
from textgrad_agents.engines.local.template import ChatTemplate
from textgrad_agents.errors import ConfigError
from textgrad_agents.interfaces import Adapter

Ids = Sequence[int] | NDArray[Any] | torch.Tensor


class LocalModel:
    """A model on this machine. Made by `load` or `of`.

    Attributes:
        module: the torch module; a `peft.PeftModel` once there is an adapter.
        tokenizer: its tokenizer.
        template: renders and tokenizes conversations.
        name: its name, as a user would write it.
        base_hash: hash of the base weights, the same in every number format.
        device: where it runs.
        dtype: number format of the base weights; adapters are float32 beside bfloat16 or float16.
    """

    def __init__(self, module: torch.nn.Module, tokenizer: Any, *, name: str) -> None:
        self.module: Any = module.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.template = ChatTemplate(tokenizer, name=name)
        self.name = name
        self.base_hash = base_hash(module)
        parameter = next(module.parameters())
        self.device, self.dtype = parameter.device, parameter.dtype
        self._adapters: dict[str, Adapter] = {}
        self._active: str | None = None
        self._layers: list[BaseTunerLayer] = []
        self._parameters: list[torch.nn.Parameter] = []
        self._lock = RLock()

    @classmethod
    def load(cls, source: str | Path, *, device: str = "auto", dtype: str = "auto") -> LocalModel:
        """A model from a folder, or from the hub by its name.

        Args:
            source: folder or name. Only safetensors are read, and no code that comes with a model is run.
            device: ``auto`` (CUDA where there is one), ``cpu``, ``cuda``, ``cuda:1``.
            dtype: ``auto`` (bfloat16 on CUDA, float32 on the CPU), ``float32``, ``bfloat16``, ``float16``, ``float64``.

        Raises:
            ConfigError: there is no such model, tokenizer, chat template, device or number format.
        """
        on = pick_device(device)
        tokenizer = load_tokenizer(str(source))
        return cls(load_module(str(source), on, pick_dtype(dtype, on)), tokenizer, name=str(source))

    @classmethod
    def of(cls, module: torch.nn.Module, tokenizer: Any, *, name: str) -> LocalModel:
        """A model that is already in memory; the module is changed in place by adapters."""
        return cls(module, tokenizer, name=name)

    # -- adapters ------------------------------------------------------------------------------------------------

    @property
    def adapters(self) -> tuple[Adapter, ...]:
        """All adapters as they stand now, in the order in which they came."""
        return tuple(self._adapters.values())

    def adapter(self, name: str) -> Adapter:
        """The adapter of this name as it stands now.

        Raises:
            ConfigError: there is none.
        """
        if name not in self._adapters:
            known = ", ".join(map(repr, self._adapters)) or "none"
            raise ConfigError(
                f"{self.name} has no adapter {name!r} (it has {known}); add_adapter or load_adapter first"
            )
        return self._adapters[name]

    def add_adapter(
        self, name: str, *, rank: int = 8, alpha: int = 16, targets: str | Sequence[str] = "all-linear", seed: int = 0
    ) -> Adapter:
        """A new LoRA adapter (Hu et al. 2021, arXiv 2106.09685). It changes nothing until it is trained.

        Args:
            name: its name; letters, digits, ``_`` and ``-``.
            rank: rank of the update.
            alpha: the update is scaled by ``alpha / rank``.
            targets: names of the modules it changes, or ``all-linear`` (all linear ones but the head).
            seed: of its first weights.

        Raises:
            ConfigError: the name is taken or no name, or no module is of the `targets`.
        """
        return self._insert(name, adapters.lora_config(rank, alpha, targets), seed)

    def load_adapter(self, folder: str | Path, name: str) -> Adapter:
        """The adapter that `save_adapter` wrote into `folder`. One of this name is replaced if it has the same shape.

        Raises:
            FileFormatError: the folder holds no adapter, or a damaged one.
            ConfigError: the adapter is for another base model, or a different one has this name.
        """
        stored = adapters.read(Path(folder))
        if stored.base and stored.base != self.base_hash:
            raise ConfigError(
                f"the adapter in {folder} was trained on a base model with the hash {stored.base[:16]}, and "
                f"{self.name} has {self.base_hash[:16]}; load the base model it belongs to, or train a new adapter"
            )
        with self._lock:
            if name not in self._adapters:
                self._insert(name, stored.config, seed=0)
            adapters.put(self.module, name, stored)
            return self._restate(name, stored.version)

    def save_adapter(self, name: str, folder: str | Path) -> Adapter:
        """Write an adapter as ``adapter_model.safetensors`` and ``adapter_config.json``, as peft and vLLM read it."""
        with self._lock:
            handle = self.updated(name, self.adapter(name).version)
            adapters.write(self.module, handle, Path(folder), base_name=self.name)
            return handle

    def updated(self, name: str, version: int | None = None) -> Adapter:
        """Say that an adapter's weights were changed: its version goes up by one (or to `version`), its hash is new."""
        with self._lock:
            return self._restate(name, self.adapter(name).version + 1 if version is None else version)

    def trainable(self, name: str) -> list[tuple[str, torch.nn.Parameter]]:
        """The parameters of an adapter with their names, in the module's order."""
        self.adapter(name)
        return [one for one in self.module.named_parameters() if adapters.belongs(one[0], name)]

    @contextmanager
    def use(self, name: str | None) -> Generator[None]:
        """Switch to one adapter, or to the base alone (None). Other threads wait until it ends.

        A forward pass and its backward belong into the same `use`; another one may be nested between them.
        """
        if name is not None:
            self.adapter(name)
        with self._lock:
            before = self._active
            self._switch(name)
            try:
                yield
            finally:
                self._switch(before)

    def _switch(self, name: str | None) -> None:
        if name == self._active:
            return
        for layer in self._layers:
            if name is None:
                layer.enable_adapters(False)
            else:
                if self._active is None:
                    layer.enable_adapters(True)
                layer.set_adapter(name)
        for parameter in self._parameters:  # peft freezes the adapters that it switches off
            parameter.requires_grad_(True)
        self._active = name

    def _insert(self, name: str, config: peft.LoraConfig, seed: int) -> Adapter:
        if not adapters.is_name(name) or name in self._adapters:
            raise ConfigError(f"adapter name {name!r} is taken or no name; use another one (letters, digits, _ and -)")
        with self._lock, torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            before = self._active
            torch.manual_seed(seed)
            try:
                if self._adapters:
                    self.module.add_adapter(name, config)
                else:
                    with warnings.catch_warnings():  # peft 0.21 asks transformers 5 by the old name of an attribute
                        warnings.simplefilter("ignore", FutureWarning)
                        self.module = peft.get_peft_model(self.module, config, adapter_name=name)
            except ValueError as error:
                raise ConfigError(f"adapter {name!r} does not fit {self.name}: {error}") from None
            self.module.eval()
            self._active = name
            self._adapters[name] = Adapter(name, 0, "", self.base_hash)
            self._layers = [one for one in self.module.modules() if isinstance(one, BaseTunerLayer)]
            self._parameters = [one for key, one in self.module.named_parameters() if adapters.is_lora(key)]
            self.module.set_adapter(name)
            self._switch(before)
            return self._restate(name, 0)

    def _restate(self, name: str, version: int) -> Adapter:
        weights = adapters.weights(self.module, name)
        handle = Adapter(name, version, adapter_hash(weights), self.base_hash)
        self._adapters[name] = handle
        return handle

    # -- computing -----------------------------------------------------------------------------------------------

    def forward_logits(
        self,
        input_ids_BT: torch.Tensor,
        positions_BT: torch.Tensor | None = None,
        attention: torch.Tensor | None = None,
        *,
        keep: int | torch.Tensor = 0,
    ) -> torch.Tensor:
        """Logits `(B, T, V)` under the adapter that is on.

        Args:
            input_ids_BT: token ids.
            positions_BT: position of each token; counted from the left if None.
            attention: 1 or True where a token may be attended to, `(B, T)`; or an additive float mask `(B, 1, T, T)`.
            keep: logits of the last `keep` positions alone (0 for all), or of the positions in a 1-d tensor.
        """
        output = self.module(
            input_ids=input_ids_BT,
            position_ids=positions_BT,
            attention_mask=attention,
            use_cache=False,
            logits_to_keep=keep,
        )
        return cast("torch.Tensor", output.logits)

    def token_logprobs(
        self, prompt_ids: Ids, action_ids: Ids, *, temperature: float = 1.0, adapter: str | None = None
    ) -> torch.Tensor:
        """Log-probability in nats of each token of `action_ids` `(A,)` behind `prompt_ids` `(P,)`, P ≥ 1.

        Args:
            prompt_ids: what stands before.
            action_ids: the tokens to score.
            temperature: divides the logits; 0 counts as 1, since there is no distribution at 0.
            adapter: which adapter is on.

        Returns:
            float32 `(A,)` (float64 of a float64 model), with a gradient unless inside ``torch.no_grad()``.

        Raises:
            ConfigError: the prompt is empty.
        """
        prompt, action = self.tensor(prompt_ids), self.tensor(action_ids)
        if not len(prompt):
            raise ConfigError(
                "the first token has nothing before it to be scored under; give a prompt of one or more ids"
            )
        ids_1T = torch.cat([prompt, action])[None]
        with self.use(adapter):
            logits_AV = self.forward_logits(ids_1T, keep=len(action) + 1)[0, :-1]
        return logprobs_of(logits_AV, action, temperature or 1.0)

    def tensor(self, ids: Ids) -> torch.Tensor:
        """Token ids as int64 on the model's device."""
        return torch.as_tensor(ids, dtype=torch.int64, device=self.device)


def logprobs_of(logits: torch.Tensor, ids: torch.Tensor, temperature: float | torch.Tensor = 1.0) -> torch.Tensor:
    """Log-probabilities of `ids` `(…)` under `logits` `(…, V)` divided by `temperature`; float32 or wider."""
    wide = logits if logits.dtype == torch.float64 else logits.float()
    scaled = wide / temperature
    return scaled.gather(-1, ids[..., None])[..., 0] - scaled.logsumexp(-1)
