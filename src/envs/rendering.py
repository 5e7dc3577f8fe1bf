"""Snapshots of an environment, and an episode of them as files for a viewer."""

from __future__ import annotations

import importlib
import logging
import os
import shutil
import uuid
from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, Field, field_serializer, field_validator, model_validator

from textgrad_agents.errors import ConfigError
from textgrad_agents.files import write_json

logger = logging.getLogger(__name__)

_CREDENTIALS = ("CF_ACCOUNT_ID", "CF_ACCESS_KEY_ID", "CF_SECRET_ACCESS_KEY")


class Frame(BaseModel):
    """A snapshot at one step.

    Attributes:
        deepcopy: keep copies of `state` and `info`, so that later changes do not reach the frame.
        state: the state or a part of it: JSON-like, or a pydantic model.
        info: facts that do not vary with the state.
    """

    deepcopy: bool = True
    state: Any = None
    info: Any = None

    @field_validator("state", "info")
    @classmethod
    def _check(cls, value: Any) -> Any:
        if value is not None and not isinstance(value, dict | list | int | float | str | BaseModel):
            raise ValueError(f"must be a dict, list, number, text or pydantic model, not a {type(value).__name__}")
        return value  # pyright: ignore[reportUnknownVariableType]

    @model_validator(mode="after")
    def _copy(self) -> Self:
        if self.deepcopy:
            self.state, self.info = deepcopy(self.state), deepcopy(self.info)
        return self

    @field_serializer("state", "info")
    def _write(self, value: Any) -> Any:
        return value.model_dump() if isinstance(value, BaseModel) else value


class Renderer(BaseModel):
    """Frames of an episode, written as one JSON file per frame and a manifest.

    Attributes:
        id: identifier of the episode, part of every file name.
        frames: the frames so far.
        prefix: what file names begin with; letters and digits.
        name: what the manifest calls the episode.
    """

    id: uuid.UUID | int | str = Field(default_factory=lambda: uuid.uuid4().hex[:16])
    frames: list[Frame] = []
    prefix: str
    name: str = "Trajectory"

    @field_validator("prefix")
    @classmethod
    def _check_prefix(cls, prefix: str) -> str:
        if not prefix.isalnum():
            raise ValueError("Prefix must be an alphanumeric string")
        return prefix

    def append(self, frame: Frame) -> None:
        """Add the next frame."""
        self.frames.append(frame)

    def build(
        self,
        build_dir: str | os.PathLike[str],
        indent: int = 4,
        r2_bucket: str | None = None,
        extra_files: Iterable[str | os.PathLike[str]] | None = None,
    ) -> None:
        """Write ``<prefix>_<id>_<n>.json`` for each frame and ``<prefix>_info_<id>.json``; nothing without frames.

        Args:
            build_dir: the folder; it is made.
            indent: spaces per level of the JSON.
            r2_bucket: upload all files to this bucket of Cloudflare R2 as well (extra ``cloud``), with the credentials
                in the environment variables CF_ACCOUNT_ID, CF_ACCESS_KEY_ID and CF_SECRET_ACCESS_KEY.
            extra_files: files to copy into the folder; those that are missing are left out with a warning.

        Raises:
            ConfigError: the upload is not possible here.
        """
        if not self.frames:
            logger.warning("No frames to render.")
            return
        folder = Path(build_dir)
        names = [f"{self.prefix}_{self.id}_{place}.json" for place in range(len(self.frames))]
        for place, (name, frame) in enumerate(zip(names, self.frames, strict=True)):
            following = names[place + 1] if place + 1 < len(names) else None
            links = {"index": place + 1, "prev_frame": names[place - 1] if place else None, "next_frame": following}
            write_json(folder / name, frame.model_dump(mode="json") | links, indent=indent)
        manifest = f"{self.prefix}_info_{self.id}.json"
        write_json(folder / manifest, {"name": self.name, "first": names[0], "last": names[-1]}, indent=indent)
        files = [*names, manifest, *_copy(extra_files or (), folder)]
        if r2_bucket:
            _upload(folder, files, r2_bucket)


def _copy(paths: Iterable[str | os.PathLike[str]], folder: Path) -> list[str]:
    copied: list[str] = []
    for path in map(Path, paths):
        try:
            shutil.copyfile(path, folder / path.name)
        except FileNotFoundError:
            logger.warning("Failed to copy file from %s to %s.", path, folder / path.name)
        else:
            copied.append(path.name)
    return copied


def _upload(folder: Path, names: Iterable[str], bucket: str) -> None:
    account, key, secret = (os.environ.get(name, "") for name in _CREDENTIALS)
    if not (account and key and secret):
        raise ConfigError(f"Cloudflare R2 credentials unset; set {', '.join(_CREDENTIALS)}")
    try:
        boto3: Any = importlib.import_module("boto3")
    except ImportError:
        raise ConfigError("an upload to a bucket needs boto3; install textgrad-agents[cloud]") from None
    client = boto3.client(
        "s3",
        endpoint_url=f"https://{account}.r2.cloudflarestorage.com",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        region_name="auto",
    )
    for name in names:
        with (folder / name).open("rb") as stream:
            client.upload_fileobj(stream, bucket, name)
