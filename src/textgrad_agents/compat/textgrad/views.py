"""A Variable's gradients, contexts and predecessors as TextGrad keeps them: sets of Variables, here in order.

What is behind them is one tuple of `Gradient` and one op call per Variable. While a backward function written by hand
runs, it sees and changes an overlay instead, so that functions that run side by side do not meet.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, MutableMapping, MutableSet
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from textgrad_agents.variables.gradient import Gradient
from textgrad_agents.variables.variable import Variable as CoreVariable

if TYPE_CHECKING:
    from textgrad_agents.compat.textgrad.variable import Variable

_Core = CoreVariable[Any]
Overlay = dict[int, tuple[Gradient, ...]]

_overlay: ContextVar[Overlay | None] = ContextVar("textgrad_agents_gradients_overlay", default=None)


@contextmanager
def overlaid(overlay: Overlay) -> Generator[None]:
    """Within the block, gradients of the Variables in `overlay` (by `id`) are read and written there."""
    token = _overlay.set(overlay)
    try:
        yield
    finally:
        _overlay.reset(token)


def records(owner: CoreVariable[Any]) -> tuple[Gradient, ...]:
    """The gradients of `owner` as they are kept."""
    overlay = _overlay.get()
    if overlay is not None and id(owner) in overlay:
        return overlay[id(owner)]
    return _Core.gradients.__get__(owner)


def keep(owner: CoreVariable[Any], gradients: tuple[Gradient, ...]) -> None:
    """Replace the gradients of `owner`."""
    overlay = _overlay.get()
    if overlay is not None and id(owner) in overlay:
        overlay[id(owner)] = gradients
    else:
        _Core.set_gradients(owner, gradients, owner.grad)


def describe(owner: CoreVariable[Any], origin: str, used_as: str) -> None:
    """Say of the gradients of `owner` where they come from, where that is not said."""
    described: list[Gradient] = []
    for old in records(owner):
        described.append(new := old.described(origin, used_as))
        if new is not old and isinstance(owner.gradients, Gradients):
            owner.gradients.put(owner.gradients.shown(old), new)
    keep(owner, tuple(described))


class Gradients(MutableSet["Variable"]):
    """The feedback on a Variable as Variables, in order; an element also reads like the `Gradient` it stands for."""

    def __init__(self, owner: Variable) -> None:
        self._owner = owner
        self._shown: dict[int, Variable] = {}

    def __iter__(self) -> Iterator[Variable]:
        return iter([self.shown(record) for record in records(self._owner)])

    def __len__(self) -> int:
        return len(records(self._owner))

    def __contains__(self, value: object) -> bool:
        return any(one is value for one in self)

    def add(self, value: Variable) -> None:
        """Add feedback."""
        if value in self:
            return
        record = value.stands_for or Gradient(text=str(value.value))
        self.put(value, record)
        keep(self._owner, (*records(self._owner), record))

    def discard(self, value: Variable) -> None:
        """Take feedback away, if it is there."""
        kept = tuple(record for record in records(self._owner) if self.shown(record) is not value)
        keep(self._owner, kept)
        self._shown = {id(record): self._shown[id(record)] for record in kept if id(record) in self._shown}

    def update(self, *others: Iterable[Variable]) -> None:
        """Add all feedback of `others`."""
        for other in others:
            for value in other:
                self.add(value)

    def shown(self, record: Gradient) -> Variable:
        """The Variable that stands for `record`, the same each time."""
        shown = self._shown.get(id(record))
        if shown is None or shown.stands_for is not record:
            role = f"feedback to {self._owner.role_description}"
            shown = type(self._owner)(record.text or "", role_description=role)
            self.put(shown, record)
        return shown

    def put(self, variable: Variable, record: Gradient) -> None:
        """Let `variable` stand for `record`."""
        variable.stands_for = record
        self._shown[id(record)] = variable

    @classmethod
    def _from_iterable(cls, it: Iterable[Any]) -> set[Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return set(it)

    def __repr__(self) -> str:
        return "{" + ", ".join(map(repr, self)) + "}"


class Contexts(MutableMapping["Variable", dict[str, Any]]):
    """What an optimizer is told about each piece of feedback: ``context``, ``response_desc``, ``variable_desc``."""

    def __init__(self, owner: Variable) -> None:
        self._owner = owner

    def __getitem__(self, key: Variable) -> dict[str, Any]:
        record = key.stands_for
        if record is None or not record.context or key not in self._owner.gradients:
            raise KeyError(key)
        context = list(record.context) if isinstance(record.context, tuple) else record.context
        return {
            "context": context,
            "response_desc": record.used_as,
            "variable_desc": self._owner.role_description,
        }

    def __setitem__(self, key: Variable, value: Mapping[str, Any]) -> None:
        gradients = self._owner.gradients
        gradients.add(key)
        old = key.stands_for
        assert old is not None
        context = value.get("context", "")
        context = tuple(cast("list[Any]", context)) if isinstance(context, list) else context
        new = replace(old, context=context, used_as=value.get("response_desc", old.used_as))
        gradients.put(key, new)
        keep(self._owner, tuple(new if record is old else record for record in records(self._owner)))

    def __delitem__(self, key: Variable) -> None:
        self[key] = {"context": ""}

    def __iter__(self) -> Iterator[Variable]:
        return (one for one in self._owner.gradients if one.stands_for is not None and one.stands_for.context)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Predecessors(MutableSet["Variable"]):
    """What a Variable was made from: the inputs of its op call, in order, each once."""

    def __init__(self, owner: Variable) -> None:
        self._owner = owner

    def __iter__(self) -> Iterator[Variable]:
        call = self._owner.call
        inputs = () if call is None else call.inputs
        return iter({id(variable): cast("Variable", variable) for _, variable in inputs}.values())

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, value: object) -> bool:
        return any(one is value for one in self)

    def add(self, value: Variable) -> None:
        """Say that the Variable was made from `value` too."""
        if value not in self:
            self._owner.link((*self, value))

    def discard(self, value: Variable) -> None:
        """Cut the link to `value`, if there is one."""
        self._owner.link(tuple(one for one in self if one is not value))

    @classmethod
    def _from_iterable(cls, it: Iterable[Any]) -> set[Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return set(it)

    def __repr__(self) -> str:
        return "{" + ", ".join(map(repr, self)) + "}"
