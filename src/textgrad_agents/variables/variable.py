"""Variable: a value with a role, gradients, and (unless it is a leaf) the op call that made it.

The graph lives in the results: a Variable holds its call, a call holds its input Variables, and nothing else knows
them. Drop the result and the graph is gone.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from textgrad_agents.errors import GraphError
from textgrad_agents.variables import graph
from textgrad_agents.variables.gradient import Gradient, NumberTree, add_numbers
from textgrad_agents.variables.pending import Pending

if TYPE_CHECKING:
    from textgrad_agents.interfaces import Critic
    from textgrad_agents.variables.call import OpCall

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
        GraphError: image bytes cannot require a gradient; `value` and `image_path` are both given; the value is a
            Variable itself.
        OSError: the image file cannot be read.
    """

    add: ClassVar[Callable[[Any, Any], Variable[Any]]]
    """What ``+`` does; the ops, which this room does not know, set it."""

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
        if isinstance(value, Variable):
            raise GraphError(f"the value of a Variable cannot be a Variable ({role_description!r}); use it as it is")
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
        pending = self._pending
        if pending is not None:
            self._settle(pending, pending.result())
        return self._value

    @value.setter
    def value(self, value: T) -> None:
        self._value = value
        self._pending = None

    @property
    def is_pending(self) -> bool:
        """True while the value is being computed."""
        return self._pending is not None and not self._pending.done()

    @property
    def is_there(self) -> bool:
        """True if reading the value neither waits nor fails."""
        return self._pending is None or self._pending.succeeded()

    def is_pending_on(self, loop: AbstractEventLoop | None) -> bool:
        """True while the value is being computed by `loop`."""
        return self._pending is not None and self._pending.loop is loop and not self._pending.done()

    def cancel(self) -> None:
        """Stop computing a pending value."""
        if self._pending is not None:
            self._pending.cancel()

    def __await__(self) -> Generator[Any, None, Variable[T]]:
        pending = self._pending
        if pending is not None:
            self._settle(pending, (yield from pending.wait().__await__()))
        return self

    def _settle(self, pending: Pending, value: Any) -> None:
        if isinstance(value, Variable):
            raise returned_variable(pending.call)
        if self._pending is pending:  # else another value was set meanwhile
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
        self.add_gradients((gradient,), gradient.number)

    def add_gradients(self, gradients: tuple[Gradient, ...], number: NumberTree = None) -> None:
        """Append those of `gradients` that say something in words, and add `number` to the numeric gradient."""
        if gradients:
            said = tuple(gradient for gradient in gradients if gradient.text)
            self._gradients = self._gradients + said if self._gradients else said
        if number is not None:
            self._number = add_numbers(self._number, number, self.name or self.role_description)

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
        graph.backward(self, critic=critic)

    async def abackward(self, critic: Critic | None = None) -> None:
        """The async form of `backward`."""
        await graph.abackward(self, critic=critic)

    def compute_grads(
        self, grad_output: NumberTree = None, backward_fns: Mapping[Any, graph.Backward] | None = None
    ) -> dict[str, Any]:
        """Run the backward of every op call below this value. See `graph.compute_grads`."""
        return graph.compute_grads(self, grad_output, backward_fns)

    # -- the graph -----------------------------------------------------------------------------------------------

    def traverse(
        self, topological_order: bool = True, filter_fn: Callable[[Variable[Any]], bool] | None = None
    ) -> list[Variable[Any]]:
        """This value and everything that it was made from, each once.

        Args:
            topological_order: every value comes before what it was made from; otherwise the nearest come first.
            filter_fn: leaves out the Variables for which it is false, but not what lies behind them.
        """
        found = graph.topological_order(self)[::-1] if topological_order else self._by_distance()
        return found if filter_fn is None else [one for one in found if filter_fn(one)]

    def _by_distance(self) -> list[Variable[Any]]:
        found: dict[int, Variable[Any]] = {id(self): self}
        queue: deque[Variable[Any]] = deque([self])
        while queue:
            call = queue.popleft().call
            for _, child in call.inputs if call is not None else ():
                if id(child) not in found:
                    found[id(child)] = child
                    queue.append(child)
        return list(found.values())

    def get_upstream_results(self, op_or_name: object) -> list[Variable[Any]]:
        """The results of an op (or of the ops of a name) that this value was made from, or is, the latest first."""

        def fits(variable: Variable[Any]) -> bool:
            return variable.call is not None and (
                variable.call.op is op_or_name or (isinstance(op_or_name, str) and variable.call.op.name == op_or_name)
            )

        return self.traverse(filter_fn=fits)

    # -- as a value ----------------------------------------------------------------------------------------------

    def short_value(self, n_words: int = 10) -> str:
        """The first and last `n_words` words of the value, for pictures and logs."""
        words = str(self.value).split(" ")
        if len(words) <= 2 * n_words:
            return " ".join(words)
        return " ".join(words[:n_words]) + " (...) " + " ".join(words[-n_words:])

    def __add__(self, other: Any) -> Variable[Any]:
        return Variable.add(self, other)

    def __radd__(self, other: Any) -> Variable[Any]:
        return Variable.add(other, self)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __str__(self) -> str:
        return str(self.value)

    def __repr__(self) -> str:
        return f"Variable({self._shown()}, role={self.role_description!r}, gradients={len(self._gradients)})"

    def _shown(self) -> str:
        if self._pending is not None:
            return "failed or not read yet" if self._pending.done() else "pending"
        text = repr(self._value)
        return text if len(text) <= 60 else text[:57] + "..."


def returned_variable(call: OpCall) -> GraphError:
    """The error of a forward that returned a Variable."""
    error = GraphError(
        f"the forward of {call.op.name} returned a Variable; an op computes with plain values: return its `.value` "
        "(which cuts the graph there), or call the ops from a plain function"
    )
    call.note(error)
    return error
