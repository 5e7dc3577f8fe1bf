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

_PISTONBALL_WEIGHTS = {
    "returns": "to_go",
    "discount": 0.95,
    "baseline": "leave_one_out",
    "eps_high": 0.2,
    "entropy": 0.1,
}
"""A decision is compared with those of the same cycle in episodes of the same start."""

_PISTONBALL: Settings = {
    "num_iterations": 30,
    "trajectories_per_iteration": 16,
    "decision_interval": 4,
    "exploration": 1.0,
    "concurrency": 512,
    "save_gif": False,
}


def with_defaults(settings: Settings) -> dict[str, Any]:
    """`settings` with what a run of a local model wants where they say nothing.

    Args:
        settings: as given, by flat name; `environment` and `base_model` decide.
    """
    model, game = settings.get("base_model"), settings.get("environment", "pistonball")
    if model is None or game not in ("math", "pistonball"):
        return dict(settings)
    suited, numeric = (_math if game == "math" else _pistonball)(settings, built_in=model in BUILT_IN_MODELS)
    joined = _joined(numeric, settings.get("numeric", {}))
    return {**suited, **settings, **({"numeric": joined} if joined else {})}


def chosen(given: Settings, settings: Settings) -> list[str]:
    """What `with_defaults` made of `given`, in a line for people; none if it added nothing."""
    added = {name: value for name, value in settings.items() if name not in (*given, "numeric")}
    suited, own = settings.get("numeric", {}), _joined({}, given.get("numeric", {}))
    if isinstance(suited, Mapping):
        weights = {name: value for name, value in cast("Settings", suited).items() if name not in own}
        added |= {"numeric": json.dumps(weights)} if weights else {}
    if not added:
        return []
    told = ", ".join(f"{name} {value}" for name, value in added.items())
    return [f"chosen for {settings['base_model']} (a flag replaces each): {told}"]


def _math(settings: Settings, *, built_in: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings of the run, and of the learner of weights."""
    suited, numeric = dict(_MATH), dict(_MATH_WEIGHTS)
    if built_in:
        from training.numeric.tiny.data import START, WORDS

        suited |= {"prompts": "bare", "first_policy": START, "policy_words": WORDS, "num_iterations": 12}
        numeric |= {"max_tokens": 32, "lr": 1.5e-3}
        if settings.get("problems", "short") == "short":
            suited |= {"options": {"family": "mixed"}}
    return suited, numeric


def _pistonball(settings: Settings, *, built_in: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same; a model that acts and does not learn weights plays as any other."""
    suited, numeric = dict(_PISTONBALL), dict(_PISTONBALL_WEIGHTS)
    episodes = settings.get("trajectories_per_iteration", suited["trajectories_per_iteration"])
    alike = settings.get("siblings") or next(n for n in (4, 3, 2, episodes) if episodes % n == 0)
    suited |= {"siblings": alike, "mini_batch_size": episodes if episodes % (2 * alike) else episodes // 2}
    if built_in:
        suited |= {"update": "weights", "observation": "compact", "prompts": "bare", "first_policy": "."}
        numeric |= {"max_tokens": 1, "lr": 3e-3}
    elif settings.get("update", "text") == "text":
        return {}, {}
    return suited, numeric


def _joined(suited: Mapping[str, Any], given: Any) -> Any:
    """Settings of the learner, those given winning. What is no JSON object is left to the config, which says so."""
    try:
        value: Any = json.loads(given) if isinstance(given, str) else given
    except ValueError:
        return given
    return {**suited, **cast("Mapping[str, Any]", value)} if isinstance(value, Mapping) else given
