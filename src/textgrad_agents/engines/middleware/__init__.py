"""Engines around engines: each adds one behaviour. `Stack` says in which order they go around an engine."""

from textgrad_agents.engines.middleware.breaker import CircuitBreaker
from textgrad_agents.engines.middleware.budget import Budget, Spent
from textgrad_agents.engines.middleware.budgeted import Budgeted
from textgrad_agents.engines.middleware.cache import Cache, Cached
from textgrad_agents.engines.middleware.deadline import Deadline
from textgrad_agents.engines.middleware.fallback import Fallback
from textgrad_agents.engines.middleware.lane import Lane
from textgrad_agents.engines.middleware.limit import Limited
from textgrad_agents.engines.middleware.metering import Meter, Metered, Tally
from textgrad_agents.engines.middleware.pace import Pace, Paced
from textgrad_agents.engines.middleware.retry import Retried, Try
from textgrad_agents.engines.middleware.stack import Stack
from textgrad_agents.engines.middleware.wrapper import Wrapper

__all__ = [
    "Budget",
    "Budgeted",
    "Cache",
    "Cached",
    "CircuitBreaker",
    "Deadline",
    "Fallback",
    "Lane",
    "Limited",
    "Meter",
    "Metered",
    "Pace",
    "Paced",
    "Retried",
    "Spent",
    "Stack",
    "Tally",
    "Try",
    "Wrapper",
]
