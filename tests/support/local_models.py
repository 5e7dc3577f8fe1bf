"""Tiny models of random weights with a character tokenizer, for tests of what runs on real ones."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from textgrad_agents.engines.local import LocalModel

START, END, PAD = "<|start|>", "<|end|>", "<|pad|>"
CHAT_TEMPLATE = (
    "{% for message in messages %}<|start|>{{ message.role }}\n{{ message.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)
SHAPE: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 2048,
}


def character_tokenizer(chat_template: str | None = CHAT_TEMPLATE, *, characters: str = string.printable) -> Any:
    """A tokenizer of one token per character (printable ASCII), three special ones, and "unknown" for all else."""
    vocabulary = {token: index for index, token in enumerate([PAD, START, END, "<|unknown|>", *characters])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<|unknown|>"))
    inner.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    inner.decoder = decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token=PAD,
        eos_token=END,
        unk_token="<|unknown|>",
        additional_special_tokens=[START],
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = chat_template
    return tokenizer


def tiny_module(kind: str = "llama", *, seed: int = 0, dtype: torch.dtype = torch.float32, **shape: Any) -> Any:
    """A module of random weights; `kind` is ``llama`` or ``qwen2``. Its logits are spread as those of a trained one."""
    return _module(kind, character_tokenizer(), seed, dtype, shape)


def _module(kind: str, tokenizer: Any, seed: int, dtype: torch.dtype, shape: Mapping[str, Any]) -> Any:
    config_class, module_class = {
        "llama": (LlamaConfig, LlamaForCausalLM),
        "qwen2": (Qwen2Config, Qwen2ForCausalLM),
    }[kind]
    config = config_class(
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        tie_word_embeddings=False,
        initializer_range=0.2,
        **{**SHAPE, **shape},
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return module_class(config).to(dtype)


def tiny_model(kind: str = "llama", *, seed: int = 0, dtype: torch.dtype = torch.float32, **shape: Any) -> LocalModel:
    """A `LocalModel` of random weights, made anew at each call."""
    return LocalModel.of(tiny_module(kind, seed=seed, dtype=dtype, **shape), character_tokenizer(), name=f"tiny-{kind}")


def word_tokenizer(words: Sequence[str]) -> Any:
    """A tokenizer of one token per known word, four special ones, and "unknown" for all else."""
    vocabulary = {token: index for index, token in enumerate([PAD, START, END, "<|unknown|>", *words])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<|unknown|>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token=PAD,
        eos_token=END,
        unk_token="<|unknown|>",
        additional_special_tokens=[START],
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


LAMP_WORDS = ("0", "1", "2", "lamp", "left", "right", "keeper_0", "keeper_1")


def write_lamp_model(folder: Path, *, seed: int = 0) -> Path:
    """A model folder for `lamps`: of random weights, so every third or fourth of its one-token replies is an action."""
    tokenizer = word_tokenizer(LAMP_WORDS)
    _module("llama", tokenizer, seed, torch.float32, {}).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def write_piston_model(folder: Path, *, seed: int = 0) -> Path:
    """A model folder for compact observations of `pistonball`: of random weights, with few tokens but moves."""
    tokenizer = character_tokenizer(characters="+-0123456789?|:.dsu")
    _module("llama", tokenizer, seed, torch.float32, {}).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
