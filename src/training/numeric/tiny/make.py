"""Supervised training of a built-in model from nothing, on one core.

AdamW with a warm-up and a cosine, cross-entropy on the next token.
"""

# The types that torch and transformers leave open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import math
import random
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

from textgrad_agents.seeds import derive_seed
from training.numeric.tiny.data import Example, draw_example
from training.numeric.tiny.recipe import Recipe
from training.numeric.tiny.tokenizer import END, make_tokenizer

_BETAS = (0.9, 0.95)
_LARGEST_GRADIENT = 1.0

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def make_model(recipe: Recipe, folder: Path, told: Callable[[int], None]) -> None:
    """Train a model by `recipe` and write it, with its tokenizer, into `folder`.

    Deterministic on one machine; threads and the random state of the process are put back.

    Args:
        recipe: its shape and training.
        folder: an empty folder.
        told: called with the number of updates made so far.
    """
    tokenizer = make_tokenizer(recipe.positions)
    with _one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed("built-in model", recipe.seed))
        model = LlamaForCausalLM(_config(recipe, tokenizer))
        _train(model, recipe, _batches(recipe, tokenizer), told)
    _save(model, folder)
    tokenizer.save_pretrained(folder)


def _config(recipe: Recipe, tokenizer: Any) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=recipe.width,
        intermediate_size=recipe.hidden,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        initializer_range=recipe.spread,
        max_position_embeddings=recipe.positions,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        dtype="float32",
    )


def _save(model: Any, folder: Path) -> None:
    """Write a model as `save_pretrained` does, which would draw a progress bar."""
    tied = model.get_output_embeddings().weight  # is that of the input, and is written once
    weights = {name: value for name, value in model.state_dict().items() if value.data_ptr() != tied.data_ptr()}
    weights["model.embed_tokens.weight"] = tied.detach()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)


def _train(model: Any, recipe: Recipe, batches: Iterator[Batch], told: Callable[[int], None]) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.rate, betas=_BETAS, foreach=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, recipe))
    model.train()
    for step in range(recipe.steps):
        ids_BT, attended_BT, weights_BT = next(batches)
        logits_BTV = model(input_ids=ids_BT, attention_mask=attended_BT, use_cache=False).logits
        losses = torch.nn.functional.cross_entropy(
            logits_BTV[:, :-1].flatten(0, 1), ids_BT[:, 1:].flatten(), reduction="none"
        )
        wanted = weights_BT[:, 1:].flatten()
        loss = (losses * wanted).sum() / wanted.sum()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), _LARGEST_GRADIENT)
        optimizer.step()
        schedule.step()
        told(step + 1)


def _rate(step: int, recipe: Recipe) -> float:
    """The learning rate of an update, as a part of the highest."""
    if step < recipe.warmup:
        return (step + 1) / recipe.warmup
    done = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return 0.1 + 0.45 * (1 + math.cos(math.pi * done))


def _batches(recipe: Recipe, tokenizer: Any) -> Iterator[Batch]:
    chance = random.Random(derive_seed("built-in data", recipe.seed))
    pad: int = tokenizer.pad_token_id
    while True:
        rows = [_tokens(draw_example(chance), tokenizer) for _ in range(recipe.batch)]
        yield _collate(rows, recipe.prompt_weight, pad)


def _tokens(example: Example, tokenizer: Any) -> tuple[list[int], int]:
    """Token ids of a whole chat, and how many of them are the prompt."""
    chat = [{"role": "system", "content": example.prompt}, {"role": "user", "content": example.task}]
    prompt: Any = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    before: list[int] = tokenizer.encode(prompt, add_special_tokens=False)
    return before + tokenizer.encode(example.reply + END, add_special_tokens=False), len(before)


def _collate(rows: list[tuple[list[int], int]], prompt_weight: float, pad: int) -> Batch:
    length = max(len(ids) for ids, _ in rows)
    ids_BT = torch.full((len(rows), length), pad)
    weights_BT = torch.zeros(len(rows), length)
    for row, (ids, prompt) in enumerate(rows):
        ids_BT[row, : len(ids)] = torch.tensor(ids)
        weights_BT[row, :prompt] = prompt_weight
        weights_BT[row, prompt : len(ids)] = 1.0
    return ids_BT, (weights_BT > 0).long(), weights_BT


@contextmanager
def _one_thread() -> Generator[None, None, None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
