"""How a built-in model is made: its shape and its training. Equal recipes share one cache folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final

from textgrad_agents.errors import ConfigError
from textgrad_agents.seeds import text_hash

_FORM: Final = 1  # raise it when data, tokenizer or training change, so that older models are not taken for new ones


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the weights.

    Attributes:
        name: what the model is called.
        width: of the residual stream.
        layers: decoder blocks.
        heads: attention heads.
        hidden: width inside each feed-forward part.
        spread: standard deviation of the first weights.
        positions: tokens of the longest sequence.
        steps: updates.
        batch: sequences per update.
        rate: highest learning rate, reached after `warmup` updates, then falling along a cosine to a tenth.
        warmup: updates with a rising rate.
        prompt_weight: weight of a prompt token in the loss, beside 1 for a token of the reply.
        seed: of weights and data.
    """

    name: str = "tiny"
    width: int = 64
    layers: int = 2
    heads: int = 2
    hidden: int = 168
    spread: float = 0.08
    positions: int = 512
    steps: int = 1800
    batch: int = 32
    rate: float = 5e-3
    warmup: int = 50
    prompt_weight: float = 0.1
    seed: int = 0

    @property
    def key(self) -> str:
        """Content hash of the recipe (16 hex digits)."""
        return text_hash(json.dumps([_FORM, asdict(self)]))


TINY: Final = Recipe()
RECIPES: Final[Mapping[str, Recipe]] = {
    "tiny": TINY,
    "small": replace(TINY, name="small", width=128, layers=4, heads=4, hidden=344, spread=0.06, steps=3000, rate=3e-3),
}


def recipe_of(kind: str | Recipe) -> Recipe:
    """The recipe of a built-in model.

    Raises:
        ConfigError: there is no model of this name.
    """
    if isinstance(kind, Recipe):
        return kind
    if kind not in RECIPES:
        raise ConfigError(f"the built-in models are {', '.join(RECIPES)}, not {kind!r}; for others give a folder")
    return RECIPES[kind]
