"""Runs: op calls made inside ``compute_graph()`` share a run id, so that records of several runs can be told apart."""

from __future__ import annotations

import itertools
from contextvars import ContextVar
from types import TracebackType
from typing import Self

from textgrad_agents.errors import GraphError
from textgrad_agents.session import current_session
from textgrad_agents.variables.call import CallID, Input, OpCall
from textgrad_agents.variables.scope import Scope


class _Run:
    """An open run: its id and the counter of its calls."""

    __slots__ = ("_calls", "run_id")

    def __init__(self) -> None:
        self.run_id = current_session().next_run()
        self._calls = itertools.count()

    def next_call(self) -> CallID:
        return CallID(self.run_id, next(self._calls))


_runs: ContextVar[tuple[_Run, ...]] = ContextVar("textgrad_agents_runs", default=())
"""The run of this context, once for each time it was entered."""

current_call: ContextVar[OpCall | None] = ContextVar("textgrad_agents_call", default=None)
"""The op call whose forward is running."""

_open_calls: ContextVar[tuple[CallID, ...]] = ContextVar("textgrad_agents_open_calls", default=())
"""What `op_call` opened in this context, once for each time it was entered."""


class compute_graph(Scope):
    """Opens a run: ``[async] with compute_graph():`` or ``@compute_graph()``. Inside an open run it changes nothing."""

    def __enter__(self) -> Self:
        runs = _runs.get()
        _runs.set((*runs, runs[-1] if runs else _Run()))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _runs.set(_runs.get()[:-1])


class op_call(Scope):
    """Gives code that is no op an identity of its own within the run, which `get_call_id` then tells.

    Inside the forward of an op, or another `op_call`, it changes nothing.

    Raises:
        GraphError: it is entered outside of all that, and no run is open.
    """

    def __enter__(self) -> Self:
        calls, call = _open_calls.get(), current_call.get()
        call_id = call.call_id if call is not None else calls[-1] if calls else _run().next_call()
        _open_calls.set((*calls, call_id))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _open_calls.set(_open_calls.get()[:-1])


def _run() -> _Run:
    runs = _runs.get()
    if not runs:
        raise GraphError("not inside compute graph context: no run is open; open one by `with compute_graph():`")
    return runs[-1]


def new_call_id() -> CallID:
    """Identity of the next op call; run 0 is "no run open"."""
    runs = _runs.get()
    return runs[-1].next_call() if runs else CallID(0, current_session().next_call())


def get_run_id() -> int:
    """The open run's id.

    Raises:
        GraphError: no run is open.
    """
    return _run().run_id


def running_call() -> OpCall:
    """The op call whose forward is running.

    Raises:
        GraphError: no forward is running here.
    """
    call = current_call.get()
    if call is None:
        raise GraphError("no op is running here; this belongs inside the forward of an op that was called")
    return call


def get_call_id() -> CallID:
    """Identity of the op call whose forward is running, or of the `op_call` that is open.

    Raises:
        GraphError: no forward is running here.
    """
    opened = _open_calls.get()
    return opened[-1] if opened and current_call.get() is None else running_call().call_id


def check_run(call_id: CallID, inputs: tuple[Input, ...], op: str) -> None:
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
