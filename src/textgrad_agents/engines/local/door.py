"""From a config to a local engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from textgrad_agents.engines.local.engine import LocalEngine
from textgrad_agents.engines.local.model import LocalModel
from textgrad_agents.engines.models import LLMConfig
from textgrad_agents.errors import ConfigError

_PARAMETERS = {"adapters", "device", "dtype", "max_batch"}
_OF_CALLS = ("top_p", "seed", "stop", "reasoning_effort")


def local_engine(config: LLMConfig) -> LocalEngine:
    """The engine of a config whose `model_string` is ``local:`` and a folder or the name of a model on the hub.

    `extra_params` may hold ``device``, ``dtype``, ``max_batch`` and ``adapters``, a list of folders; an adapter is
    known by its folder's name, and the first one answers where a call names none.

    Raises:
        ConfigError: a field cannot be used, or the model or an adapter cannot be loaded.
        FileFormatError: an adapter's folder is damaged.
    """
    extra: dict[str, Any] = dict(config.extra_params)
    if unknown := sorted(extra.keys() - _PARAMETERS):
        raise ConfigError(
            f"a local model takes no {', '.join(unknown)}; extra_params may hold {', '.join(sorted(_PARAMETERS))}"
        )
    if given := [name for name in _OF_CALLS if getattr(config, name)]:
        raise ConfigError(
            f"{', '.join(given)} of a local model are said with each call, not in its config; leave them out"
        )
    adapters = cast("list[object]", extra.get("adapters", []))
    if not isinstance(adapters, list) or not all(isinstance(folder, str) for folder in adapters):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(f"adapters is a list of folders, got {adapters!r}")
    model = LocalModel.load(
        config.local_source or "", device=str(extra.get("device", "auto")), dtype=str(extra.get("dtype", "auto"))
    )
    folders = [Path(str(folder)) for folder in adapters]
    names = [model.load_adapter(folder, folder.name).name for folder in folders]
    return LocalEngine(
        model,
        names[0] if names else None,
        max_batch=int(extra.get("max_batch", 64)),
        max_tokens=config.max_tokens,
        temperature=1.0 if config.temperature is None else config.temperature,
    )
