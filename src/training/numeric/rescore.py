"""Rescoring: log-probabilities of recorded tokens under other prompts and other weights.

One primitive serves importance ratios, divergence from the reference (the adapter switched off), staleness, the ranking
of prompts and distilling a prompt into weights. Actions are never tokenized again; another prompt replaces just the
tokens of the Variable's text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from textgrad_agents.engines.local import LocalModel
from textgrad_agents.errors import ConfigError
from textgrad_agents.messages import PromptSpan
from textgrad_agents.seeds import text_hash
from training.numeric.batch import micro_batches
from training.numeric.forward import Forward
from training.numeric.rows import Row
from training.numeric_config import NumericConfig

Logprobs = list[NDArray[np.float32]]
"""One array `(A,)` per row, nats; 0 where the mask is False."""

_MOST = 20.0  # nats; a log-ratio beyond says "impossible" or "certain" anyway, and stays finite


def rescore(
    rows: Sequence[Row],
    model: LocalModel,
    *,
    adapter: str | None,
    prompt: Mapping[str, str] | None = None,
    config: NumericConfig | None = None,
) -> Logprobs:
    """Log-probabilities of the recorded actions, at the temperature that they were sampled with (at 1 if that was 0).

    Args:
        rows: what was recorded.
        model: scores it; it must be the base model that sampled.
        adapter: which adapter is on; None is the base model, the reference.
        prompt: texts to put in the place of Variables' recorded ones, by name.
        config: layout and token budget of the passes.

    Raises:
        ConfigError: another base model sampled a row, or no row has a Variable of that name.
    """
    for row in rows:
        if row.base not in ("", model.base_hash):
            raise ConfigError(
                f"the rows were sampled by a base model with the hash {row.base[:16]}, and {model.name} has "
                f"{model.base_hash[:16]}; load the model that sampled them"
            )
    told = [_scorable(row) for row in (with_prompt(rows, model, prompt) if prompt else rows)]
    scored: Logprobs = [np.zeros(len(row.action_ids), np.float32) for row in told]
    with torch.no_grad(), model.use(adapter):
        forward = Forward(model.module)
        for batch in micro_batches(told, range(len(told)), config or NumericConfig(), forward):
            values = batch.logprobs(forward).float().cpu().numpy()
            for place, index in enumerate(batch.rows):
                scored[index] = values[place, : len(scored[index])]
    return scored


def with_prompt(rows: Sequence[Row], model: LocalModel, prompt: Mapping[str, str]) -> tuple[Row, ...]:
    """The rows as if the Variables had had other texts; a row that holds none of them stays as it is.

    Raises:
        ConfigError: no row holds a Variable of that name.
    """
    held = {span.variable for row in rows for span in row.spans}
    if missing := sorted(prompt.keys() - held):
        raise ConfigError(
            f"no recorded prompt holds a Variable {missing[0]!r} (known: {', '.join(sorted(held)) or 'none'}); record "
            "with a local engine and messages that carry spans"
        )
    return tuple(_told(row, model, prompt) for row in rows)


def log_ratios(rows: Sequence[Row], logprobs: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    """Log of each row's importance ratio to its sampler, `(N,)`, summed over the chosen tokens, within ±20."""
    sums = [
        float((scored - row.sampler_logprobs)[row.mask].sum(dtype=np.float64))
        for row, scored in zip(rows, logprobs, strict=True)
    ]
    return np.clip(np.array(sums, np.float64), -_MOST, _MOST)


def divergence(rows: Sequence[Row], model: LocalModel, *, adapter: str) -> float:
    """KL(adapter ‖ base) in nats per token, estimated at tokens that the adapter sampled.

    The estimate is exp(−d) − 1 + d with d the difference of the log-probabilities (Schulman 2020, "k3"): unbiased where
    the rows were sampled by this adapter, never negative.
    """
    on, off = rescore(rows, model, adapter=adapter), rescore(rows, model, adapter=None)
    pairs = zip(rows, on, off, strict=True)
    gaps = [np.clip((a - b)[row.mask].astype(np.float64), -_MOST, _MOST) for row, a, b in pairs]
    gap = np.concatenate(gaps) if gaps else np.zeros(0)
    return float(np.mean(np.expm1(-gap) + gap)) if gap.size else 0.0


def _scorable(row: Row) -> Row:
    return row if row.temperature else replace(row, temperature=1.0)


def _told(row: Row, model: LocalModel, prompt: Mapping[str, str]) -> Row:
    if not any(span.variable in prompt for span in row.spans):
        return row
    ids: list[int] = []
    spans: list[PromptSpan] = []
    begin = 0
    for span in row.spans:
        ids += row.prompt_ids[begin : span.start].tolist()
        start, begin = len(ids), span.end
        old = row.prompt_ids[span.start : span.end].tolist()
        text = prompt.get(span.variable)
        if text is not None:
            whole = text_hash(model.template.decode(old)) == span.version  # else the template strips it
            ids += model.template.encode(text if whole else text.strip())
        else:
            ids += old
        version = span.version if text is None else text_hash(text)
        spans.append(PromptSpan(start, len(ids), span.variable, version))
    ids += row.prompt_ids[begin:].tolist()
    return replace(row, prompt_ids=np.array(ids, np.int32), spans=tuple(spans))
