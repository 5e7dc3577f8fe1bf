"""The defaults of a stretch of work: engines by role, critic, concurrency, seed, portal.

A Session lives in a contextvar, so it nests and is safe for tasks and threads; nothing is kept in modules. Code outside
any ``with Session(…)`` works in a default session of its own context.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import threading
import weakref
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Self

from textgrad_agents.errors import ConfigError, EngineAccessError
from textgrad_agents.portal import Portal
from textgrad_agents.seeds import derive_seed

if TYPE_CHECKING:
    from textgrad_agents.interfaces import Critic, Engine, EngineRole, GenerateOptions
    from textgrad_agents.messages import Completion, Message

DEFAULT_CONCURRENCY = 64

_open: ContextVar[tuple[Session, ...]] = ContextVar("textgrad_agents_sessions", default=())
"""The sessions opened in this context, the one in force last."""
_counts: ContextVar[tuple[CallCount, ...]] = ContextVar("textgrad_agents_call_counts", default=())


class CallCount:
    """How many engine calls a stretch of work made, and how many it may make.

    Attributes:
        made: calls counted so far.
        limit: most calls; None for no limit.
        refused: True if a call was refused because of the limit.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._lock = threading.Lock()
        self.made = 0
        self.limit = limit
        self.refused = False

    def take(self) -> None:
        """Count one call.

        Raises:
            EngineAccessError: the limit is reached; the call must not be made.
        """
        with self._lock:
            if self.limit is not None and self.made >= self.limit:
                self.refused = True
                raise EngineAccessError(f"the budget of {self.limit} engine calls is spent; raise it to go on")
            self.made += 1

    def add(self) -> None:
        """Count a call that was made elsewhere; it is never refused."""
        with self._lock:
            self.made += 1

    @property
    def left(self) -> float:
        """Calls that may still be made."""
        return math.inf if self.limit is None else max(0, self.limit - self.made)


@contextmanager
def count_calls(limit: int | None = None) -> Generator[CallCount, None, None]:
    """Count the engine calls made inside, also by tasks and threads started there; beyond `limit` they are refused."""
    count = CallCount(limit)
    token = _counts.set((*_counts.get(), count))
    try:
        yield count
    finally:
        _counts.reset(token)


class _Place:
    """Where in a run a context is. What was counted there is gone with it.

    Attributes:
        parts: what it is called, from the outermost place inwards.
        asked: how often each seed was asked for.
        entered: how many places of each kind there are in it.
    """

    def __init__(self, parts: tuple[str | int, ...] = ()) -> None:
        self.parts = parts
        self.asked: Counter[int] = Counter()
        self.entered: Counter[str] = Counter()


_place: ContextVar[_Place | None] = ContextVar("textgrad_agents_place", default=None)
"""The place of this context; None outside all."""


class Session:
    """Defaults for everything that runs inside ``with Session(…)`` or ``async with Session(…)``.

    Leaving the block waits for the calls that are still under way, or cancels them if an error leaves it.

    Args:
        engine: engine for every role that has none of its own.
        actor, critic_engine, optimizer: engines of single roles.
        critic: who writes gradients in words; None means the usual one over the critic engine.
        concurrency: most engine calls under way at once.
        seed: root of all derived seeds.
    """

    def __init__(
        self,
        engine: Engine | None = None,
        *,
        actor: Engine | None = None,
        critic_engine: Engine | None = None,
        optimizer: Engine | None = None,
        critic: Critic | None = None,
        concurrency: int = DEFAULT_CONCURRENCY,
        seed: int = 0,
    ) -> None:
        if concurrency < 1:
            raise ConfigError(f"concurrency must be at least 1, got {concurrency}")
        named = {"actor": actor, "critic": critic_engine, "optimizer": optimizer}
        self._engines: Mapping[str, Engine] = {role: one for role, one in named.items() if one is not None}
        self._engine = engine
        self.critic = critic
        self.concurrency = concurrency
        self.seed = seed
        self.portal = Portal()
        self._limits: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = (
            weakref.WeakKeyDictionary()
        )
        self._lock = threading.Lock()
        self._entered = 0
        self._place = _Place()
        self._runs = itertools.count(1)
        self._calls = itertools.count()
        weakref.finalize(self, self.portal.close)

    def engine(self, role: EngineRole = "other") -> Engine:
        """The engine of a role.

        Raises:
            ConfigError: neither the role nor the session has one.
        """
        engine = self._engines.get(role, self._engine)
        if engine is None:
            raise ConfigError(
                f"no engine for the role {role!r}: pass engine=… to the call, or work inside `with Session(engine=…)`"
            )
        return engine

    async def ask(self, engine: Engine, messages: Sequence[Message], options: GenerateOptions) -> Completion:
        """Call an engine, no more than `concurrency` calls at once.

        Raises:
            EngineAccessError: a limit set by `count_calls` is reached.
        """
        for count in _counts.get():
            count.take()
        async with self._limit():
            return await engine.generate(messages, options)

    def seed_of(self, *place: str | int) -> int:
        """Seed of the next call at a place.

        The same place asked again gives another seed, and which comes when depends on how often it was asked alone; so
        equal requests get different samples, and the same samples in every run, whatever finishes first. Where equal
        requests are under way at once, `at_place` tells them apart.
        """
        here = _place.get() or self._place
        seed = derive_seed(self.seed, *here.parts, *place)
        with self._lock:
            count = here.asked[seed]
            here.asked[seed] += 1
        return derive_seed(seed, count) if count else seed

    @contextmanager
    def at_place(self, kind: str) -> Generator[None, None, None]:
        """Calls made inside get seeds of their own, the same whatever goes on elsewhere.

        Places are told apart by their kind, and by how many of it were entered before inside the present place; so
        enter them in an order that does not depend on what finishes first. Tasks started inside keep the place.
        """
        here = _place.get() or self._place
        with self._lock:
            number = here.entered[kind]
            here.entered[kind] += 1
        token = _place.set(_Place((*here.parts, kind, number)))
        try:
            yield
        finally:
            _place.reset(token)

    def next_run(self) -> int:
        """A run id not used before in this session (from 1)."""
        return next(self._runs)

    def next_call(self) -> int:
        """Number of the next op call outside any run."""
        return next(self._calls)

    def _limit(self) -> asyncio.Semaphore:
        loop = asyncio.get_running_loop()
        limit = self._limits.get(loop)
        if limit is None:
            limit = self._limits[loop] = asyncio.Semaphore(self.concurrency)
        return limit

    def close(self) -> None:
        """Cancel what is under way on the portal, and stop its thread."""
        self.portal.close()

    def __enter__(self) -> Self:
        _open.set((*_open.get(), self))
        with self._lock:
            self._entered += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._leave():
            try:
                if error is None:
                    self.portal.settled().result()
            finally:
                self.close()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._leave():
            try:
                if error is None:
                    await asyncio.wrap_future(self.portal.settled())
            finally:
                self.close()

    def _leave(self) -> bool:
        """Go back to the session that was in force before; True if nobody else is inside this one."""
        stack = _open.get()
        if stack and stack[-1] is self:
            _open.set(stack[:-1])
        with self._lock:
            self._entered -= 1
            return self._entered == 0


def current_session() -> Session:
    """The session in force; a default one is made for this context if there is none."""
    stack = _open.get()
    if not stack:
        stack = (Session(),)
        _open.set(stack)
    return stack[-1]
