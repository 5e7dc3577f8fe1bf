"""Train and eval mode: whether ops are recorded in the graph. Kept per context, so tasks and threads do not disturb each other."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, Self, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])

_recording: ContextVar[bool] = ContextVar("textgrad_agents_recording", default=True)


def is_recording() -> bool:
    """True in train mode (the default): ops link their results to their inputs."""
    return _recording.get()


class _Mode:
    """A mode as a context manager (sync or async) and as a decorator (of sync or async functions)."""

    def __init__(self, recording: bool) -> None:
        self._value = recording
        self._tokens: list[Token[bool]] = []

    def __enter__(self) -> Self:
        self._tokens.append(_recording.set(self._value))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _recording.reset(self._tokens.pop())

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, function: F) -> F:
        value = self._value
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run_async(*args: Any, **kwargs: Any) -> Any:
                with _Mode(value):
                    return await function(*args, **kwargs)

            return cast("F", run_async)

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with _Mode(value):
                return function(*args, **kwargs)

        return cast("F", run)


def train_mode() -> _Mode:
    """Record ops: ``with train_mode(): …``, ``async with``, or ``@train_mode()``."""
    return _Mode(recording=True)


def eval_mode() -> _Mode:
    """Record nothing: results of ops are free-standing values that need no gradient."""
    return _Mode(recording=False)


def no_grad() -> _Mode:
    """Another name of `eval_mode`, as users of torch know it."""
    return _Mode(recording=False)
