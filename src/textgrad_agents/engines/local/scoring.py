"""Recorded tokens under the present weights."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from textgrad_agents.engines.local.model import LocalModel
from textgrad_agents.errors import ConfigError
from textgrad_agents.messages import TokenTrace


def recomputed_logprobs(model: LocalModel, trace: TokenTrace, *, adapter: str | None = None) -> NDArray[np.float32]:
    """Log-probabilities `(A,)` in nats of a trace's tokens as the model stands now; 0 where it did not choose one.

    The tokens are those that were recorded, and the temperature is that of the sampler (1 if that was 0). Truncation by
    ``top_p`` and the like is left out. For many traces, and other prompts, see `training.numeric.rescore`.

    Args:
        model: the model.
        trace: what was recorded.
        adapter: which adapter is on; None for the base model.

    Raises:
        ConfigError: another base model sampled it.
    """
    if trace.base not in ("", model.base_hash):
        raise ConfigError(f"another base model than {model.name} sampled these tokens; load the one that did")
    with torch.no_grad():
        scored = model.token_logprobs(
            trace.prompt_ids, trace.action_ids, temperature=trace.sampling.temperature, adapter=adapter
        )
    return np.where(trace.mask, scored.float().cpu().numpy(), np.float32(0))
