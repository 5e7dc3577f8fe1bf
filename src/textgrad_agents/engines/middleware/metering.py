"""`Metered` and `Meter`: how many calls, tokens and dollars, by the part a call plays."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from textgrad_agents.engines.base import call_cost
from textgrad_agents.engines.middleware.wrapper import Wrapper
from textgrad_agents.errors import EngineError
from textgrad_agents.interfaces import DEFAULT_OPTIONS, Engine, EngineRole, GenerateOptions
from textgrad_agents.messages import Completion, Message, Usage


@dataclass(frozen=True, slots=True)
class Tally:
    """What some calls used.

    Attributes:
        calls: calls made, the failed ones too.
        failed: calls that gave no completion.
        estimated: calls whose tokens the server did not count.
        unpriced: calls whose price is not known; `cost_usd` leaves them out.
        usage: tokens.
        cost_usd: cost of the priced calls.
    """

    calls: int = 0
    failed: int = 0
    estimated: int = 0
    unpriced: int = 0
    usage: Usage = Usage()
    cost_usd: float = 0.0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.calls + other.calls,
            self.failed + other.failed,
            self.estimated + other.estimated,
            self.unpriced + other.unpriced,
            self.usage + other.usage,
            self.cost_usd + other.cost_usd,
        )

    def __sub__(self, other: Tally) -> Tally:
        return Tally(
            self.calls - other.calls,
            self.failed - other.failed,
            self.estimated - other.estimated,
            self.unpriced - other.unpriced,
            self.usage - other.usage,
            self.cost_usd - other.cost_usd,
        )

    def as_dict(self) -> dict[str, Any]:
        """All numbers by name."""
        flat = asdict(replace(self, usage=Usage()))
        del flat["usage"]
        tokens = asdict(self.usage)
        del tokens["estimated"]
        return flat | tokens


class Meter:
    """Totals by role. Several engines may share one; it may be used from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tallies: dict[EngineRole, Tally] = {}

    def add(self, role: EngineRole, usage: Usage | None, cost: float | None, *, failed: bool = False) -> None:
        """Count one call. `usage` is None if the call was not charged, `cost` is None if its price is not known."""
        one = Tally(
            calls=1,
            failed=int(failed),
            estimated=int(usage is not None and usage.estimated),
            unpriced=int(usage is not None and cost is None),
            usage=usage or Usage(),
            cost_usd=cost or 0.0,
        )
        self.include(role, one)

    def include(self, role: EngineRole, tally: Tally) -> None:
        """Count calls that were made elsewhere, in another process."""
        with self._lock:
            self._tallies[role] = self._tallies.get(role, Tally()) + tally

    def tally(self, role: EngineRole | None = None) -> Tally:
        """What the calls of one role used, or all calls."""
        with self._lock:
            if role is not None:
                return self._tallies.get(role, Tally())
            return sum(self._tallies.values(), Tally())

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """The numbers of every role that made a call, and under ``total`` those of all."""
        with self._lock:
            tallies = dict(sorted(self._tallies.items()))
        total = sum(tallies.values(), Tally())
        return {role: tally.as_dict() for role, tally in tallies.items()} | {"total": total.as_dict()}


class Metered(Wrapper):
    """Counts every call on a meter, with the price of the engine inside."""

    def __init__(self, engine: Engine, meter: Meter) -> None:
        super().__init__(engine)
        self.meter = meter

    async def generate(self, messages: Sequence[Message], options: GenerateOptions = DEFAULT_OPTIONS) -> Completion:
        """Answer `messages`."""
        try:
            completion = await self.engine.generate(messages, options)
        except EngineError as error:
            usage = error.usage if isinstance(error.usage, Usage) else None
            self._count(options.role, usage, failed=True)
            raise
        self._count(options.role, completion.usage)
        return completion

    def _count(self, role: EngineRole, usage: Usage | None, *, failed: bool = False) -> None:
        cost = None if usage is None else call_cost(self.engine, usage)
        self.meter.add(role, usage, cost, failed=failed)
