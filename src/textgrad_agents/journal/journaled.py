"""`Journaled`: an engine whose replies are committed before they are used, and given again instead of being paid again.

Every call of a run has a seed that follows from its place in it. So a run that is started anew makes the same calls
with the same seeds, and each is known by its key: the place, the engine, its part and the whole request, seed included.
A call without a seed is numbered among the equal ones of its place.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b

from textgrad_agents.engines.base import PerLoop, call_cost
from textgrad_agents.engines.middleware import Wrapper
from textgrad_agents.engines.middleware.cache import request_key
from textgrad_agents.errors import EngineAccessError
from textgrad_agents.interfaces import DEFAULT_OPTIONS, Engine, GenerateOptions
from textgrad_agents.journal.journal import Call, Journal
from textgrad_agents.journal.outcomes import NO_REPLY, Outcome, usage_of
from textgrad_agents.messages import Completion, Message


class Journaled(Wrapper):
    """Looks into the journal before it asks, and writes into it what it was told.

    Equal calls of one place are one call, also while it is under way. A call that is under way is finished and
    recorded even if nobody waits for it any more: it is paid for.

    Args:
        engine: the engine inside.
        journal: of the run.
    """

    def __init__(self, engine: Engine, journal: Journal) -> None:
        super().__init__(engine)
        self._journal = journal
        self._structured = super().structured
        self._place = ""
        self._stopping = False
        self._unseeded: Counter[bytes] = Counter()
        self._under_way = PerLoop(dict[bytes, asyncio.Task[Outcome]])

    @property
    def structured(self) -> bool:
        """True if the inner engine followed a response schema when this was made.

        An engine may find out that its server does not. Requests must not depend on that, or a run that goes on would
        ask otherwise than it did before.
        """
        return self._structured

    def begin(self, place: str) -> None:
        """Make calls at a place of the run from now on; the journal was told so too."""
        self._place = place
        self._stopping = False
        self._unseeded.clear()

    async def settle(self) -> None:
        """Begin no further call, and come back when those that are under way are recorded."""
        self._stopping = True
        await asyncio.gather(*self._under_way.get().values(), return_exceptions=True)

    async def generate(self, messages: Sequence[Message], options: GenerateOptions = DEFAULT_OPTIONS) -> Completion:
        """Answer `messages`, from the journal if they were answered before.

        Raises:
            EngineError: the engine's own, recorded ones among them.
            FileFormatError: the journal is damaged or cannot be written.
        """
        key = self._key(messages, options)
        under_way = self._under_way.get()
        if key not in under_way:
            task = under_way[key] = asyncio.ensure_future(self._answer(key, messages, options))
            task.add_done_callback(lambda task: (under_way.pop(key), task.cancelled() or task.exception()))
        outcome = await asyncio.shield(under_way[key])
        if isinstance(outcome, Completion):
            return outcome
        raise outcome

    async def _answer(self, key: bytes, messages: Sequence[Message], options: GenerateOptions) -> Outcome:
        known = self._journal.find(key)
        if known is not None:
            return known
        if self._stopping:
            raise EngineAccessError("no further call is made: the run is being stopped")
        place = self._place
        try:
            outcome: Outcome = await self.engine.generate(messages, options)
        except NO_REPLY as error:
            outcome = error
        usage = usage_of(outcome)
        cost = None if usage is None else call_cost(self.engine, usage)
        await self._journal.record(Call(key, place, options.role, self.name, outcome, cost))
        return outcome

    def _key(self, messages: Sequence[Message], options: GenerateOptions) -> bytes:
        """Key of a call. The address that is asked is not part of it: a run may move to another server."""
        asked = request_key({"engine": self.name}, messages, options)
        number = 0
        if options.seed is None:
            self._unseeded[asked] += 1
            number = self._unseeded[asked]
        place = f"{self._place}\0{options.role}\0{number}\0".encode()
        return blake2b(place + asked, digest_size=16).digest()
