"""LoRA adapters: their settings, their weights, and the folders they are kept in.

A folder holds what peft and vLLM read: ``adapter_config.json`` and ``adapter_model.safetensors``. The header of the
weights also says the hash of the base model and of the weights themselves, and the version.
"""

# The types that peft and safetensors leave open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import peft
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from textgrad_agents.engines.local.hashing import adapter_hash
from textgrad_agents.errors import ConfigError, FileFormatError
from textgrad_agents.files import read_json, write_bytes, write_json
from textgrad_agents.interfaces import Adapter

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"

_LORA = re.compile(r"\.lora_(?:A|B|embedding_A|embedding_B)\.([A-Za-z0-9_-]+)(?:\.|$)")


@dataclass(frozen=True, slots=True)
class StoredAdapter:
    """An adapter as a folder holds it; `base` is "" where it does not say."""

    config: peft.LoraConfig
    tensors: dict[str, torch.Tensor]
    base: str
    version: int


def lora_config(rank: int, alpha: int, targets: str | Sequence[str]) -> peft.LoraConfig:
    """Settings of a LoRA adapter for a causal model, without dropout.

    Raises:
        ConfigError: the rank is not positive.
    """
    if rank < 1:
        raise ConfigError(f"the rank of an adapter is at least 1, got {rank}")
    modules = targets if isinstance(targets, str) else list(targets)
    return peft.LoraConfig(r=rank, lora_alpha=alpha, target_modules=modules, lora_dropout=0.0, task_type="CAUSAL_LM")


def is_name(name: str) -> bool:
    """True if an adapter may have this name; peft confuses names with parts of its own ones."""
    return re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name) is not None and name not in "lora_ weight base_layer"


def is_lora(parameter: str) -> bool:
    """True for the name of an adapter's parameter."""
    return _LORA.search(parameter) is not None


def belongs(parameter: str, name: str) -> bool:
    """True for the name of a parameter of the adapter `name`."""
    found = _LORA.search(parameter)
    return found is not None and found.group(1) == name


def weights(module: Any, name: str) -> list[tuple[str, torch.Tensor]]:
    """The weights of an adapter under the names of its file."""
    state: dict[str, torch.Tensor] = peft.get_peft_model_state_dict(
        module, adapter_name=name, save_embedding_layers=False
    )
    return sorted(state.items())


def write(module: Any, handle: Adapter, folder: Path, *, base_name: str) -> None:
    """Write an adapter into `folder`, the weights last; each file is whole or not there."""
    tensors = {
        key: tensor.detach().to("cpu", torch.float32).contiguous() for key, tensor in weights(module, handle.name)
    }
    told = {"format": "pt", "base": handle.base, "sha256": handle.sha256, "version": str(handle.version)}
    config: dict[str, Any] = module.peft_config[handle.name].to_dict()
    config["base_model_name_or_path"] = base_name
    config["inference_mode"] = True
    plain = {key: sorted(value) if isinstance(value, set) else value for key, value in config.items()}
    write_json(folder / CONFIG, plain)
    write_bytes(folder / WEIGHTS, _in_order(save(tensors, metadata=told)))


def _in_order(data: bytes) -> bytes:
    """A safetensors file with the metadata of its header sorted, which are else in any order: equal files are equal."""
    length = int.from_bytes(data[:8], "little")
    header: dict[str, Any] = json.loads(data[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def read(folder: Path) -> StoredAdapter:
    """What a folder holds.

    Raises:
        FileFormatError: it holds no adapter, a damaged one, one that is no LoRA, or a pickle.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        pickled = "; pickles (adapter_model.bin) are not read" if (folder / "adapter_model.bin").exists() else ""
        raise FileFormatError(f"there is no adapter in {folder}: {WEIGHTS} is missing{pickled}; save it again")
    settings = read_json(folder / CONFIG, what="adapter config")
    if not isinstance(settings, dict) or settings.get("peft_type") != "LORA":
        raise FileFormatError(f"adapter config {folder / CONFIG} is not that of a LoRA adapter; only those are read")
    known = peft.LoraConfig.__dataclass_fields__.keys() - {"base_model_name_or_path", "runtime_config"}
    config = peft.LoraConfig(**{key: value for key, value in settings.items() if key in known})
    try:
        with safe_open(path, framework="pt") as file:
            told: dict[str, str] = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (it is no dict)
    except (SafetensorError, OSError) as error:
        raise FileFormatError(f"adapter weights {path} are damaged ({error}); restore them from a copy") from None
    if "sha256" in told and told["sha256"] != adapter_hash(tensors.items()):
        raise FileFormatError(f"adapter weights {path} are not those that were saved; restore them from a copy")
    return StoredAdapter(config, tensors, told.get("base", ""), int(told.get("version", "0")))


def put(module: Any, name: str, stored: StoredAdapter) -> None:
    """Replace the weights of the adapter `name`.

    Raises:
        ConfigError: they have other names or shapes.
    """
    own: peft.LoraConfig = module.peft_config[name]
    if own.lora_alpha * stored.config.r != stored.config.lora_alpha * own.r:
        raise ConfigError(
            f"the stored adapter is scaled by {stored.config.lora_alpha}/{stored.config.r} and {name!r} by "
            f"{own.lora_alpha}/{own.r}; load it under a new name"
        )
    present = dict(weights(module, name))
    wrong = [
        key for key in present.keys() | stored.tensors.keys() if not _fits(present.get(key), stored.tensors.get(key))
    ]
    if wrong:
        raise ConfigError(
            f"the stored adapter does not fit {name!r}: {len(wrong)} of its tensors have other names or shapes "
            f"({min(wrong)}); load it under a new name, for the model it was trained on"
        )
    peft.set_peft_model_state_dict(module, stored.tensors, adapter_name=name)


def _fits(present: torch.Tensor | None, given: torch.Tensor | None) -> bool:
    return present is not None and given is not None and present.shape == given.shape
