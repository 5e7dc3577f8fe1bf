"""A learner's checkpoint: one folder that is whole or not there.

    numeric/
        state.json               cursor, baselines, random states, settings of the optimizers, hashes of all files
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


def save(folder: Path, model: LocalModel, descents: Mapping[str, Descent], state: Mapping[str, Any]) -> None:
    """Write a checkpoint into `folder`, in place of the one that is there.

    Args:
        folder: where it belongs.
        model: holds the adapters.
        descents: the optimizer of each adapter.
        state: what else the learner needs, as JSON-like values.
    """
    folder.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{NAME}.", suffix=".part", dir=folder))
    for name in descents:
        model.save_adapter(name, fresh / "adapters" / name)
    moments = {f"{name}/{key}": value for name, one in descents.items() for key, value in _moments(one).items()}
    write_bytes(fresh / "optimizer.safetensors", dump_tensors(moments))
    write_bytes(fresh / "random.safetensors", dump_tensors(_torch_states()))
    files = sorted(path for path in fresh.rglob("*") if path.is_file())
    whole = {
        "schema": SCHEMA_VERSION,
        "adapters": {name: model.adapter(name).version for name in descents},
        "learner": dict(state),
        "python_random": random.getstate(),
        "numpy_random": _numpy_state(),
        "files": {path.relative_to(fresh).as_posix(): _hash(path) for path in files},
    }
    write_json(fresh / "state.json", whole, indent=None)
    _put(fresh, folder / NAME)


def load(folder: Path, model: LocalModel, descents: Mapping[str, Descent]) -> dict[str, Any]:
    """Restore adapters, optimizers and random states; returns the learner's own state.

    Raises:
        FileFormatError: there is no checkpoint, it is damaged, or it is of other adapters; nothing was changed.
    """
    place = _place(folder)
    whole = _checked(place, descents)
    moments = parse_tensors((place / "optimizer.safetensors").read_bytes())
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


def _checked(place: Path, descents: Mapping[str, Descent]) -> dict[str, Any]:
    """The state of a checkpoint all of whose files are those that were written."""
    path = place / "state.json"
    whole: Any = read_json(path, what="learner checkpoint", max_bytes=100_000_000)
    if not isinstance(whole, dict) or whole.get("schema") != SCHEMA_VERSION:
        raise FileFormatError(f"learner checkpoint {path} is not of schema {SCHEMA_VERSION}; save it again")
    for name, digest in whole["files"].items():
        file = place / name
        if not file.is_file() or _hash(file) != digest:
            found = (
                f"has {file.stat().st_size} bytes that are not those" if file.is_file() else "is missing, one of those"
            )
            raise FileFormatError(
                f"learner checkpoint {place}: {name} {found} that were saved; nothing was loaded: restore it from a "
                "copy or go on from an earlier checkpoint"
            )
    if whole["adapters"].keys() != descents.keys():
        raise FileFormatError(
            f"learner checkpoint {place} holds the adapters {sorted(whole['adapters'])}, and {sorted(descents)} are "
            "trained here; give the learner the same adapters"
        )
    return whole


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
