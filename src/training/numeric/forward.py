"""The forward pass of a layout: log-probabilities of the tokens that the policy chose, with gradient.

The body of the model runs over all tokens, its head only where a chosen token is predicted, in chunks whose logits are
computed again for the gradient, so that no more than one chunk of them is ever held.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

import torch
import torch.utils.checkpoint
from torch import Tensor, nn

from textgrad_agents.errors import ConfigError
from training.numeric.prefix import Layout

CHUNK = 64 * 1024 * 1024
"""Most logits held at a time (256 MiB of float32)."""


class Forward:
    """A causal language model as a function of layouts.

    Args:
        module: a `transformers` causal model, with or without adapters around it.
    """

    def __init__(self, module: nn.Module) -> None:
        model: Any = module
        self._model: Any = model.get_base_model() if hasattr(model, "get_base_model") else model
        self._body: Any = self._model.base_model
        self._head: Any = self._model.get_output_embeddings()
        self._eager = getattr(self._model.config, "_attn_implementation", "sdpa") == "eager"
        self._plain_head = self._head_is_all()

    def logprobs(self, layout: Layout, temperatures_N: Tensor) -> Tensor:
        """Log-probability of each scored token, float32 `(N,)` in nats, of the softmax of logits / temperature.

        Raises:
            ConfigError: the model cannot have several rows in one sequence.
        """
        device, dtype = temperatures_N.device, self._dtype
        inputs: dict[str, Any] = {
            "input_ids": torch.as_tensor(layout.input_ids_BL).to(device),
            "position_ids": torch.as_tensor(layout.positions_BL).to(device),
            "use_cache": False,
        }
        if layout.visible_BLL is not None:
            self._require_masks(layout)
            visible = torch.as_tensor(layout.visible_BLL)[:, None].to(device)
            inputs["attention_mask"] = _additive(visible, dtype) if self._eager else visible
        places_N = torch.as_tensor(layout.places_N).to(device)
        targets_N = torch.as_tensor(layout.targets_N).to(device)
        if self._plain_head:
            hidden_NH = cast(Tensor, self._body(**inputs)[0]).flatten(0, 1)[places_N]
            return self._score(hidden_NH, targets_N, temperatures_N)
        logits_NV = cast(Tensor, self._model(**inputs).logits).flatten(0, 1)[places_N]
        return _logprobs(logits_NV, targets_N, temperatures_N)

    @contextmanager
    def recomputing(self, wanted: bool) -> Generator[None]:
        """Inside of it, if `wanted`, layers compute their activations again for the gradient instead of keeping them.

        The model stays in evaluation mode, so nothing is dropped out, and can sample with its cache again afterwards.

        Raises:
            ConfigError: the model cannot do so.
        """
        if not wanted:
            yield
            return
        if not getattr(self._model, "supports_gradient_checkpointing", False):
            raise ConfigError(
                f"{type(self._model).__name__} cannot recompute activations; set gradient_checkpointing to false"
            )
        self._model.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
        layers = [one for one in self._model.modules() if getattr(one, "gradient_checkpointing", False)]
        try:
            for layer in layers:
                layer.training = True
            yield
        finally:
            for layer in layers:
                layer.training = False
            self._model.activation_checkpointing_disable()

    @property
    def balance(self) -> int:
        """Length at which attention costs about as much as the rest of a layer.

        A layer of width d has 12 to 16 d² parameters, so a token costs about 32 d² operations, and 4 d more for each
        token that it is compared with.
        """
        return 8 * int(self._model.config.get_text_config().hidden_size)

    @property
    def device(self) -> torch.device:
        """Where the model runs."""
        return cast("torch.device", self._model.device)

    def _require_masks(self, layout: Layout) -> None:
        """Raise ConfigError where a mask would not decide what a token sees."""
        config: Any = self._model.config.get_text_config()
        kinds = set(getattr(config, "layer_types", None) or ()) - {"full_attention", "sliding_attention"}
        if kinds or getattr(self._model, "_is_stateful", False):
            why = f"has layers without a mask ({', '.join(sorted(kinds)) or 'recurrent'})"
        elif _window(config) <= int(layout.positions_BL.max()):
            why = f"sees {_window(config):g} tokens back and the rows are longer"
        else:
            return
        raise ConfigError(f"{type(self._model).__name__} {why}; set layout to 'padded', one row per sequence")

    @property
    def _dtype(self) -> torch.dtype:
        return cast("torch.dtype", self._model.dtype)

    def _score(self, hidden_NH: Tensor, targets_N: Tensor, temperatures_N: Tensor) -> Tensor:
        def chunk(hidden_nH: Tensor, targets_n: Tensor, temperatures_n: Tensor) -> Tensor:
            return _logprobs(self._head(hidden_nH), targets_n, temperatures_n)

        size = max(1, CHUNK // int(self._model.config.get_text_config().vocab_size))
        if len(targets_N) <= size:
            return chunk(hidden_NH, targets_N, temperatures_N)
        again: Any = torch.utils.checkpoint.checkpoint  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        parts: list[Tensor] = []
        for start in range(0, len(targets_N), size):
            part = slice(start, start + size)
            parts.append(again(chunk, hidden_NH[part], targets_N[part], temperatures_N[part], use_reentrant=False))
        return torch.cat(parts)

    def _head_is_all(self) -> bool:
        """True if logits are the head's output as it is; some models scale or cap them afterwards."""
        if self._head is None:
            return False
        with torch.no_grad():
            ids = torch.arange(3, device=self._model.device)[None]
            logits = self._model(input_ids=ids, use_cache=False).logits
            return bool(torch.equal(logits, self._head(self._body(input_ids=ids, use_cache=False)[0])))


def _window(config: Any) -> float:
    """How far back a token sees at least; infinite without windows."""
    on = getattr(config, "use_sliding_window", True) and _only(getattr(config, "layer_types", None)) != "full_attention"
    window = getattr(config, "sliding_window", None)
    return float(window) if on and window else math.inf


def _only(kinds: Any) -> str | None:
    found = set(kinds or ())
    return found.pop() if len(found) == 1 else None


def _logprobs(logits_NV: Tensor, targets_N: Tensor, temperatures_N: Tensor) -> Tensor:
    """Log-softmax at the targets, in float32 at least; TRL and the sampler divide by the temperature the same way."""
    scaled_NV = (logits_NV if logits_NV.dtype == torch.float64 else logits_NV.float()) / temperatures_N[:, None]
    chosen_N = scaled_NV.gather(1, targets_N[:, None]).squeeze(1)
    return chosen_N - scaled_NV.logsumexp(1)


def _additive(visible: Tensor, dtype: torch.dtype) -> Tensor:
    """A mask of booleans as what is added to attention scores."""
    return torch.zeros(visible.shape, dtype=dtype, device=visible.device).masked_fill(~visible, torch.finfo(dtype).min)
