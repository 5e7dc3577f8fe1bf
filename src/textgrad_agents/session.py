"""The defaults of a stretch of work: engines by role, critic, concurrency, seed, portal.

A Session lives in a contextvar, so it nests and is safe for tasks and threads; nothing is kept in modules. Code outside
any ``with Session(…)`` works in a default session of its own context.
"""

from __future__ import annotations

import asyncio
import itertools
import weakref
from collections.abc import Mapping, Sequence
from contextvars import ContextVar, Token
from types import TracebackType
from typing import TYPE_CHECKING, Self

from textgrad_agents.errors import ConfigError
from textgrad_agents.portal import Portal

if TYPE_CHECKING:
    from textgrad_agents.interfaces import Critic, Engine, EngineRole, GenerateOptions
    from textgrad_agents.messages import Completion, Message

DEFAULT_CONCURRENCY = 64

_current: ContextVar[Session] = ContextVar("textgrad_agents_session")


class Session:
    """Defaults for everything that runs inside ``with Session(…)`` or ``async with Session(…)``.

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
        self._tokens: list[Token[Session]] = []
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
        """Call an engine, no more than `concurrency` calls at once."""
        async with self._limit():
            return await engine.generate(messages, options)

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
        """Stop the portal thread."""
        self.portal.close()

    def __enter__(self) -> Self:
        self._tokens.append(_current.set(self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _current.reset(self._tokens.pop())
        if not self._tokens:
            self.close()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)


def current_session() -> Session:
    """The session in force; a default one is made for this context if there is none."""
    try:
        return _current.get()
    except LookupError:
        session = Session()
        _current.set(session)
        return session
