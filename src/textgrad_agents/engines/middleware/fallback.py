"""`Fallback`: where one engine fails, the next is asked."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from textgrad_agents.engines.base import call_cost, identity_of, is_structured, most_usage, server_of
from textgrad_agents.errors import BudgetError, ConfigError, EngineError
from textgrad_agents.interfaces import DEFAULT_OPTIONS, Engine, GenerateOptions
from textgrad_agents.messages import Completion, Message, Usage

_log = logging.getLogger(__name__)


class Fallback:
    """Asks its engines in order until one answers. `Completion.model` says which did, and each change is logged.

    It speaks for its engines with caution: the highest price, the largest usage, and structured if all are.

    Args:
        engines: the preferred engine first, each with retries of its own.
    """

    def __init__(self, engines: Sequence[Engine]) -> None:
        if not engines:
            raise ConfigError("a fallback chain needs at least one engine, got none")
        self.engines = tuple(engines)

    def __repr__(self) -> str:
        return f"Fallback({list(self.engines)!r})"

    @property
    def name(self) -> str:
        """The names of all engines."""
        return ", else ".join(engine.name for engine in self.engines)

    @property
    def server(self) -> str | None:
        """The address of the first engine that asks one."""
        return next((server for engine in self.engines if (server := server_of(engine))), None)

    @property
    def identity(self) -> Mapping[str, Any]:
        """What decides the answers besides the request."""
        return {"fallback": [dict(identity_of(engine)) for engine in self.engines]}

    @property
    def structured(self) -> bool:
        """True if all engines follow a response schema."""
        return all(map(is_structured, self.engines))

    def cost(self, usage: Usage) -> float | None:
        """USD for `usage` of the dearest engine; None if a price is not known."""
        costs = [call_cost(engine, usage) for engine in self.engines]
        known = [cost for cost in costs if cost is not None]
        return max(known) if len(known) == len(costs) else None

    def most_usage(self, messages: Sequence[Message], options: GenerateOptions) -> Usage:
        """The most that a call of any engine may use."""
        most = [most_usage(engine, messages, options) for engine in self.engines]
        return Usage(max(one.input_tokens for one in most), max(one.output_tokens for one in most), estimated=True)

    async def generate(self, messages: Sequence[Message], options: GenerateOptions = DEFAULT_OPTIONS) -> Completion:
        """Answer `messages`.

        Raises:
            BudgetError: the budget is spent; no further engine is asked.
            EngineError: that of the last engine.
        """
        for engine, successor in zip(self.engines, self.engines[1:], strict=False):
            try:
                return await engine.generate(messages, options)
            except BudgetError:
                raise
            except EngineError as error:
                _log.warning("%s failed, asking %s: %s", engine.name, successor.name, error)
        return await self.engines[-1].generate(messages, options)
