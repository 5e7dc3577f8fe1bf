"""`Budgeted`: no call is sent that the budget could not pay."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from textgrad_agents.engines.base import call_cost, most_usage, server_of
from textgrad_agents.engines.faults import FAULTS
from textgrad_agents.engines.middleware.budget import Budget
from textgrad_agents.engines.middleware.deadline import off_the_clock
from textgrad_agents.engines.middleware.wrapper import Wrapper
from textgrad_agents.errors import ConfigError, EngineError
from textgrad_agents.interfaces import DEFAULT_OPTIONS, Engine, GenerateOptions
from textgrad_agents.messages import Completion, Message, Usage

_FIRST_LOOK, _LAST_LOOK = 0.002, 0.2
_SOME = Usage(1000, 1000)
_NOTHING = Usage()


class Budgeted(Wrapper):
    """Reserves what a call may cost at most, sends it, and settles what it used.

    A call waits while only the reservations of others stand in its way. A server that does not count, a reply that
    broke off and a call that was given up are charged in full.

    Args:
        engine: the engine inside, one try per call.
        budget: shared by all engines of a run.

    Raises:
        ConfigError: the budget is in USD, and the engine's price is not known.
    """

    def __init__(self, engine: Engine, budget: Budget) -> None:
        super().__init__(engine)
        self.budget = budget
        self._counts_itself = server_of(engine) is None
        if budget.usd is not None and call_cost(engine, _SOME) is None:
            raise ConfigError(
                f"the price of {engine.name} is not known, so a budget in USD cannot be kept: set "
                "input_price_per_million and output_price_per_million in its LLMConfig (0 if it is free), or limit "
                "calls or tokens instead"
            )

    async def generate(self, messages: Sequence[Message], options: GenerateOptions = DEFAULT_OPTIONS) -> Completion:
        """Answer `messages`.

        Raises:
            BudgetError: too little is left; nothing was sent.
            EngineError: what the inner engine raises.
        """
        most = most_usage(self.engine, messages, options)
        reservation = await self._reserve(most)
        used = most
        try:
            completion = await self.engine.generate(messages, options)
            used = self._counted(completion.usage, most)
            return completion
        except EngineError as error:
            if isinstance(error.usage, Usage):
                used = self._counted(error.usage, most)
            elif error.kind in FAULTS and FAULTS[error.kind].free:
                used = _NOTHING
            raise
        finally:
            self.budget.settle(reservation, self._cost(used), _tokens(used))

    async def _reserve(self, most: Usage) -> int:
        wait = _FIRST_LOOK
        while (reservation := self.budget.reserve(self._cost(most), _tokens(most))) is None:
            with off_the_clock():
                await asyncio.sleep(wait)
            wait = min(2 * wait, _LAST_LOOK)
        return reservation

    def _counted(self, usage: Usage, most: Usage) -> Usage:
        return most if usage.estimated and not self._counts_itself else usage

    def _cost(self, usage: Usage) -> float:
        return call_cost(self.engine, usage) or 0.0


def _tokens(usage: Usage) -> int:
    return usage.input_tokens + usage.output_tokens
