"""Settings that suit a model of this machine, for those that a script's user did not give.

They are settings like all others: what is chosen here stands in the run's `config.json`, and a flag replaces it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from training.config import BUILT_IN_MODELS

Settings = Mapping[str, Any]

_MATH_WEIGHTS = {"returns": "to_go", "discount": 0.0, "max_tokens": 512, "updates_per_batch": 1, "lr": 1e-4}
"""Each problem is credited with its own answer."""
_MATH_TINY_WEIGHTS = {**_MATH_WEIGHTS, "max_tokens": 32, "lr": 3e-3}

_MATH: Settings = {
    "siblings": 16,
    "trajectories_per_iteration": 32,
    "per_episode": 8,
    "exploration": 1.0,
    "gate": "mean",
    "gate_episodes": 16,
}


def with_defaults(settings: Settings) -> dict[str, Any]:
    """`settings` with what a run of a local model wants where they say nothing.

    Args:
        settings: as given, by flat name; `environment` and `base_model` decide.
    """
    model = settings.get("base_model")
    if model is None:
        return dict(settings)
    suited: dict[str, Any] = {}
    if settings.get("environment") == "math":
        suited = dict(_MATH) | {"numeric": _MATH_WEIGHTS}
        if model in BUILT_IN_MODELS:
            from training.numeric.tiny.data import START, WORDS

            suited |= {"prompts": "bare", "first_policy": START, "policy_words": WORDS, "problems": "short"}
            suited |= {"options": {"family": "shop"}, "numeric": _MATH_TINY_WEIGHTS, "num_iterations": 10}
    numeric = suited.get("numeric", {}) | _object(settings.get("numeric", {}))
    return {**suited, **settings, **({"numeric": numeric} if numeric else {})}


def _object(given: Any) -> dict[str, Any]:
    """Settings of the learner as they may be given: a JSON text, an object. What is neither is left to the config."""
    try:
        value: Any = json.loads(given) if isinstance(given, str) else given
    except ValueError:
        return {}
    return dict(cast("Mapping[str, Any]", value)) if isinstance(value, Mapping) else {}
