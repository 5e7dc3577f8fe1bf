"""`Stack`: the one order in which engines are wrapped, and what the engines of a run share.

From the outside in, a call meets

1. `Cached`: an answer that is kept costs nothing and meets none of the following,
2. `Deadline`: the time of a call, its tries and pauses,
3. `Retried`: each try goes through all that follows,
4. `Limited`: its turn in the lane of its server,
5. `Paced`: requests and tokens per minute of its account,
6. `Budgeted`: what it may cost is reserved,
7. `CircuitBreaker`: a server that is down is left alone,
8. `Metered`: what was sent is counted, failed tries too,

and then the engine. So nothing is counted or reserved that is not sent, a call that waits for its turn holds no money,
and a call that waits for its next try holds no turn. A `Fallback` goes around stacks; an engine that answers in this
process is metered (and budgeted, if there is a budget) and nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from textgrad_agents.engines.base import rates_of, server_of
from textgrad_agents.engines.middleware.breaker import CircuitBreaker
from textgrad_agents.engines.middleware.budget import Budget
from textgrad_agents.engines.middleware.budgeted import Budgeted
from textgrad_agents.engines.middleware.cache import Cache, Cached
from textgrad_agents.engines.middleware.deadline import Deadline
from textgrad_agents.engines.middleware.lane import Lane
from textgrad_agents.engines.middleware.limit import Limited
from textgrad_agents.engines.middleware.metering import Meter, Metered
from textgrad_agents.engines.middleware.pace import Pace, Paced
from textgrad_agents.engines.middleware.retry import TRIES, Retried, Try
from textgrad_agents.interfaces import Engine

DEADLINE = 1800.0


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Wraps engines, and holds what they share. Make one for a run and call it with each engine.

    Attributes:
        meter: counts for all engines.
        concurrency: most calls at once to one server.
        budget: what all engines together may spend.
        cache: where answers are kept.
        attempts: most tries of a call.
        first_wait: seconds before a second try, at most.
        deadline: most seconds of a call, without its waits for a turn; None for no limit.
        on_try: called after each try of a call.
    """

    meter: Meter = field(default_factory=Meter)
    concurrency: int = 64
    budget: Budget | None = None
    cache: Cache | None = None
    attempts: int = TRIES
    first_wait: float = 1.0
    deadline: float | None = DEADLINE
    on_try: Callable[[Try], None] | None = None
    _lanes: dict[str, Lane] = field(default_factory=dict[str, Lane], init=False, repr=False)
    _paces: dict[tuple[Any, ...], Pace] = field(default_factory=dict[tuple[Any, ...], Pace], init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __call__(self, engine: Engine) -> Engine:
        """`engine` with all of the above around it.

        Raises:
            ConfigError: a setting cannot be used, or the budget is in USD and the engine's price is not known.
        """
        server = server_of(engine)
        requests, tokens = rates_of(engine)
        wrapped: Engine = Metered(engine, self.meter)
        if server is not None:
            wrapped = CircuitBreaker(wrapped)
        if self.budget is not None:
            wrapped = Budgeted(wrapped, self.budget)
        if server is None:
            return wrapped
        if requests is not None or tokens is not None:
            account = server, engine.name
            wrapped = Paced(wrapped, self._pace(account, "requests", requests), self._pace(account, "tokens", tokens))
        wrapped = Limited(wrapped, self.lane(server))
        wrapped = Retried(wrapped, attempts=self.attempts, first_wait=self.first_wait, on_try=self.on_try)
        if self.deadline is not None:
            wrapped = Deadline(wrapped, self.deadline)
        return wrapped if self.cache is None else Cached(wrapped, self.cache)

    def lane(self, server: str) -> Lane:
        """The lane of a server."""
        with self._lock:
            if server not in self._lanes:
                self._lanes[server] = Lane(self.concurrency)
            return self._lanes[server]

    def _pace(self, account: tuple[str, str], what: str, per_minute: float | None) -> Pace | None:
        if per_minute is None:
            return None
        with self._lock:
            return self._paces.setdefault((*account, what), Pace(per_minute))
