"""`Variable` as TextGrad's programs know it, over ours.

What TextGrad keeps in sets of Variables is kept once, in order, and shown as such sets (see `views`).
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Callable, Iterable
from numbers import Integral
from pathlib import Path
from typing import Any, Self, cast

from textgrad_agents.compat.textgrad.by_hand import ByHand
from textgrad_agents.compat.textgrad.critic import critic_for
from textgrad_agents.compat.textgrad.picture import Picture
from textgrad_agents.compat.textgrad.views import Contexts, Gradients, Predecessors
from textgrad_agents.errors import ConfigError, GraphError
from textgrad_agents.ops.text import add
from textgrad_agents.variables import graph
from textgrad_agents.variables.gradient import Gradient, NumberTree
from textgrad_agents.variables.images import fetch_image
from textgrad_agents.variables.variable import Variable as CoreVariable

_GRADIENT_FIELDS = frozenset(Gradient.__dataclass_fields__)
_URL = re.compile(r"https?://", re.IGNORECASE)


class VariableTypeError(ConfigError, AssertionError):
    """A value is neither text nor image bytes nor a whole number."""


class Variable(CoreVariable[Any]):
    """A text or an image, with a role, gradients and what it was made from.

    Args:
        value: a text, the bytes of an image, or a whole number (kept as text).
        image_path: a file or URL whose bytes become the value.
        predecessors: what the value was made from, for functions that call `set_grad_fn` themselves.
        requires_grad: True if feedback on it is wanted.
        role_description: what the value is for, in words.

    Raises:
        VariableTypeError: the value is of another type (it is an AssertionError, as in TextGrad).
        ConfigError: both `value` and `image_path` are given, or an image is to require a gradient (a ValueError).
        GraphError: it requires no gradient and a predecessor does.
    """

    __slots__ = ("__dict__", "_reduce_meta", "_view", "stands_for")

    def __init__(
        self,
        value: Any = "",
        image_path: str | Path = "",
        predecessors: Iterable[Variable] | None = None,
        requires_grad: bool = True,
        *,
        role_description: str,
    ) -> None:
        if image_path:
            if value not in ("", None):
                raise ConfigError("give either a value or an image_path, not both")
            value = _load(str(image_path))
        if isinstance(value, Integral):
            value = str(value)
        if not isinstance(value, str | bytes):
            raise VariableTypeError(
                f"a Variable holds text, bytes or a whole number, got {value!r} of type {type(value).__name__}; "
                "write str(value)"
            )
        if requires_grad and isinstance(value, bytes):
            raise ConfigError(f"images cannot require a gradient ({role_description!r}); pass requires_grad=False")
        made_from = tuple(predecessors or ())
        if not requires_grad and any(one.requires_grad for one in made_from):
            raise GraphError(
                f"{role_description!r} requires no gradient and a predecessor does; pass requires_grad=True, or the "
                "predecessor's value to cut the graph there"
            )
        super().__init__(value, requires_grad=requires_grad, role_description=role_description)
        self._start()
        if made_from:
            self.link(made_from)

    @classmethod
    def of(cls, made: CoreVariable[Any]) -> Self:
        """The result of one of our ops as a Variable of this kind; `made` is to be forgotten."""
        pending = made._pending
        value = made._value if pending is None else None
        variable = cast(
            "Self",
            cls.result(made.call, value, pending=pending, role=made.role_description, requires_grad=made.requires_grad),
        )
        variable._start()
        return variable

    def _start(self) -> None:
        self._view: Gradients | None = None
        self._reduce_meta: list[Any] = []  # functions of users extend it; gradients are grouped otherwise here
        self.stands_for: Gradient | None = None

    # -- values and roles ----------------------------------------------------------------------------------------

    def get_value(self) -> Any:
        """The value."""
        return self.value

    def set_value(self, value: Any) -> None:
        """Change the value."""
        self.value = value

    def get_role_description(self) -> str:
        """The role description."""
        return self.role_description

    def set_role_description(self, role_description: str) -> None:
        """Change the role description."""
        self.role_description = role_description

    def get_short_value(self, n_words_offset: int = 10) -> str:
        """The first and last words of the value."""
        return self.short_value(n_words_offset)

    # -- gradients -----------------------------------------------------------------------------------------------

    @property
    def gradients(self) -> Gradients:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The feedback on it, as Variables; each also reads like the `Gradient` that it stands for."""
        if self._view is None:
            self._view = Gradients(self)
        return self._view

    @gradients.setter
    def gradients(self, values: Iterable[Variable]) -> None:
        kept = list(values)
        self.gradients.clear()
        self.gradients.update(kept)

    @property
    def gradients_context(self) -> Contexts:
        """What an optimizer is told about each piece of feedback, by gradient."""
        return Contexts(self)

    @gradients_context.setter
    def gradients_context(self, contexts: Any) -> None:
        for gradient, context in dict(contexts).items():
            self.gradients_context[gradient] = context

    def get_gradient_text(self) -> str:
        """All feedback, joined by line breaks."""
        return "\n".join(str(one.value) for one in self.gradients)

    def gradient_text(self) -> str:
        """All feedback, joined by line breaks."""
        return self.get_gradient_text()

    def reset_gradients(self) -> None:
        """Forget all feedback, with its contexts."""
        super().reset_gradients()
        self._view = None

    def add_gradient(self, gradient: Gradient | Variable) -> None:
        """Add feedback in either form."""
        if isinstance(gradient, Variable):
            self.gradients.add(gradient)
        else:
            super().add_gradient(gradient)

    def set_gradients(self, gradients: Iterable[Gradient | Variable], number: NumberTree = None) -> None:
        """Replace all feedback, in either form."""
        self.reset_gradients()
        super().set_gradients((), number)
        for gradient in gradients:
            self.add_gradient(gradient)

    def __getattr__(self, name: str) -> Any:
        """Fields of the Gradient that this Variable stands for, where it stands for one."""
        if name in _GRADIENT_FIELDS and self.stands_for is not None:
            return self.value if name == "text" else getattr(self.stands_for, name)
        return object.__getattribute__(self, name)  # raises as usual, or what the property of that name raised

    # -- graph ---------------------------------------------------------------------------------------------------

    @property
    def predecessors(self) -> Predecessors:
        """What it was made from."""
        return Predecessors(self)

    @predecessors.setter
    def predecessors(self, values: Iterable[Variable]) -> None:
        self.link(tuple(values))

    def link(self, predecessors: tuple[Variable, ...]) -> None:
        """Say what it was made from; a `grad_fn` stays."""
        made_by = self.call.op if self.call is not None else None
        self._make_by_hand(predecessors, made_by.grad_fn if isinstance(made_by, ByHand) else None)

    def _make_by_hand(self, predecessors: Iterable[Variable], grad_fn: Callable[..., Any] | None) -> None:
        distinct = list({id(one): one for one in predecessors}.values())
        self.call = ByHand(grad_fn).apply((), {"predecessors": distinct}).call

    @property
    def grad_fn(self) -> Any:
        """The backward function that was set, or the op that made it; None for a leaf."""
        if self.call is None:
            return None
        return self.call.op.grad_fn if isinstance(self.call.op, ByHand) else self.call.op

    @grad_fn.setter
    def grad_fn(self, grad_fn: Callable[..., Any] | None) -> None:
        self._make_by_hand(self.predecessors, grad_fn)

    def get_grad_fn(self) -> Any:
        """The backward function, or the op; see `grad_fn`."""
        return self.grad_fn

    def set_grad_fn(self, grad_fn: Callable[..., Any] | None) -> None:
        """Set the backward function: called with ``backward_engine=``, it adds to the predecessors' gradients."""
        self.grad_fn = grad_fn

    def generate_graph(self, print_gradients: bool = False) -> Picture:
        """A picture of what it was made from."""
        return Picture(self, gradients=print_gradients)

    def __add__(self, other: Any) -> Variable:
        """Both texts as one; the feedback on it goes to both."""
        return type(self).of(add(self, other))

    def __radd__(self, other: Any) -> Variable:
        """So that the built-in `sum` works too."""
        return self if type(other) is int and other == 0 else type(self).of(add(other, self))

    def backward(self, engine: Any = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Give feedback to all that this value was made from and that requires a gradient.

        Args:
            engine: who writes it: an engine of either kind, a name for `get_engine`, or one of our critics; the
                backward engine if None, or else the session's critic.

        Raises:
            ConfigError: there is none.
        """
        critic = critic_for(engine)
        self.reset_gradients()
        graph.backward(self, critic=critic)

    async def abackward(self, engine: Any = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The async form of `backward`."""
        critic = critic_for(engine)
        self.reset_gradients()
        await graph.abackward(self, critic=critic)

    def __repr__(self) -> str:
        if self.is_pending:
            return super().__repr__()
        return f"Variable(value={self.value}, role={self.role_description}, grads={self.gradients!r})"


def _load(path: str) -> bytes:
    if not _URL.match(path):
        return Path(path).read_bytes()
    if importlib.util.find_spec("httpx") is not None:  # as TextGrad does; a program may have set it up or replaced it
        return importlib.import_module("httpx").get(path).content
    return fetch_image(path)
