"""Datasets of questions about images."""

from __future__ import annotations

from typing import Any

from textgrad_agents.compat.textgrad.tasks.multimodal.base import ImageDataset
from textgrad_agents.compat.textgrad.tasks.multimodal.mathvista import MathVistaDataset
from textgrad_agents.compat.textgrad.tasks.multimodal.scienceqa import ScienceQADataset
from textgrad_agents.errors import ConfigError

__all__ = ["MathVistaDataset", "ScienceQADataset", "load_multimodal_instance_task"]


def load_multimodal_instance_task(task_name: str, evaluation_api: Any, **kwargs: Any) -> ImageDataset:
    """Rows to improve single answers about images with.

    Args:
        task_name: ``mathvista`` or ``scienceqa``.
        evaluation_api: engine of the losses.
        kwargs: ``root``, the folder of the files; ``split``, ``task_instruction``, ``evaluation_instruction``.

    Raises:
        ConfigError: no such task.
        FileFormatError: its file is not there.
    """
    if task_name == "mathvista":
        return MathVistaDataset(evaluation_api, **kwargs)
    if task_name == "scienceqa":
        return ScienceQADataset(evaluation_api, **kwargs)
    raise ConfigError(f"there is no task {task_name!r}; there are mathvista and scienceqa")
