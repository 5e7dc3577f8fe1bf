"""How rows are laid out changes nothing: padding, packing, shared prompts, accumulation, order, dead rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from local_models import tiny_module
from numeric_rows import NoScores, distance, double_module, flat_gradient, make_rows

from textgrad_agents.errors import ConfigError
from training.numeric.algorithms import ALGORITHMS
from training.numeric.batch import micro_batches, step_loss
from training.numeric.components import Weights
from training.numeric.forward import Forward
from training.numeric.prefix import bins, lay_out, length
from training.numeric.rows import Row
from training.numeric_config import NumericConfig

LAYOUTS: list[dict[str, Any]] = [
    {"layout": "padded", "token_budget": 10_000},
    {"layout": "padded", "token_budget": 25},
    {"layout": "packed", "token_budget": 40},
    {"layout": "shared", "token_budget": 10_000},
    {"layout": "shared", "token_budget": 30},
]


def gradient(
    module: Any, rows: Sequence[Row], config: NumericConfig, weights: Weights | None = None, *, live: bool = True
) -> torch.Tensor:
    """The gradient of a whole step, DAPO's weights unless others are given."""
    algorithm = ALGORITHMS["dapo"]
    weights = weights or algorithm.fill(rows, config, NoScores())
    module.zero_grad()
    forward = Forward(module)
    with forward.recomputing(config.gradient_checkpointing):
        for batch in micro_batches(rows, weights.live(len(rows)) if live else range(len(rows)), config, forward):
            step_loss(batch.logprobs(forward), batch, weights, algorithm, config).backward()
    return flat_gradient(module)


