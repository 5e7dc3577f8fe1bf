"""One backward pass over a graph.

Every op call's backward runs exactly once, after all its consumers. Calls whose backward is plain code run inline;
those that wait for a model run concurrently, so wall time follows the critical path. What each Variable receives is
ordered by the place of the use in the graph, never by which call finished first, and is written when the walk is
complete: a backward that fails leaves no half-written gradients.
"""

from __future__ import annotations

import asyncio
import heapq
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any, cast

from textgrad_agents.errors import GradientStructureError
from textgrad_agents.session import current_session
from textgrad_agents.variables.call import BackwardContext, OpCall
from textgrad_agents.variables.gradient import Gradient, NumberTree, add_numbers, is_gradients
from textgrad_agents.variables.order import inputs_of, topological_order

if TYPE_CHECKING:
    from textgrad_agents.interfaces import Critic
    from textgrad_agents.variables.variable import Variable

OBJECTIVE = (Gradient(text="", origin="objective", used_as="objective"),)
"""What the result of a text program receives: it is the objective, and nothing has been said of it yet."""

_USE = itemgetter(0)


class Walk:
    """One backward pass: what is ready, what is under way, what each Variable has received so far.

    A Variable is known by its place in the topological order.
    """

    def __init__(
        self,
        root: Variable[Any],
        *,
        number: NumberTree = 0.0,
        words: tuple[Gradient, ...] = (),
        critic: Critic | None = None,
        backward_fns: Mapping[Any, Callable[..., Any]] | None = None,
        requiring_grad: bool = False,
    ) -> None:
        self._session = current_session()
        self._critic = critic if critic is not None else self._session.critic
        self._backward_fns = backward_fns
        self._requiring_grad = requiring_grad
        self._order = order = topological_order(root, requiring_grad=requiring_grad)
        self._place = place = {id(variable): index for index, variable in enumerate(order)}
        self._consumers = consumers = [0] * len(order)
        for variable in order:
            for _, child in inputs_of(variable, requiring_grad):
                if child.requires_grad or not requiring_grad:
                    consumers[place[id(child)]] += 1
        self._received: list[list[tuple[int, Any]] | None] = [None] * len(order)
        self._received[-1] = [(0, number), *((0, word) for word in words)]
        self._words: list[tuple[Gradient, ...]] = [()] * len(order)
        self._numbers: list[NumberTree] = [None] * len(order)
        self._ready = [1 - len(order)]  # a heap of negated places: the last in order first
        self._under_way: list[tuple[int, OpCall, Awaitable[Any]]] = []

    # -- running -------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Walk; what has to be awaited is awaited on the session's portal."""
        try:
            self._advance()
            if self._under_way:
                self._session.portal.run(self._drive())
        finally:
            self._discard()
        self._write()

    async def arun(self) -> None:
        """Walk on the loop that runs here."""
        try:
            self._advance()
            await self._drive()
        finally:
            self._discard()
        self._write()

    def _advance(self) -> None:
        """Run everything that is ready and needs no waiting; collect what has to be awaited."""
        while self._ready:
            place = -heapq.heappop(self._ready)
            received, self._received[place] = self._received[place], None
            variable = self._order[place]
            if received is not None:
                self._take_in(place, variable, received)
            call = variable.call
            if call is None or (self._requiring_grad and not variable.requires_grad):
                continue
            if received is None:
                self._deliver(place, call, None)
                continue
            try:
                result = self._start(place, call, variable)
            except Exception as error:
                call.note(error, "in the backward of")
                raise
            if result is not None and not isinstance(result, tuple) and inspect.isawaitable(result):
                self._under_way.append((place, call, result))
            else:
                self._deliver(place, call, result)

    def _take_in(self, place: int, variable: Variable[Any], received: list[tuple[int, Any]]) -> None:
        """Sum the numbers that a Variable received and list the words; words that came by several ways count once."""
        if len(received) > 1:
            received.sort(key=_USE)
        number: NumberTree = None
        words: list[Gradient] = []
        for _, item in received:
            if isinstance(item, Gradient):
                words.append(item)
            elif number is None:
                number = item
            else:
                number = add_numbers(number, item, variable.name or variable.role_description)
        self._numbers[place] = number
        if words:
            self._words[place] = tuple({id(word): word for word in words}.values()) if len(words) > 1 else (words[0],)

    def _start(self, place: int, call: OpCall, variable: Variable[Any]) -> Any:
        ctx = BackwardContext(call, variable, self._words[place], self._critic)
        number = self._numbers[place]
        number = 0.0 if number is None else number
        if self._backward_fns is None:
            return call.op.backward(ctx, call.input_args, call.input_kwargs, number, call.call_id)
        replaced = self._replaced(call, self._backward_fns)
        return replaced(ctx, call.input_args, call.input_kwargs, number, call.call_id)

    async def _drive(self) -> None:
        """Await what is under way, as many at once as there are, and go on with what becomes ready."""
        tasks: dict[asyncio.Future[Any], tuple[int, OpCall]] = {}
        try:
            while self._under_way or tasks:
                for place, call, work in self._under_way:
                    tasks[asyncio.ensure_future(work)] = (place, call)
                self._under_way = []
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in sorted(done, key=lambda one: tasks[one][0]):
                    place, call = tasks.pop(task)
                    try:
                        result = task.result()
                    except Exception as error:
                        call.note(error, "in the backward of")
                        raise
                    self._deliver(place, call, result)
                self._advance()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _discard(self) -> None:
        """Close what was collected and will not be awaited any more."""
        for _, _, work in self._under_way:
            if inspect.iscoroutine(work):
                work.close()

    def _replaced(self, call: OpCall, backward_fns: Mapping[Any, Callable[..., Any]]) -> Callable[..., Any]:
        op = call.op
        for key in (op.name, type(op).__name__, type(op)):
            if key in backward_fns:
                return backward_fns[key]
        return op.backward

    # -- delivering ----------------------------------------------------------------------------------------------

    def _deliver(self, place: int, call: OpCall, result: Any) -> None:
        """Hand what a backward returned to the inputs; inputs that have heard from all consumers become ready."""
        positional, keyword = _checked(call, result)
        if not self._requiring_grad:
            call.update("grad_output", self._numbers[place])
            call.update("grad_input", result)
        received, consumers = self._received, self._consumers
        use = place << 32
        described: dict[int, Gradient] = {}  # so that one gradient given to two inputs stays one
        for path, child in call.inputs:
            if self._requiring_grad and not child.requires_grad:
                continue
            spot = self._place[id(child)]
            argument = path[0]
            value = positional[argument] if isinstance(argument, int) else keyword.get(argument)
            if len(path) > 1 and value is not None:
                value = _follow(value, path, call)
            if value is not None:
                items = received[spot]
                if items is None:
                    items = received[spot] = []
                if isinstance(value, (Gradient, str)) or is_gradients(value):
                    self._add_words(place, call, value, use, items, described)
                else:
                    items.append((use, value))
            use += 1
            consumers[spot] -= 1
            if not consumers[spot]:
                heapq.heappush(self._ready, -spot)

    def _add_words(
        self,
        place: int,
        call: OpCall,
        value: Gradient | str | tuple[Gradient, ...],
        use: int,
        items: list[tuple[int, Any]],
        described: dict[int, Gradient],
    ) -> None:
        role = self._order[place].role_description
        if isinstance(value, str):
            items.append((use, Gradient(text=value, origin=call.op.name, used_as=role)))
            return
        for one in value if isinstance(value, tuple) else (value,):
            if one.number is not None:
                items.append((use, one.number))
            if one.reward is not None:
                items.append((use, one))
            elif one.text is not None:
                word = described.get(id(one))
                if word is None:
                    word = described[id(one)] = one.described(call.op.name, role)
                items.append((use, word))

    def _write(self) -> None:
        """Add what was received to the Variables."""
        for place, variable in enumerate(self._order):
            number, words = self._numbers[place], self._words[place]
            if (number is not None or words) and (variable.requires_grad or not self._requiring_grad):
                variable.add_gradients(words, number)

    def leaf_grads(self) -> dict[str, Any]:
        """What leaves, and plain arguments of the last call, received in numbers, by name."""
        grads: dict[str, Any] = {}

        def add(name: str, number: NumberTree) -> None:
            same, count = name, 1
            while same in grads:
                count += 1
                same = f"{name} #{count}"
            grads[same] = number

        for variable, number in zip(self._order, self._numbers, strict=True):
            if variable.call is None and number is not None:
                add(variable.name or variable.role_description, number)
        last = self._order[-1].call
        if last is not None:
            linked = {path[0] for path, _ in last.inputs}
            _, keyword = _checked(last, last.get("grad_input"))
            for argument, value in keyword.items():
                number = _number(value)
                if argument not in linked and number is not None:
                    add(argument, number)
        return grads


