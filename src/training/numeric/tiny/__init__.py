"""The built-in models `tiny` (0.1 M parameters) and `small` (0.8 M): real transformers models, made on this machine.

Nothing is downloaded: a script draws problems (`envs.math_tasks.short_problems`), trains the model on them from random
weights in about a minute, and keeps it in the user's cache. Words in its system message change how it answers, and so
do updates of its weights.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from textgrad_agents.errors import ConfigError
from training.numeric.tiny.cache import cache_folder, made
from training.numeric.tiny.data import START, WORDS
from training.numeric.tiny.recipe import RECIPES, Recipe, recipe_of

__all__ = ["RECIPES", "START", "WORDS", "Recipe", "cache_folder", "prompt_constraint", "tiny_model"]

_log = logging.getLogger(__name__)

Told = Callable[[int, int], None]


def tiny_model(kind: str | Recipe = "tiny", cache: str | Path | None = None, *, told: Told | None = None) -> Path:
    """The folder of a built-in model, made first if the cache does not have it.

    Args:
        kind: its name, "tiny" or "small", or a recipe.
        cache: the folder of all built-in models; None for that of the user (`cache_folder`).
        told: called with the updates made so far and their number.

    Raises:
        ConfigError: there is no such model, torch or transformers is not installed, or the cache cannot be written.
        FileFormatError: a file of the model was changed since it was made.
    """
    recipe = recipe_of(kind)
    return made(recipe, Path(cache) if cache else cache_folder(), partial(_make, recipe, told), partial(_wait, recipe))


def prompt_constraint() -> str:
    """What an optimizer has to know of a built-in model's prompt: the words it may be, not what they do."""
    return f"The prompt is exactly one of these words, with nothing before or after it: {', '.join(WORDS)}"


def _make(recipe: Recipe, told: Told | None, folder: Path) -> None:
    try:
        from training.numeric.tiny.make import make_model  # torch takes seconds to import; the cache may have the model
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"making the built-in model {recipe.name} needs {error.name}; install it: pip install 'textgrad-agents[rl]'"
        ) from None
    _log.info("making the built-in model %s: %d updates", recipe.name, recipe.steps)
    make_model(recipe, folder, lambda done: told(done, recipe.steps) if told else None)


def _wait(recipe: Recipe) -> None:
    _log.warning("another process is making the built-in model %s; waiting for it", recipe.name)
