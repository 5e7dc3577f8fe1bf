"""A learner's checkpoint: one folder that is whole or not there.

    numeric/
        files.json               hashes of all other files
        state.json               cursor, baselines, random states
        optimizer.safetensors    moments of AdamW, by adapter and parameter
        random.safetensors       torch's random states
        adapters/<name>/         weights as peft and vLLM read them

It is written beside its place and renamed, and read whole and checked before anything is changed. Nothing is pickled.
"""

# The types that safetensors and torch leave open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load as parse_tensors
from safetensors.torch import save as dump_tensors

from textgrad_agents.engines.local import LocalModel
from textgrad_agents.errors import FileFormatError
from textgrad_agents.files import read_json, sync_folder, write_bytes, write_json
from training.numeric.descent import Descent

SCHEMA_VERSION = 1
NAME = "numeric"
MAX_BYTES = 100_000_000
_WAY_OUT = "nothing was loaded: restore it from a copy or go on from an earlier checkpoint"


def save(folder: Path, model: LocalModel, descents: Mapping[str, Descent], state: Mapping[str, Any]) -> None:
    """Write a checkpoint into `folder`, in place of the one that is there.

    Args:
        folder: where it belongs.
        model: holds the adapters.
        descents: the optimizer of each adapter.
        state: what else the learner needs, as JSON-like values.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for unfinished in folder.glob(f".{NAME}.*.new"):
        shutil.rmtree(unfinished)
    fresh = Path(tempfile.mkdtemp(prefix=f".{NAME}.", suffix=".new", dir=folder))
    for name in descents:
        model.save_adapter(name, fresh / "adapters" / name)
    moments = {f"{name}/{key}": value for name, one in descents.items() for key, value in _moments(one).items()}
    write_bytes(fresh / "optimizer.safetensors", dump_tensors(moments))
    write_bytes(fresh / "random.safetensors", dump_tensors(_torch_states()))
    whole = {
        "base": model.base_hash,
        "adapters": list(descents),
        "learner": dict(state),
        "python_random": random.getstate(),
        "numpy_random": _numpy_state(),
    }
    write_json(fresh / "state.json", whole, indent=None)
    files = sorted(path for path in fresh.rglob("*") if path.is_file())
    hashes = {path.relative_to(fresh).as_posix(): _hash(path) for path in files}
    write_json(fresh / "files.json", {"schema": SCHEMA_VERSION, "files": hashes})
    _put(fresh, folder / NAME)


def load(folder: Path, model: LocalModel, descents: Mapping[str, Descent]) -> dict[str, Any]:
    """Restore adapters, optimizers and random states; returns the learner's own state.

    Raises:
        FileFormatError: there is no checkpoint, it is damaged, or it is of other adapters; nothing was changed.
    """
    place = _place(folder)
    _check_files(place)
    whole: Any = read_json(place / "state.json", what="learner checkpoint", max_bytes=MAX_BYTES)
    moments = parse_tensors((place / "optimizer.safetensors").read_bytes())
    _check_adapters(place, whole, moments, model, descents)
    states = parse_tensors((place / "random.safetensors").read_bytes())
    for name, descent in descents.items():
        model.load_adapter(place / "adapters" / name, name)
        _restore(descent, {key: value for key, value in moments.items() if key.startswith(f"{name}/")})
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])
    version, internal, spare = whole["python_random"]
    random.setstate((version, tuple(internal), spare))
    kind, keys, *rest = whole["numpy_random"]
    np.random.set_state((kind, np.array(keys, np.uint32), *rest))
    return whole["learner"]


def _check_files(place: Path) -> None:
    """Raise FileFormatError unless all files are those that were written."""
    path = place / "files.json"
    told: Any = read_json(path, what="learner checkpoint", max_bytes=MAX_BYTES)
    if not isinstance(told, dict) or told.get("schema") != SCHEMA_VERSION or not isinstance(told.get("files"), dict):
        raise FileFormatError(f"learner checkpoint {path} is not of schema {SCHEMA_VERSION}; {_WAY_OUT}")
    for name, digest in told["files"].items():
        file = place / name
        if not file.is_file():
            raise FileFormatError(f"learner checkpoint {place}: {name} is missing; {_WAY_OUT}")
        if _hash(file) != digest:
            size = file.stat().st_size
            raise FileFormatError(
                f"learner checkpoint {place}: the {size} bytes of {name} are not those saved; {_WAY_OUT}"
            )


def _check_adapters(
    place: Path, whole: Any, moments: Mapping[str, torch.Tensor], model: LocalModel, descents: Mapping[str, Descent]
) -> None:
    """Raise FileFormatError unless the checkpoint is of these adapters on this model."""
    if whole["base"] != model.base_hash or sorted(whole["adapters"]) != sorted(descents):
        raise FileFormatError(
            f"learner checkpoint {place} holds the adapters {sorted(whole['adapters'])} of a base model with the hash "
            f"{whole['base'][:16]}, and {sorted(descents)} of one with {model.base_hash[:16]} are trained here; load "
            "the same model and adapters"
        )
    shapes = {f"{name}/{key}": value.shape for name, one in descents.items() for key, value in one.named.items()}
    for path, value in moments.items():
        key, kind = path.rsplit("/", 1)
        if kind != "step" and shapes.get(key) != value.shape:
            raise FileFormatError(
                f"learner checkpoint {place}: {key} has the shape {tuple(value.shape)} there and "
                f"{tuple(shapes.get(key, ()))} here; add the adapter with the rank and targets that it had"
            )


def _place(folder: Path) -> Path:
    """The checkpoint in `folder`: a save that was killed between its two renames left only the one before."""
    place, before = folder / NAME, folder / f".{NAME}.before"
    if not place.exists() and before.exists():
        return before
    return place


def _put(fresh: Path, place: Path) -> None:
    before = place.with_name(f".{NAME}.before")
    sync_folder(fresh)
    if place.exists():
        shutil.rmtree(before, ignore_errors=True)
        os.replace(place, before)
    os.replace(fresh, place)
    sync_folder(place.parent)
    shutil.rmtree(before, ignore_errors=True)


def _moments(descent: Descent) -> dict[str, torch.Tensor]:
    """AdamW's state by parameter name."""
    states = descent.optimizer.state
    return {
        f"{key}/{kind}": value.detach().cpu().contiguous()
        for key, parameter in descent.named.items()
        for kind, value in states.get(parameter, {}).items()
    }


def _restore(descent: Descent, moments: Mapping[str, torch.Tensor]) -> None:
    descent.optimizer.state.clear()
    for path, value in moments.items():
        key, kind = path.split("/", 1)[1].rsplit("/", 1)
        parameter = descent.named[key]
        on = value if kind == "step" else value.to(parameter.device)
        descent.optimizer.state[parameter][kind] = on


def _torch_states() -> dict[str, torch.Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def _numpy_state() -> list[Any]:
    kind, keys, *rest = np.random.get_state(legacy=True)
    return [kind, np.asarray(keys).tolist(), *rest]


def _hash(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()
