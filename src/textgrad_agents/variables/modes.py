"""Train and eval mode: whether ops are recorded in the graph. Kept per context, so tasks and threads differ freely."""

from __future__ import annotations

from contextvars import ContextVar
from types import TracebackType
from typing import Self

from textgrad_agents.variables.scope import Scope

_recording: ContextVar[tuple[bool, ...]] = ContextVar("textgrad_agents_recording", default=(True,))
"""The modes entered in this context, the one in force last."""


def is_recording() -> bool:
    """True in train mode (the default): ops link their results to their inputs."""
    return _recording.get()[-1]


class Mode(Scope):
    """A mode as a context manager (sync or async) and as a decorator (of sync or async functions)."""

    def __init__(self, *, recording: bool) -> None:
        self._value = recording

    def __enter__(self) -> Self:
        _recording.set((*_recording.get(), self._value))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _recording.set(_recording.get()[:-1])


def train_mode() -> Mode:
    """Record ops, inside ``[async] with …:`` or in the function that it decorates."""
    return Mode(recording=True)


def eval_mode() -> Mode:
    """Record nothing: results of ops are free-standing values that need no gradient."""
    return Mode(recording=False)


def no_grad() -> Mode:
    """Another name of eval mode, which users of torch know."""
    return Mode(recording=False)
