"""TRL's GRPO loss as an oracle: its own `_compute_loss` on given tensors.

Import it after `pytest.importorskip("trl")`; it is a test's oracle and no dependency.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.numeric.rows import Row


def make_trainer(folder: Path, module: Any, tokenizer: Any, **settings: Any) -> Any:
    """A GRPOTrainer of a copy of `module`, with its randomness and its devices out of the way."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from datasets import Dataset
        from transformers.utils.logging import disable_progress_bar
        from trl import GRPOConfig, GRPOTrainer

        disable_progress_bar()
        module.save_pretrained(folder / "model")
        tokenizer.save_pretrained(folder / "model")
        logging.getLogger("trl").setLevel(logging.ERROR)
        config = GRPOConfig(
            output_dir=str(folder / "out"),
            per_device_train_batch_size=2,
            num_generations=2,
            gradient_accumulation_steps=1,
            use_cpu=True,
            bf16=False,
            report_to=[],
            disable_tqdm=True,
            disable_dropout=True,
            **settings,
        )
        trainer = GRPOTrainer(
            model=str(folder / "model"),
            reward_funcs=lambda completions, **_: [0.0] * len(completions),
            args=config,
            train_dataset=Dataset.from_dict({"prompt": ["a", "b"]}),
        )
    trainer.current_gradient_accumulation_steps = 1
    trainer.model.to(module.dtype)
    trainer.model.load_state_dict(module.state_dict())
    trainer.model.train()
    return trainer


def inputs_of(rows: Sequence[Row], reference: Sequence[np.ndarray] | None = None) -> dict[str, Any]:
    """Rows as TRL lays them out: prompts padded on the left, completions on the right."""
    prompts, prompt_mask = _pad([row.prompt_ids for row in rows], left=True)
    completions, completion_mask = _pad([row.action_ids for row in rows])
    tools, _ = _pad([row.mask.astype(np.int64) for row in rows])
    old, _ = _pad([row.sampler_logprobs for row in rows])
    inputs: dict[str, Any] = {
        "prompt_ids": prompts.long(),
        "prompt_mask": prompt_mask,
        "completion_ids": completions.long(),
        "completion_mask": completion_mask,
        "tool_mask": tools.long(),
        "advantages": torch.tensor([row.advantage for row in rows]),
        "old_per_token_logps": old,
        "num_items_in_batch": torch.tensor(float(sum(row.mask.sum() for row in rows))),
    }
    if reference is not None:
        inputs["ref_per_token_logps"] = _pad(reference)[0]
    return inputs


def loss_of(trainer: Any, inputs: Mapping[str, Any]) -> torch.Tensor:
    """TRL's loss, with its gradient in the trainer's model."""
    trainer.model.zero_grad()
    loss = trainer._compute_loss(trainer.model, dict(inputs))
    loss.backward()
    return loss.detach()


def _pad(arrays: Sequence[np.ndarray], *, left: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(map(len, arrays))
    values = np.zeros((len(arrays), width), arrays[0].dtype)
    mask = np.zeros((len(arrays), width), np.int64)
    for row, array in enumerate(arrays):
        place = slice(width - len(array), width) if left else slice(0, len(array))
        values[row, place], mask[row, place] = array, 1
    return torch.from_numpy(values), torch.from_numpy(mask)
