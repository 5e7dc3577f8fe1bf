"""Feedback that is too long for one request is merged first, once for all parameters that share it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from textgrad_agents.engines.base import estimate_tokens
from textgrad_agents.errors import EngineRefusal
from textgrad_agents.interfaces import Engine
from textgrad_agents.ops.reduce import grouped, merge
from textgrad_agents.optim.base import together
from textgrad_agents.session import count_calls
from textgrad_agents.variables.gradient import Gradient

Gradients = tuple[Gradient, ...]


class Reducer:
    """Merges feedback while one step is under way.

    Args:
        engine: who merges; the session's optimizer engine if None.
        token_budget: feedback of more tokens than this is merged; also the most that one request holds.
    """

    def __init__(self, engine: Engine | None, token_budget: int) -> None:
        self._engine = engine
        self._token_budget = token_budget
        self._merging: dict[Any, asyncio.Task[tuple[Gradients, int]]] = {}

    async def reduce(self, gradients: Gradients, role_description: str) -> tuple[Gradients, int]:
        """Gradients that fit into the budget, as far as merging goes, and the calls that it took.

        Gradients of one group are merged with each other. Parameters with the same feedback share one merging, and the
        calls are those of the first that asks. Where the engine does not merge, the gradients stay as they are.
        """
        if len(gradients) < 2 or _tokens(gradients) <= self._token_budget:
            return gradients, 0
        key = tuple((one.text, one.used_as, one.weight, one.group) for one in gradients)
        shared = key in self._merging
        if not shared:
            self._merging[key] = asyncio.ensure_future(self._merge(gradients, role_description))
        merged, calls = await self._merging[key]
        return merged, 0 if shared else calls

    async def _merge(self, gradients: Gradients, role_description: str) -> tuple[Gradients, int]:
        with count_calls() as count:
            try:
                while _tokens(gradients) > self._token_budget:
                    parts = [part for group in grouped(gradients).values() for part in self._parts(group)]
                    if len(parts) == len(gradients):
                        break
                    gradients = tuple(
                        await together(merge(part, role_description, engine=self._engine) for part in parts)
                    )
            except EngineRefusal:
                pass
            return gradients, count.made

    def _parts(self, group: Gradients) -> Iterator[Gradients]:
        """Neighbours that fit into one request together."""
        part: list[Gradient] = []
        for gradient in group:
            if part and _tokens((*part, gradient)) > self._token_budget:
                yield tuple(part)
                part = []
            part.append(gradient)
        yield tuple(part)


def _tokens(gradients: Sequence[Gradient]) -> int:
    return sum(estimate_tokens(one.text or "") for one in gradients)
