"""Runs: op calls made inside ``compute_graph()`` share a run id, so that records of several runs can be told apart."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Awaitable, Callable
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from textgrad_agents.errors import GraphError
from textgrad_agents.session import current_session
from textgrad_agents.variables.graph import CallID, OpCall

P = ParamSpec("P")
R = TypeVar("R")


class _Run:
    """An open run: its id and the counter of its calls."""

    __slots__ = ("_calls", "run_id")

    def __init__(self) -> None:
        self.run_id = current_session().next_run()
        self._calls = itertools.count()

    def next_call(self) -> CallID:
        return CallID(self.run_id, next(self._calls))


_run: ContextVar[_Run | None] = ContextVar("textgrad_agents_run", default=None)
current_call: ContextVar[OpCall | None] = ContextVar("textgrad_agents_call", default=None)
"""The op call whose forward is running."""


class compute_graph:
    """Open a run: ``with``/``async with compute_graph():`` or ``@compute_graph()``; inside an open run it changes nothing."""

    def __init__(self) -> None:
        self._tokens: list[Token[_Run | None] | None] = []

    def __enter__(self) -> Self:
        self._tokens.append(_run.set(_Run()) if _run.get() is None else None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        token = self._tokens.pop()
        if token is not None:
            _run.reset(token)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
        @functools.wraps(function)
        async def in_run(*args: P.args, **kwargs: P.kwargs) -> R:
            with compute_graph():
                return await function(*args, **kwargs)

        return in_run


def new_call_id() -> CallID:
    """Identity of the next op call; run 0 is "no run open"."""
    run = _run.get()
    return run.next_call() if run is not None else CallID(0, current_session().next_call())


def get_run_id() -> int:
    """The open run's id.

    Raises:
        GraphError: no run is open.
    """
    run = _run.get()
    if run is None:
        raise GraphError("no run is open; call this inside `async with compute_graph():`")
    return run.run_id


def get_call_id() -> CallID:
    """Identity of the op call whose forward is running.

    Raises:
        GraphError: no forward is running here.
    """
    call = current_call.get()
    if call is None:
        raise GraphError("no op is running here; call this inside an op's forward")
    return call.call_id


def check_run(call_id: CallID, inputs: tuple[Any, ...], op: str) -> None:
    """All results of ops that go into a call of an open run must come from that run.

    Raises:
        GraphError: one comes from another run.
    """
    for _, variable in inputs:
        made_by = variable.call
        if made_by is not None and made_by.call_id.run_id != call_id.run_id:
            raise GraphError(
                f"{op} got a result of run {made_by.call_id.run_id} inside run {call_id.run_id}; "
                "pass its value (`variable.value`) to cut the graph there, or open one run around both"
            )
