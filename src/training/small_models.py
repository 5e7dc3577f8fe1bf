"""Settings that suit a model of this machine, for those that a script's user did not give.

They are settings like all others: what is chosen here stands in the run's `config.json`, and a flag replaces it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from training.config import BUILT_IN_MODELS

Settings = Mapping[str, Any]

_MATH_WEIGHTS = {"returns": "to_go", "discount": 0.0, "updates_per_batch": 1}
"""Each problem is credited with its own answer."""

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
    if model is None or settings.get("environment") != "math":
        return dict(settings)
    suited, numeric = dict(_MATH), dict(_MATH_WEIGHTS)
    if model in BUILT_IN_MODELS:
        from training.numeric.tiny.data import START, WORDS

        suited |= {"prompts": "bare", "first_policy": START, "policy_words": WORDS, "num_iterations": 12}
        numeric |= {"max_tokens": 32, "lr": 1.5e-3}
        if settings.get("problems", "short") == "short":
            suited |= {"options": {"family": "mixed"}}
    return {**suited, **settings, "numeric": _joined(numeric, settings.get("numeric", {}))}


def _joined(suited: Mapping[str, Any], given: Any) -> Any:
    """Settings of the learner, those given winning. What is no JSON object is left to the config, which says so."""
    try:
        value: Any = json.loads(given) if isinstance(given, str) else given
    except ValueError:
        return given
    return {**suited, **cast("Mapping[str, Any]", value)} if isinstance(value, Mapping) else given