def alone(module: Any, rows: Sequence[Row]) -> list[np.ndarray]:
    """Log-probabilities of each row by itself, straight from the model."""
    found = []
    for row in rows:
        ids = torch.tensor(np.concatenate([row.prompt_ids, row.action_ids])).long()[None]
        table = torch.log_softmax(module(ids).logits[0, :-1] / row.temperature, -1)
        chosen = table[len(row.prompt_ids) - 1 :].gather(1, ids[0, len(row.prompt_ids) :, None])[:, 0]
        found.append(np.where(row.mask, chosen.detach().numpy(), 0))
    return found


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
@pytest.mark.parametrize("how", LAYOUTS, ids=str)
def test_log_probabilities_are_those_of_each_row_by_itself(kind: str, how: dict[str, Any]) -> None:
    module, rows = double_module(kind), make_rows()
    forward = Forward(module)
    for batch in micro_batches(rows, range(len(rows)), NumericConfig(**how), forward):
        found = batch.logprobs(forward).detach().numpy()
        for b, index in enumerate(batch.rows):
            expected = alone(module, [rows[index]])[0]
            np.testing.assert_allclose(found[b, : len(expected)], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("how", LAYOUTS[1:], ids=str)
def test_every_layout_and_accumulation_has_the_same_gradient(how: dict[str, Any]) -> None:
    module, rows = double_module(), make_rows()
    whole = gradient(module, rows, NumericConfig(**LAYOUTS[0]))
    assert distance(gradient(module, rows, NumericConfig(**how)), whole) < 1e-6  # norms are computed in float32


def test_recomputed_activations_give_the_same_gradient_and_leave_no_trace() -> None:
    module, rows = double_module(), make_rows()
    whole = gradient(module, rows, NumericConfig())
    again = gradient(module, rows, NumericConfig(gradient_checkpointing=True))
    assert distance(again, whole) < 1e-12
    assert not any(one.training or getattr(one, "gradient_checkpointing", False) for one in module.modules())


@given(st.permutations(range(12)))
@settings(max_examples=5, deadline=None)
def test_the_order_of_rows_changes_nothing(order: list[int]) -> None:
    module, rows = double_module(), make_rows()
    whole = gradient(module, rows, NumericConfig())
    assert distance(gradient(module, [rows[i] for i in order], NumericConfig()), whole) < 1e-10


def test_rows_without_advantage_are_skipped_exactly_and_still_counted() -> None:
    module, rows = double_module(), make_rows(dead=2)
    config = NumericConfig()
    weights = ALGORITHMS["dapo"].fill(rows, config, NoScores())
    assert weights.live(len(rows)) == (8, 9, 10, 11)
    assert weights.rl is not None
    assert weights.rl.denom == sum(int(row.mask.sum()) for row in rows)
    skipping = gradient(module, rows, config)
    assert distance(skipping, gradient(module, rows, config, live=False)) < 1e-10


def test_a_divergence_keeps_rows_without_advantage() -> None:
    rows = make_rows(dead=3)

    class Reference(NoScores):
        def reference(self) -> Any:
            return tuple(row.sampler_logprobs for row in rows)

    weights = ALGORITHMS["dapo"].fill(rows, NumericConfig(kl=0.1), Reference())
    assert weights.live(len(rows)) == tuple(range(12))


@pytest.mark.parametrize("name", ["reinforce", "rloo", "grpo", "dr_grpo", "dapo", "ppo", "cispo", "gspo"])
def test_entropy_flattens_the_policy_where_advantages_say_nothing(name: Any) -> None:
    module, rows = double_module(), [replace(row, advantage=0.0) for row in make_rows(holes=False)]
    config = NumericConfig(entropy=0.1)
    assert ALGORITHMS[name].fill(rows, NumericConfig(), NoScores()).entropy is None
    weights = ALGORITHMS[name].fill(rows, config, NoScores())
    assert weights.live(len(rows)) == tuple(range(12))
    forward = Forward(module)
    own = alone(module, rows)
    rows = [replace(row, sampler_logprobs=np.float32(one)) for row, one in zip(rows, own, strict=True)]
    (batch,) = micro_batches(rows, range(len(rows)), config, forward)
    logprobs_BT = batch.logprobs(forward).detach().requires_grad_()
    step_loss(logprobs_BT, batch, weights, ALGORITHMS[name], config).backward()
    assert logprobs_BT.grad is not None
    rare_BT = batch.mask_BT & (logprobs_BT.detach() < -1)  # below 1/e, where more probability is more entropy
    assert rare_BT.any()
    assert (logprobs_BT.grad[rare_BT] < 0).all()
    assert (logprobs_BT.grad[batch.mask_BT & ~rare_BT] >= 0).all()


def test_models_that_scale_their_logits_are_scored_through_their_own_head() -> None:
    module, rows = double_module(), make_rows(groups=1)

    def halved(*args: Any, original: Any = module.forward, **kwargs: Any) -> Any:
        output = original(*args, **kwargs)
        output.logits = output.logits / 2
        return output

    module.forward = halved
    forward = Forward(module)
    (batch,) = micro_batches(rows, range(len(rows)), NumericConfig(), forward)
    expected = alone(module, rows)
    found = batch.logprobs(forward).detach().numpy()
    for b, index in enumerate(batch.rows):
        np.testing.assert_allclose(found[b, : len(expected[index])], expected[index], rtol=1e-9, atol=1e-9)


def test_the_head_in_chunks_gives_the_same_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    module, rows = double_module(), make_rows()
    whole = gradient(module, rows, NumericConfig())
    monkeypatch.setattr("training.numeric.forward.CHUNK", 500)
    assert distance(gradient(module, rows, NumericConfig()), whole) < 1e-12


def test_a_prompt_is_computed_once_for_its_group() -> None:
    rows = make_rows(groups=2, members=4, prompt=20, action=3)
    (first, second) = bins(rows, range(len(rows)), "shared", 10_000, 10_000)
    assert {first, second} == {((0, 1, 2, 3),), ((4, 5, 6, 7),)}
    layout = lay_out(rows, [first, second])
    assert layout.input_ids_BL.shape == (2, max(length(rows, (0, 1, 2, 3)), length(rows, (4, 5, 6, 7))))


@given(st.integers(1, 80), st.sampled_from(["padded", "packed", "shared"]), st.integers(0, 500))
def test_bins_hold_every_row_once_and_keep_to_the_budget(budget: int, layout: Any, balance: int) -> None:
    rows = make_rows(groups=4, members=3)
    found = bins(rows, range(len(rows)), layout, budget, balance)
    assert sorted(i for one in found for tree in one for i in tree) == list(range(len(rows)))
    for one in found:
        size = sum(length(rows, tree) for tree in one)
        assert size <= budget or (len(one) == 1 and len(one[0]) == 1)


def test_windows_shorter_than_the_rows_are_refused_where_a_mask_would_replace_them() -> None:
    rows = make_rows(groups=1)
    module = tiny_module("qwen2", use_sliding_window=True, sliding_window=5, max_window_layers=0)
    forward = Forward(module)
    (shared,) = micro_batches(rows, range(len(rows)), NumericConfig(), forward)
    with pytest.raises(ConfigError, match=r"sees 5 tokens back and the rows are longer; set layout to 'padded'"):
        shared.logprobs(forward)
    (padded,) = micro_batches(rows, range(len(rows)), NumericConfig(layout="padded"), forward)
    found = padded.logprobs(forward).detach().numpy()
    for b, index in enumerate(padded.rows):
        (expected,) = alone(module, [rows[index]])
        np.testing.assert_allclose(found[b, : len(expected)], expected, rtol=1e-4, atol=1e-5)
    wide = tiny_module("qwen2", use_sliding_window=True, sliding_window=50, max_window_layers=0)
    assert torch.isfinite(shared.logprobs(Forward(wide))).all()
