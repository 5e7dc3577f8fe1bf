"""Base classes of functions and modules that users write."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

from textgrad_agents.compat.textgrad.variable import Variable
from textgrad_agents.errors import ConfigError


class Function(ABC):
    """A function of Variables that can be gone back through.

    `forward` returns a Variable; one that it makes itself gets ``predecessors=`` and a ``grad_fn``, usually
    ``BackwardContext(backward_fn=self.backward, …)``.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Apply the function."""
        return self.forward(*args, **kwargs)

    @abstractmethod
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the result."""

    @abstractmethod
    def backward(self, *args: Any, **kwargs: Any) -> Any:
        """Add to the gradients of the predecessors."""


class OpFunction(Function):
    """A function that applies one of our ops, which knows its backward itself (``result.grad_fn``)."""

    def backward(self, *args: Any, **kwargs: Any) -> Any:
        """There is none to call or override.

        Raises:
            ConfigError: always; it says what to do instead.
        """
        raise ConfigError(
            f"{type(self).__name__} has no backward to call or override; write a Function whose forward makes a "
            "Variable with predecessors= and set_grad_fn(…)"
        )


class BackwardContext:
    """A backward function with its arguments; called with ``backward_engine=``, it does its work.

    Args:
        backward_fn: the function.
        args, kwargs: its arguments, but for ``backward_engine``.
    """

    def __init__(self, backward_fn: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self.backward_fn = backward_fn
        self.fn_name = f"{backward_fn.__module__}.{backward_fn.__qualname__}"
        self.args = args
        self.kwargs = kwargs

    def __call__(self, backward_engine: Any) -> Any:
        """Run the function."""
        return self.backward_fn(*self.args, **self.kwargs, backward_engine=backward_engine)

    def __repr__(self) -> str:
        return self.fn_name


class Module(ABC):
    """Something that is made of functions and may have parameters."""

    def parameters(self) -> list[Variable]:
        """Variables that may be optimized."""
        return []

    def zero_grad(self) -> None:
        """Forget all feedback on the parameters."""
        for parameter in self.parameters():
            parameter.reset_gradients()

    def named_parameters(self) -> Iterator[tuple[str, Variable]]:
        """Role description and parameter, for each."""
        for parameter in self.parameters():
            yield parameter.role_description, parameter

    @abstractmethod
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the result."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Apply the module."""
        return self.forward(*args, **kwargs)