def _number(value: Any) -> NumberTree:
    """The numbers in the gradient of one argument."""
    if isinstance(value, Gradient):
        return value.number
    if is_gradients(value):
        return next((one.number for one in value if one.number is not None), None)
    return None if isinstance(value, str) else value


def _checked(call: OpCall, result: Any) -> tuple[list[Any], dict[str, Any]]:
    """What a backward returned, if it has the form of its call's arguments."""
    if result is None:
        return [None] * len(call.input_args), {}
    if not (isinstance(result, tuple) and len(cast("tuple[Any, ...]", result)) == 2):
        raise GradientStructureError(
            f"backward of {call.op.name} must return (list of positional gradients, dict of keyword gradients), "
            f"got {result!r}"
        )
    positional, keyword = cast("tuple[list[Any], dict[str, Any]]", result)
    if len(positional) != len(call.input_args):
        raise GradientStructureError(
            f"Mismatch between grads returned by {call.op.name} and its inputs: "
            f"{len(positional)} positional gradients for {len(call.input_args)} positional arguments"
        )
    if not keyword.keys() <= call.input_kwargs.keys():
        unknown = [key for key in keyword if key not in call.input_kwargs]
        raise GradientStructureError(
            f"Mismatch between grads returned by {call.op.name} and its inputs: "
            f"{unknown} are not among {list(call.input_kwargs)}"
        )
    return positional, keyword


def _follow(value: Any, path: tuple[Any, ...], call: OpCall) -> Any:
    """The gradient at `path` within an argument's gradient.

    A dict, list or tuple is the argument's own structure and is followed; words count for all of the argument.
    """
    for depth, step in enumerate(path[1:], 1):
        if isinstance(value, Gradient):
            value = (value,)
        if isinstance(value, dict):
            value = cast("dict[Any, Any]", value).get(step)
        elif is_gradients(value):
            rest = (path[0], *path[depth:])
            return tuple(
                one if one.number is None else replace(one, number=_follow(one.number, rest, call)) for one in value
            )
        elif isinstance(value, (list, tuple)):
            items = cast("list[Any] | tuple[Any, ...]", value)
            if not (isinstance(step, int) and step < len(items)):
                raise GradientStructureError(
                    f"Mismatched gradient structures: {call.op.name} returned {len(items)} gradients for "
                    f"argument {path[0]!r}, which has a value at {path[1:]}"
                )
            value = items[step]
        else:
            break
    return value
