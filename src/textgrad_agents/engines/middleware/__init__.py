"""Engines around engines: each adds one behaviour."""

from textgrad_agents.engines.middleware.limit import Limited
from textgrad_agents.engines.middleware.metering import Meter, Metered, Tally
from textgrad_agents.engines.middleware.retry import Retried
from textgrad_agents.engines.middleware.wrapper import Wrapper

__all__ = ["Limited", "Meter", "Metered", "Retried", "Tally", "Wrapper"]
