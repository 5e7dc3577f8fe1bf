"""A function of Variables that returns a text or number, with a critic for its backward."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Mapping
from typing import Any

from textgrad_agents.compat.bridge import in_thread
from textgrad_agents.compat.textgrad.autograd.function import BackwardContext, OpFunction
from textgrad_agents.compat.textgrad.variable import Variable
from textgrad_agents.ops.string_function import StringBasedFunction as CoreStringBasedFunction

__all__ = ["BackwardContext", "StringBasedFunction"]


class StringBasedFunction(OpFunction):
    """Applies a function of the user's.

    Where an input is still being computed, the function runs as soon as it is there, on a thread of its own, one run
    at a time.

    Args:
        fn: gets the inputs as Variables by name; returns a text or a whole number.
        function_purpose: what it does, for the critic.
    """

    def __init__(self, fn: Callable[..., Any], function_purpose: str) -> None:
        self.fn = fn
        self.function_purpose = function_purpose
        self._one_at_a_time = threading.Lock()
        name = getattr(fn, "__name__", type(fn).__name__)
        self._op = _Applied(self._apply, function_purpose, name=name)

    def forward(self, inputs: Mapping[str, Variable], response_role_description: str | None = None) -> Variable:
        """Apply the function.

        Args:
            inputs: its arguments by name.
            response_role_description: role of the result.

        Raises:
            TypeError: the function has no such arguments.
        """
        inspect.signature(self.fn).bind(**inputs)
        role = response_role_description or f"output of a function that {self.function_purpose}"
        return Variable.of(self._op(inputs, role))

    def _apply(self, **inputs: Any) -> Any:
        """The function's result; later where an event loop runs here, which must not be held up."""
        arguments = {name: _shown(name, value) for name, value in inputs.items()}

        def run() -> str:
            with self._one_at_a_time:
                return Variable(self.fn(**arguments), role_description="result").value

        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return run()
        return in_thread(run)


class _Applied(CoreStringBasedFunction):
    portable = True


def _shown(name: str, value: Any) -> Any:
    """An input as the Variable that the function expects; what was no Variable stays as it is."""
    return Variable(value, requires_grad=False, role_description=name) if isinstance(value, str | bytes) else value
