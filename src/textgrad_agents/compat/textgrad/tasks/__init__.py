"""Datasets by TextGrad's names, read from files that the user has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textgrad_agents.compat.textgrad.autograd.string_based_ops import StringBasedFunction
from textgrad_agents.compat.textgrad.loss import MultiFieldTokenParsedEvaluation
from textgrad_agents.compat.textgrad.tasks.answers import string_based_equality_fn
from textgrad_agents.compat.textgrad.tasks.base import DataLoader, Dataset
from textgrad_agents.compat.textgrad.tasks.big_bench_hard import BigBenchHard
from textgrad_agents.compat.textgrad.tasks.gpqa import GPQAInstanceDataset
from textgrad_agents.compat.textgrad.tasks.gsm8k import GSM8K_DSPy
from textgrad_agents.compat.textgrad.tasks.leetcode import LeetCodeHardEval
from textgrad_agents.compat.textgrad.tasks.mmlu import MMLU, MMLUInstanceDataset
from textgrad_agents.compat.textgrad.variable import Variable
from textgrad_agents.errors import ConfigError

__all__ = [
    "AVAILABLE_DATASETS",
    "AVAILABLE_INSTANCE_DATASETS",
    "MMLU",
    "DataLoader",
    "Dataset",
    "LeetCodeHardEval",
    "MMLUInstanceDataset",
    "load_instance_task",
    "load_task",
]

AVAILABLE_DATASETS = ["BBH_object_counting", "BBH_word_sorting", "GSM8K_DSPy"]
AVAILABLE_INSTANCE_DATASETS = ["MMLU_machine_learning", "MMLU_college_physics", "GPQA_diamond", "LeetCodeHardEval"]

_TAGS = ["<ACCURACY>", "</ACCURACY>"]
_ROLES = [
    "Question for the task",
    "Ground truth answer",
    "Reasoning and prediction from the language model",
]
_JUDGEMENT = (
    "Below are a question, the true answer, and reasoning with a prediction. Is the final prediction the same as the "
    "true answer? Say only 1 (yes) or 0 (no), within <ACCURACY> </ACCURACY> tags, for example <ACCURACY> 0 </ACCURACY>."
)
_PURPOSE = "Checks whether the last number of the prediction is the true answer: 1 if it is, 0 if it is not."


def load_task(
    task_name: str, evaluation_api: Any, **kwargs: Any
) -> tuple[Dataset, Dataset, Dataset, Callable[..., Any]]:
    """Training, validation and test rows of a task, and its evaluation.

    Args:
        task_name: ``BBH_…`` with the name of a BIG-Bench Hard task, or ``GSM8K_DSPy``.
        evaluation_api: engine of evaluations that need one.
        kwargs: ``root``, the folder of the files.

    Raises:
        ConfigError: no such task.
        FileFormatError: its file is not there.
    """
    if task_name == "GSM8K_DSPy":
        train, val, test = (GSM8K_DSPy(split=split, **kwargs) for split in ("train", "val", "test"))
        return train, val, test, StringBasedFunction(string_based_equality_fn, function_purpose=_PURPOSE)
    if not task_name.startswith("BBH_"):
        raise ConfigError(f"there is no task {task_name!r}; there are {', '.join(AVAILABLE_DATASETS)} and other BBH_…")
    name = task_name.removeprefix("BBH_")
    train, val, test = (BigBenchHard(name, split=split, **kwargs) for split in ("train", "val", "test"))
    if name == "object_counting":
        return train, val, test, StringBasedFunction(string_based_equality_fn, function_purpose=_PURPOSE)
    instruction = Variable(_JUDGEMENT, requires_grad=False, role_description="evaluation instruction for the task")
    judge = MultiFieldTokenParsedEvaluation(instruction, _ROLES, engine=evaluation_api, parse_tags=_TAGS)
    return train, val, test, judge


def load_instance_task(task_name: str, evaluation_api: Any, **kwargs: Any) -> Dataset:
    """Rows to improve single answers with.

    Args:
        task_name: ``MMLU_…`` with a subject, ``GPQA_diamond`` (``main``, ``extended``) or ``LeetCodeHardEval``.
        evaluation_api: engine of the losses.
        kwargs: ``root``, the folder of the files; ``max_samples``.

    Raises:
        ConfigError: no such task.
        FileFormatError: its file is not there.
    """
    if task_name.startswith("MMLU_"):
        kwargs.setdefault("split", "test")
        return MMLUInstanceDataset(evaluation_api, task_name.removeprefix("MMLU_"), **kwargs)
    if task_name.startswith("GPQA"):
        return GPQAInstanceDataset(evaluation_api, task_name.lower(), **kwargs)
    if task_name == "LeetCodeHardEval":
        return LeetCodeHardEval(**kwargs)
    raise ConfigError(f"there is no task {task_name!r}; there are {', '.join(AVAILABLE_INSTANCE_DATASETS)}")
