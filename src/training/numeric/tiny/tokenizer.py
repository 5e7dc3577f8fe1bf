"""The tokenizer of the built-in models: one token per character, small letters only, and the marks of a chat."""

from __future__ import annotations

import string
from typing import Final

from transformers import PreTrainedTokenizerFast

CHARACTERS: Final = f"\n {string.ascii_lowercase}{string.digits}.,?!:;'\"+-*/=#()%$&<>_|[]^"
PAD, END, UNKNOWN = "<|pad|>", "<|end|>", "<|unknown|>"
ROLES: Final = tuple(f"<|{role}|>" for role in ("system", "user", "assistant", "tool"))

_TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ '<|end|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def make_tokenizer(positions: int) -> PreTrainedTokenizerFast:
    """The tokenizer; a reply ends with ``<|end|>``."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    special = [PAD, END, UNKNOWN, *ROLES]
    vocabulary = {token: index for index, token in enumerate([*special, *CHARACTERS])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    backend.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token=PAD,
        eos_token=END,
        unk_token=UNKNOWN,
        additional_special_tokens=list(ROLES),
        chat_template=_TEMPLATE,
        model_max_length=positions,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
