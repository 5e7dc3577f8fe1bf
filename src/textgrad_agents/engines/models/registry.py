"""Model names and files into `LLMConfig`s and back; the table behind ``--list_models``; notices of models that end."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, cast

from textgrad_agents.engines.models.config import LLMConfig
from textgrad_agents.engines.models.presets import PRESETS, Preset
from textgrad_agents.engines.models.pricing import price_of
from textgrad_agents.errors import ConfigError, FileFormatError
from textgrad_agents.files import read_json, write_json

NOTICE_DAYS = 90


def list_available_models() -> list[str]:
    """The names that `get_llm_config` knows."""
    return list(PRESETS)


def get_llm_config(
    name_or_path: str | Path, *, base_url: str | None = None, api_key_env_var: str | None = None
) -> LLMConfig:
    """The config of a known model, of a model in this process, or the one in a JSON file.

    Args:
        name_or_path: a name of `list_available_models`; ``local:`` and a model's folder; the path of a JSON file; or
            with a `base_url` any model's name.
        base_url: another server to ask.
        api_key_env_var: another environment variable with the key.

    Raises:
        ConfigError: no such model, or a field cannot be used.
        FileFormatError: the file is missing or damaged.
    """
    changes = {"base_url": base_url, "api_key_env_var": api_key_env_var}
    given = {name: value for name, value in changes.items() if value is not None}
    name = str(name_or_path)
    if name in PRESETS and not isinstance(name_or_path, Path):
        config = PRESETS[name].config()
    elif name.startswith("local:") and base_url is None:
        return LLMConfig(name=name, model_string=name, api_key_env_var=None)
    elif isinstance(name_or_path, Path) or name.endswith(".json") or (base_url is None and os.sep in name):
        config = _read(Path(name_or_path))
    elif base_url is not None:
        return LLMConfig.from_dict({"name": name, "model_string": name} | given)
    else:
        raise ConfigError(_unknown(name))
    return config.replaced(**given) if given else config


def save_llm_config(config: LLMConfig, path: str | Path) -> None:
    """Write `config` as JSON, without the key."""
    write_json(Path(path), config.to_dict())


def retirement_notice(config: LLMConfig, today: date) -> str | None:
    """What to tell a user whose model has ended, ends within 90 days, or may be gone; None if nothing is known."""
    preset = _preset_of(config)
    if preset is None or preset.successor is None:
        return None
    model, provider, last_day = preset.model_string, preset.provider.name, preset.retires_on
    way_out = f"its successor here is {preset.successor!r}"
    if last_day is None:
        return f"{provider} may no longer serve {model}; {way_out}"
    days = (last_day - today).days
    if days < 0:
        return f"{provider} ended {model} on {last_day}; {way_out}"
    return f"{provider} ends {model} on {last_day}, in {days} days; {way_out}" if days <= NOTICE_DAYS else None


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One line of the table of models. Prices are USD per million tokens, None if unknown."""

    name: str
    model_string: str
    provider: str
    input_price: float | None
    output_price: float | None
    retires_on: date | None
    successor: str | None
    key_variable: str | None
    key_present: bool | None


def model_table() -> list[ModelRow]:
    """All known models. `key_present` is None where no key is needed."""
    return [_row(preset) for preset in PRESETS.values()]


def _row(preset: Preset) -> ModelRow:
    price, variable = price_of(preset.config()), preset.provider.key_variable
    return ModelRow(
        name=preset.name,
        model_string=preset.model_string,
        provider=preset.provider.name,
        input_price=price.input_per_million if price else None,
        output_price=price.output_per_million if price else None,
        retires_on=preset.retires_on,
        successor=preset.successor,
        key_variable=variable,
        key_present=bool(os.environ.get(variable, "").strip()) if variable else None,
    )


def _preset_of(config: LLMConfig) -> Preset | None:
    """The preset of the model that `config` asks for, whatever name it goes by."""
    return next(
        (
            one
            for one in PRESETS.values()
            if one.model_string == config.model_string and one.provider is config.provider
        ),
        None,
    )


def _read(path: Path) -> LLMConfig:
    fields: Any = read_json(path, what="LLM config file")
    if not isinstance(fields, dict):
        raise FileFormatError(f"LLM config file {path} must hold one JSON object")
    try:
        return LLMConfig.from_dict(cast("dict[str, Any]", fields))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _unknown(name: str) -> str:
    names = {preset.model_string: preset.name for preset in PRESETS.values()} | {name: name for name in PRESETS}
    near = list(dict.fromkeys(names[each] for each in difflib.get_close_matches(name, names, n=5, cutoff=0.5)))
    hint = f"the nearest names are {', '.join(near[:3])}" if near else "--list_models shows the known names"
    return (
        f"no model is known as {name!r}; {hint}; for any other model give a JSON file with --llm_config, "
        "or its server with --base_url"
    )
