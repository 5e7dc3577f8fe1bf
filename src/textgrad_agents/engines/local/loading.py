"""Models and tokenizers from folders and from the hub: safetensors only, no foreign code, one clear error."""

# The types that transformers leaves open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from textgrad_agents.errors import ConfigError

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16, "float64": torch.float64}


def pick_device(name: str) -> torch.device:
    """The device of this name.

    Raises:
        ConfigError: there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise ConfigError(f"device {name!r} is not known; use auto, cpu, cuda or cuda:0")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device {name!r} was asked for and {torch.cuda.device_count()} CUDA devices are here "
            f"(torch {torch.__version__}); use cpu or auto, or install a torch built for CUDA on a machine that has one"
        )
    return device


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """The number format of this name.

    Raises:
        ConfigError: it is not known.
    """
    if name == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    if name not in _DTYPES:
        raise ConfigError(f"dtype {name!r} is not known; use auto, {', '.join(_DTYPES)}")
    return _DTYPES[name]


def load_module(source: str, device: torch.device, dtype: torch.dtype) -> torch.nn.Module:
    """The causal language model in a folder, or of a name on the hub.

    Raises:
        ConfigError: there is none, its weights are no safetensors, or it needs code of its own.
    """
    _check_folder(source)
    try:
        with _quiet():
            module: Any = AutoModelForCausalLM.from_pretrained(
                source, dtype=dtype, use_safetensors=True, trust_remote_code=False
            )
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"no model can be loaded from {source!r}: {_first_line(error)}; give a folder with config.json and "
            "safetensors weights of a causal model that transformers knows, or its name on the hub"
        ) from None
    return module.to(device)


def load_tokenizer(source: str) -> Any:
    """The tokenizer in a folder, or of a name on the hub.

    Raises:
        ConfigError: there is none, or it has no chat template.
    """
    _check_folder(source)
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ConfigError(
            f"no tokenizer can be loaded from {source!r}: {_first_line(error)}; give a folder with model and "
            "tokenizer (save_pretrained of both), or a name on the hub where it can be reached"
        ) from None
    if not tokenizer.chat_template:
        raise ConfigError(
            f"the tokenizer in {source!r} has no chat template, so messages cannot be put to this model; use the "
            "instruction-tuned variant, or write its template into chat_template.jinja beside tokenizer.json"
        )
    return tokenizer


@contextmanager
def _quiet() -> Generator[None]:
    """Without the library's bars on stderr: whoever loads a model says so in his own way."""
    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()


def _check_folder(source: str) -> None:
    """Say what is missing in a folder before a library guesses that a folder's name is one of the hub."""
    folder = Path(source).expanduser()
    if not folder.is_dir():
        if folder.is_absolute() or source.startswith((".", "~")) or source.count("/") > 1:
            raise ConfigError(f"there is no model folder {source!r}; give an existing folder or a name on the hub")
        return
    if not (folder / "config.json").is_file():
        raise ConfigError(f"{source!r} is no model folder: it has no config.json; save a model with save_pretrained")
    if not any(folder.glob("*.safetensors")):
        raise ConfigError(
            f"the model in {source!r} has no safetensors weights (pickles are not read); "
            "save it again with save_pretrained"
        )
    if not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json", "tokenizer.model")):
        raise ConfigError(
            f"the model in {source!r} has no tokenizer; save its tokenizer there with tokenizer.save_pretrained"
        )


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
