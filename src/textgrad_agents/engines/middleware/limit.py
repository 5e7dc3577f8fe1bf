"""`Limited`: no more calls at once than a server bears."""

from __future__ import annotations

from collections.abc import Sequence

from textgrad_agents.engines.faults import FAULTS
from textgrad_agents.engines.middleware.lane import Lane
from textgrad_agents.engines.middleware.wrapper import Wrapper
from textgrad_agents.errors import EngineError
from textgrad_agents.interfaces import DEFAULT_OPTIONS, Engine, GenerateOptions
from textgrad_agents.messages import Completion, Message


class Limited(Wrapper):
    """Lets calls through as their lane has turns; the others wait in order.

    Args:
        engine: the engine inside.
        lane: the lane of its server, shared by all its engines; or a number of calls at once, for a lane of its own.
    """

    def __init__(self, engine: Engine, lane: Lane | int) -> None:
        super().__init__(engine)
        self.lane = lane if isinstance(lane, Lane) else Lane(lane)

    async def generate(self, messages: Sequence[Message], options: GenerateOptions = DEFAULT_OPTIONS) -> Completion:
        """Answer `messages` when it is this call's turn."""
        began = await self.lane.enter()
        answered = complained = False
        try:
            completion = await self.engine.generate(messages, options)
            answered = True
            return completion
        except EngineError as error:
            complained = error.kind in FAULTS and FAULTS[error.kind].slows
            if complained and error.retry_after:
                self.lane.pause(error.retry_after, self.name)
            raise
        finally:
            self.lane.leave(began, answered=answered, complained=complained)
