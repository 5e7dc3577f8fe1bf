"""Variable: a value with a role, gradients, and (unless it is a leaf) the op call that made it.

The graph lives in the results: a Variable holds its call, a call holds its input Variables, and nothing else knows them.
Drop the result and the graph is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from textgrad_agents.errors import GraphError
from textgrad_agents.variables.gradient import Gradient, NumberTree, add_numbers
from textgrad_agents.variables.pending import Pending

if TYPE_CHECKING:
    from textgrad_agents.interfaces import Critic
    from textgrad_agents.variables.graph import OpCall

T = TypeVar("T")


class Variable(Generic[T]):
    """A value in the graph.

    Args:
        value: text, image bytes, a number, a Message, or a JSON-like tree.
        image_path: a file whose bytes become the value (instead of `value`).
        requires_grad: True if feedback on this value is wanted. A leaf that requires a gradient is a parameter.
        role_description: what the value is for, in words; critics and optimizers read it.
        name: a short unique name for files and pictures.

    Raises:
        GraphError: image bytes cannot require a gradient; `value` and `image_path` are both given.
        OSError: the image file cannot be read.
    """

    __slots__ = (
        "__weakref__",
        "_gradients",
        "_number",
        "_pending",
        "_value",
        "call",
        "name",
        "requires_grad",
        "role_description",
    )

    def __init__(
        self,
        value: T | str = "",
        image_path: str | Path = "",
        *,
        requires_grad: bool = True,
        role_description: str,
        name: str = "",
    ) -> None:
        if image_path:
            if value != "":
                raise GraphError("give either a value or an image_path, not both")
            value = Path(image_path).read_bytes()  # type: ignore[assignment]
        if requires_grad and isinstance(value, bytes):
            raise GraphError(f"images cannot require a gradient ({role_description!r}); pass requires_grad=False")
        self._value: Any = value
        self._pending: Pending | None = None
        self._gradients: tuple[Gradient, ...] = ()
        self._number: NumberTree = None
        self.requires_grad = requires_grad
        self.role_description = role_description
        self.name = name
        self.call: OpCall | None = None

    @classmethod
    def result(
        cls, call: OpCall | None, value: Any, *, pending: Pending | None, role: str, requires_grad: bool
    ) -> Variable[Any]:
        """The Variable that an op call gives; for ops, not for users."""
        variable = cls.__new__(cls)
        variable._value = value
        variable._pending = pending
        variable._gradients = ()
        variable._number = None
        variable.requires_grad = requires_grad
        variable.role_description = role
        variable.name = ""
        variable.call = call
        return variable

    # -- value ---------------------------------------------------------------------------------------------------

    @property
    def value(self) -> T:
        """The value; waits for it if it is still being computed."""
        if self._pending is not None:
            self._settle(self._pending.result())
        return self._value

    @value.setter
    def value(self, value: T) -> None:
        self._value = value
        self._pending = None

    @property
    def is_pending(self) -> bool:
        """True while the value is being computed."""
        return self._pending is not None and not self._pending.done()

    def cancel(self) -> None:
        """Stop computing a pending value."""
        if self._pending is not None:
            self._pending.cancel()

    def __await__(self) -> Generator[Any, None, Variable[T]]:
        if self._pending is not None:
            self._settle((yield from self._pending.wait().__await__()))
        return self

    def _settle(self, value: Any) -> None:
        self._value = value
        self._pending = None

    # -- gradients -----------------------------------------------------------------------------------------------

    @property
    def is_leaf(self) -> bool:
        """True if no op made this value."""
        return self.call is None

    @property
    def gradients(self) -> tuple[Gradient, ...]:
        """Feedback in words, in a deterministic order."""
        return self._gradients

    @property
    def grad(self) -> NumberTree:
        """The summed numeric gradient, or None."""
        return self._number

    def add_gradient(self, gradient: Gradient) -> None:
        """Add one piece of feedback: words are appended, numbers are summed."""
        if gradient.text is not None:
            self._gradients = (*self._gradients, gradient)
        if gradient.number is not None:
            self._number = add_numbers(self._number, gradient.number, self.name or self.role_description)

    def set_gradients(self, gradients: tuple[Gradient, ...], number: NumberTree = None) -> None:
        """Replace all feedback."""
        self._gradients = gradients
        self._number = number

    def reset_gradients(self) -> None:
        """Forget all feedback."""
        self._gradients = ()
        self._number = None

    def gradient_text(self) -> str:
        """All feedback in words, joined by line breaks."""
        return "\n".join(gradient.text or "" for gradient in self._gradients)

    def backward(self, critic: Critic | None = None) -> None:
        """Write gradients to everything this value was made from. See `graph.backward`."""
        from textgrad_agents.variables.graph import backward

        backward(self, critic=critic)

    async def abackward(self, critic: Critic | None = None) -> None:
        """The async form of `backward`."""
        from textgrad_agents.variables.graph import abackward

        await abackward(self, critic=critic)

    def compute_grads(
        self, grad_output: NumberTree = None, backward_fns: Mapping[Any, Callable[..., Any]] | None = None
    ) -> dict[str, Any]:
        """Numeric and textual gradients of the whole graph below this value. See `graph.compute_grads`."""
        from textgrad_agents.variables.graph import compute_grads

        return compute_grads(self, grad_output, backward_fns)

    # -- as a value ----------------------------------------------------------------------------------------------

    def short_value(self, n_words: int = 10) -> str:
        """The first and last `n_words` words of the value, for pictures and logs."""
        words = str(self.value).split(" ")
        if len(words) <= 2 * n_words:
            return " ".join(words)
        return " ".join(words[:n_words]) + " (...) " + " ".join(words[-n_words:])

    def __bool__(self) -> bool:
        return bool(self.value)

    def __str__(self) -> str:
        return str(self.value)

    def __repr__(self) -> str:
        if self.is_pending:
            return f"Variable(pending, role={self.role_description!r})"
        if self._pending is not None:
            return f"Variable(failed or unread, role={self.role_description!r})"
        text = repr(self._value)
        shown = text if len(text) <= 60 else text[:57] + "..."
        return f"Variable({shown}, role={self.role_description!r}, gradients={len(self._gradients)})"
