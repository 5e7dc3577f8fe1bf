"""Numbers of many samples: consensus, and pass at k."""

from __future__ import annotations

import asyncio
import inspect
import math
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np

from textgrad_agents.errors import ConfigError

DatumT = TypeVar("DatumT")
KeyT = TypeVar("KeyT", bound=Hashable)
AnswerT = TypeVar("AnswerT", bound=Hashable)

Seed = np.random.Generator | random.Random | int | None
Consensus = list[tuple[AnswerT, int]]
"""Answers with how often each was given, the most frequent first."""


def measure_consensus_proportion(consensus_size: int, sample_size: int) -> tuple[float, float]:
    """The share of samples that gave the consensus answer, and its standard error (of a binomial share).

    Raises:
        ConfigError: there are no samples, or fewer than gave the answer.
    """
    if not 0 <= consensus_size <= sample_size or not sample_size:
        raise ConfigError(f"{consensus_size} of {sample_size} samples is no share")
    share = consensus_size / sample_size
    return share, math.sqrt(share * (1.0 - share) / sample_size)


async def evaluate_consensus(
    data: Sequence[DatumT],
    extract_answer_fn: Callable[[DatumT], AnswerT | Awaitable[AnswerT]],
    num_samples: int | None = None,
    seed: Seed = None,
    consensus_callback: Callable[[AnswerT, int, int], Any] | None = None,
) -> tuple[Consensus[AnswerT], AnswerT]:
    """The answer given most often (the first of several such), of samples drawn without replacement.

    Args:
        data: what answers are in.
        extract_answer_fn: the answer in a datum (sync or async).
        num_samples: samples drawn; all if None.
        seed: of the drawing; the same generator goes on where it was.
        consensus_callback: told of the answer, how often it was given, and the number of samples.

    Returns:
        All answers with their numbers, and the winner.

    Raises:
        ConfigError: there are fewer data than samples, or none at all.
    """
    size = len(data) if num_samples is None else num_samples
    if not 0 < size <= len(data):
        raise ConfigError(
            f"{size} samples cannot be drawn from {len(data)} data; sampling with replacement would show more "
            "consensus than there is"
        )
    found = [extract_answer_fn(datum) for datum in _sampled(data, size, seed)]
    answers: list[Any] = list(await asyncio.gather(*(_awaited(one) for one in found)))
    consensus = Counter(answers).most_common()
    answer, count = consensus[0]
    if consensus_callback is not None:
        consensus_callback(answer, count, size)
    return consensus, answer


async def bulk_evaluate_consensus(
    data: Iterable[DatumT],
    grouping_fn: Callable[[DatumT], KeyT],
    extract_answer_fn: Callable[[DatumT], AnswerT | Awaitable[AnswerT]],
    num_samples: int | None = None,
    seed: Seed = None,
    ideal_answer_fn: Callable[[DatumT], AnswerT] | None = None,
    consensus_callback: Callable[[AnswerT, int, int], Any] | None = None,
) -> tuple[dict[KeyT, Consensus[AnswerT]], float]:
    """The consensus of each group of data, group after group.

    Args:
        data: what answers are in.
        grouping_fn: the group of a datum, such as its question.
        extract_answer_fn: see `evaluate_consensus`.
        num_samples: samples drawn from each group.
        seed: of the drawing.
        ideal_answer_fn: the right answer of a group, from its first datum.
        consensus_callback: told of each group's consensus.

    Returns:
        The consensus of each group, and the share of groups whose winner is right (0 without `ideal_answer_fn`).

    Raises:
        ConfigError: a group has fewer data than samples are to be drawn.
    """
    groups: dict[KeyT, list[DatumT]] = {}
    for datum in data:
        groups.setdefault(grouping_fn(datum), []).append(datum)
    found: dict[KeyT, Consensus[AnswerT]] = {}
    right = 0
    for key, group in groups.items():
        found[key], answer = await evaluate_consensus(group, extract_answer_fn, num_samples, seed, consensus_callback)
        right += ideal_answer_fn is not None and answer == ideal_answer_fn(group[0])
    return found, right / len(groups) if groups else 0.0


def compute_pass_at_k(n: int, c: int, k: int) -> float:
    """The chance that at least one of k attempts is right, estimated without bias from n attempts of which c were.

    Chen et al., "Evaluating Large Language Models Trained on Code" (2021), equation 1: ``1 - C(n-c, k) / C(n, k)``.

    Raises:
        ConfigError: the numbers do not fit: ``0 <= c <= n`` and ``1 <= k <= n``.
    """
    if not (0 <= c <= n and 1 <= k <= n):
        raise ConfigError(f"pass at k needs 0 <= c <= n and 1 <= k <= n, got n={n}, c={c}, k={k}")
    return 1.0 - math.comb(n - c, k) / math.comb(n, k)


def _sampled(data: Sequence[DatumT], size: int, seed: Seed) -> list[DatumT]:
    if isinstance(seed, random.Random):
        return seed.sample(data, size)
    chance = seed if isinstance(seed, np.random.Generator) else np.random.default_rng(seed)
    return [data[int(index)] for index in chance.choice(len(data), size, replace=False)]


async def _awaited(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer
