"""The graph and its backward walk.

Every op call's backward runs exactly once, after all its consumers. Calls whose backward is plain code run inline; those
that wait for a model run concurrently, so wall time follows the critical path. What each Variable receives is ordered by
the place of the use in the graph, never by which call finished first.
"""

from __future__ import annotations

import asyncio
import heapq
import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Protocol, cast

from textgrad_agents.errors import CycleError, GradientStructureError
from textgrad_agents.interfaces import Critic
from textgrad_agents.session import current_session
from textgrad_agents.variables.gradient import Gradient, NumberTree, add_numbers, as_gradient, map_numbers
from textgrad_agents.variables.variable import Variable

Backward = Callable[..., Any]
Input = tuple[tuple[Any, ...], Variable[Any]]  # path within the arguments, and the Variable there
Use = tuple[int, int]  # place of a use: (place of the consumer in the order, number of the input within it)


class BackwardOp(Protocol):
    """What the graph needs of an op."""

    name: str

    def backward(
        self,
        ctx: BackwardContext,
        input_args: list[Any],
        input_kwargs: dict[str, Any],
        grad_output: NumberTree,
        call_id: CallID,
    ) -> Any:
        """Gradients of the inputs: ``(list of positional gradients, dict of keyword gradients)``; may be async."""
        ...


class CallID(tuple[int, int]):
    """Identity of an op call: ``(run id, number within the run)``."""

    __slots__ = ()

    def __new__(cls, run_id: int, fwd_id: int) -> CallID:
        return super().__new__(cls, (run_id, fwd_id))

    @property
    def run_id(self) -> int:
        """The run that the call belongs to."""
        return self[0]

    @property
    def fwd_id(self) -> int:
        """The call's number within its run."""
        return self[1]


class OpCall:
    """One application of an op: what went in, and what its forward kept for its backward.

    Attributes:
        op: the op.
        input_args: variadic positional arguments, unwrapped (values, no Variables).
        input_kwargs: all other arguments by parameter name, unwrapped, and the op's own parameters.
        inputs: the Variables found in them, in order, each with its path ``(argument, index, key, …)``.
        call_id: identity of the call.
        site: file and line of the user's code that made the call.
        kept: what forward kept for backward.
    """

    __slots__ = ("call_id", "input_args", "input_kwargs", "inputs", "kept", "op", "site")

    def __init__(
        self,
        op: BackwardOp,
        input_args: list[Any],
        input_kwargs: dict[str, Any],
        inputs: tuple[Input, ...],
        call_id: CallID,
        site: tuple[str, int],
    ) -> None:
        self.op = op
        self.input_args = input_args
        self.input_kwargs = input_kwargs
        self.inputs = inputs
        self.call_id = call_id
        self.site = site
        self.kept: dict[str, Any] | None = None

    def get(self, key: str, default: Any = None) -> Any:
        """What forward kept under `key`."""
        return default if self.kept is None else self.kept.get(key, default)

    def update(self, key: str, value: Any) -> None:
        """Keep `value` under `key` for the backward."""
        if self.kept is None:
            self.kept = {}
        self.kept[key] = value

    def __repr__(self) -> str:
        return f"OpCall({self.op.name}, {self.site[0]}:{self.site[1]})"


class BackwardContext:
    """What a backward knows beside its inputs and the numeric gradient of its output.

    Attributes:
        call: the op call.
        output: the Variable that the call gave.
        feedback: downstream feedback on the output in words, in order; empty if the output is where backward started.
        critic: who writes gradients in words, or None.
    """

    __slots__ = ("call", "critic", "feedback", "output")

    def __init__(
        self, call: OpCall, output: Variable[Any], feedback: tuple[Gradient, ...], critic: Critic | None
    ) -> None:
        self.call = call
        self.output = output
        self.feedback = feedback
        self.critic = critic

    def get(self, key: str, default: Any = None) -> Any:
        """What forward kept under `key`."""
        return self.call.get(key, default)

    def update(self, key: str, value: Any) -> None:
        """Keep `value` under `key`."""
        self.call.update(key, value)

    @property
    def wanted(self) -> tuple[Input, ...]:
        """The inputs that want a gradient, in order, with their paths."""
        return tuple(item for item in self.call.inputs if item[1].requires_grad)


def topological_order(root: Variable[Any], enter: Callable[[Variable[Any]], bool] | None = None) -> list[Variable[Any]]:
    """All Variables that `root` depends on, inputs before their consumers, root last; each once.

    The order is that of a depth-first walk that visits inputs in the order written, so it depends on the program alone.

    Args:
        root: the result to start from.
        enter: where it gives False, a Variable is listed and its inputs are not entered.

    Raises:
        CycleError: a Variable depends on itself.
    """
    order: list[Variable[Any]] = []
    state: dict[int, bool] = {}  # False while below is being visited, True when listed
    stack: list[tuple[Variable[Any], Iterator[Variable[Any]]]] = []

    def inputs_of(variable: Variable[Any]) -> Iterator[Variable[Any]]:
        call = variable.call
        if call is None or (enter is not None and not enter(variable)):
            return iter(())
        return (child for _, child in call.inputs)

    state[id(root)] = False
    stack.append((root, inputs_of(root)))
    while stack:
        variable, children = stack[-1]
        for child in children:
            seen = state.get(id(child))
            if seen is None:
                if child.call is None:
                    state[id(child)] = True
                    order.append(child)
                    continue
                state[id(child)] = False
                stack.append((child, inputs_of(child)))
                break
            if not seen:
                raise CycleError(
                    f"{child!r} depends on itself (through {variable!r}); an op call cannot take its own result as input"
                )
        else:
            stack.pop()
            state[id(variable)] = True
            order.append(variable)
    return order


def backward(root: Variable[Any], *, critic: Critic | None = None) -> None:
    """Write gradients to everything `root` was made from that requires one.

    Gradients are added to those already there; `reset_gradients` (or an optimizer's `zero_grad`) forgets them. Where no
    parameter is upstream, no backward runs and no critic is asked.

    Args:
        root: the loss.
        critic: who writes gradients in words; the session's critic if None.

    Raises:
        PortalError: called inside an async op; use `abackward` there.
    """
    _ = root.value
    walk = _Walk(root, critic=critic, enter=lambda variable: variable.requires_grad)
    walk.run()


async def abackward(root: Variable[Any], *, critic: Critic | None = None) -> None:
    """The async form of `backward`."""
    await root
    walk = _Walk(root, critic=critic, enter=lambda variable: variable.requires_grad)
    await walk.arun()


def compute_grads(
    root: Variable[Any],
    grad_output: NumberTree = None,
    backward_fns: Mapping[Any, Backward] | None = None,
) -> dict[str, Any]:
    """Gradients of every op call below `root`, whether or not a parameter is upstream.

    Args:
        root: the result to start from.
        grad_output: numeric gradient of `root` itself; None seeds 0.0.
        backward_fns: replaces the backward of ops, looked up by op name, then class name, then class.

    Returns:
        The numeric gradient of each leaf by its name (role description where it has none).

    Raises:
        GradientStructureError: gradients of one value differ in structure, or an op names gradients of unknown inputs.
    """
    _ = root.value
    walk = _Walk(root, grad_output=0.0 if grad_output is None else grad_output, backward_fns=backward_fns)
    walk.run()
    return walk.leaf_grads()


async def acompute_grads(
    root: Variable[Any],
    grad_output: NumberTree = None,
    backward_fns: Mapping[Any, Backward] | None = None,
) -> dict[str, Any]:
    """The async form of `compute_grads`."""
    await root
    walk = _Walk(root, grad_output=0.0 if grad_output is None else grad_output, backward_fns=backward_fns)
    await walk.arun()
    return walk.leaf_grads()


class _Walk:
    """One backward pass: what is ready, what is under way, what each Variable has received so far."""

    def __init__(
        self,
        root: Variable[Any],
        *,
        grad_output: NumberTree = 0.0,
        critic: Critic | None = None,
        backward_fns: Mapping[Any, Backward] | None = None,
        enter: Callable[[Variable[Any]], bool] | None = None,
    ) -> None:
        self._session = current_session()
        self._critic = critic if critic is not None else self._session.critic
        self._backward_fns = backward_fns
        self._order = topological_order(root, enter)
        self._enter = enter
        self._place = {id(variable): index for index, variable in enumerate(self._order)}
        self._received: list[list[tuple[Use, Gradient]]] = [[] for _ in self._order]
        self._waiting_for = [0] * len(self._order)
        for variable in self._order:
            for child in self._entered_inputs(variable):
                self._waiting_for[self._place[id(child)]] += 1
        self._received[-1].append(((len(self._order), 0), Gradient(number=grad_output)))
        self._ready = [-(len(self._order) - 1)]  # a heap of negated places: the last in order first
        self._under_way: list[tuple[int, OpCall, Awaitable[Any]]] = []

    def _entered_inputs(self, variable: Variable[Any]) -> list[Variable[Any]]:
        if variable.call is None or (self._enter is not None and not self._enter(variable)):
            return []
        return [child for _, child in variable.call.inputs]

    # -- running -------------------------------------------------------------------------------------------------

    def run(self) -> None:
        self._advance()
        if self._under_way:
            self._session.portal.run(self._drive())

    async def arun(self) -> None:
        self._advance()
        if self._under_way:
            await self._drive()

    def _advance(self) -> None:
        """Run everything that is ready and needs no waiting; collect what has to be awaited."""
        while self._ready:
            place = -heapq.heappop(self._ready)
            variable = self._order[place]
            received = self._received[place]
            if len(received) > 1:
                received.sort(key=lambda item: item[0])
            for _, gradient in received:
                variable.add_gradient(gradient)
            call = variable.call
            if call is None or (self._enter is not None and not self._enter(variable)):
                continue
            if not received:
                self._deliver(place, call, None)
                continue
            try:
                result = self._start(call, variable, received)
            except Exception as error:
                _note(error, call)
                raise
            if inspect.isawaitable(result):
                self._under_way.append((place, call, result))
            else:
                self._deliver(place, call, result)

    def _start(self, call: OpCall, variable: Variable[Any], received: list[tuple[Use, Gradient]]) -> Any:
        number: NumberTree = None
        texts: list[Gradient] = []
        for _, gradient in received:
            if gradient.number is not None:
                number = add_numbers(number, gradient.number, variable.name or variable.role_description)
            if gradient.text is not None:
                texts.append(gradient)
        ctx = BackwardContext(call, variable, tuple(texts), self._critic)
        grad_output = 0.0 if number is None else number
        return self._backward_of(call)(ctx, call.input_args, call.input_kwargs, grad_output, call.call_id)

    async def _drive(self) -> None:
        """Await what is under way, as many at once as there are, and go on with what becomes ready."""
        tasks: dict[asyncio.Task[Any], tuple[int, OpCall]] = {}
        try:
            while self._under_way or tasks:
                for place, call, work in self._under_way:
                    tasks[asyncio.ensure_future(work)] = (place, call)  # type: ignore[index]
                self._under_way = []
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in sorted(done, key=lambda one: tasks[one][0]):
                    place, call = tasks.pop(task)
                    try:
                        result = task.result()
                    except Exception as error:
                        _note(error, call)
                        raise
                    self._deliver(place, call, result)
                self._advance()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # -- receiving and delivering --------------------------------------------------------------------------------

    def _backward_of(self, call: OpCall) -> Backward:
        fns = self._backward_fns
        if fns:
            op = call.op
            for key in (op.name, type(op).__name__, type(op)):
                if key in fns:
                    return fns[key]
        return call.op.backward

    def _deliver(self, place: int, call: OpCall, result: Any) -> None:
        """Hand what a backward returned to the inputs; inputs that have heard from all consumers become ready."""
        given = {} if result is None else _by_argument(call, result)
        used_as = self._order[place].role_description
        for number, (path, child) in enumerate(call.inputs):
            spot = self._place[id(child)]
            for gradient in _pick(given, path):
                self._received[spot].append(((place, number), gradient.described(call.op.name, used_as)))
            self._waiting_for[spot] -= 1
            if self._waiting_for[spot] == 0:
                heapq.heappush(self._ready, -spot)

    def leaf_grads(self) -> dict[str, Any]:
        grads: dict[str, Any] = {}
        for variable in self._order:
            if variable.call is None and variable.grad is not None:
                name = variable.name or variable.role_description
                grads[name] = add_numbers(grads.get(name), variable.grad, name)
        return grads


def _by_argument(call: OpCall, result: Any) -> dict[Any, Any]:
    """Check what a backward returned and index it by argument."""
    if not (isinstance(result, tuple) and len(cast("tuple[Any, ...]", result)) == 2):
        raise GradientStructureError(
            f"backward of {call.op.name} must return (list of positional gradients, dict of keyword gradients), got {result!r}"
        )
    positional, keyword = cast("tuple[list[Any], dict[str, Any]]", result)
    if len(positional) != len(call.input_args):
        raise GradientStructureError(
            f"Mismatch between grads returned by {call.op.name} and its inputs: "
            f"{len(positional)} positional gradients for {len(call.input_args)} positional arguments"
        )
    unknown = [key for key in keyword if key not in call.input_kwargs]
    if unknown:
        raise GradientStructureError(
            f"Mismatch between grads returned by {call.op.name} and its inputs: {unknown} are not among {list(call.input_kwargs)}"
        )
    given: dict[Any, Any] = dict(keyword)
    given.update(enumerate(positional))
    return given


def _pick(given: Mapping[Any, Any], path: tuple[Any, ...]) -> list[Gradient]:
    """The gradients for one input. A tree of the argument's structure is followed; anything else counts for the whole argument."""
    value = given.get(path[0])
    for step in path[1:]:
        if isinstance(value, dict) and step in cast("dict[Any, Any]", value):
            value = cast("dict[Any, Any]", value)[step]
        elif isinstance(value, list) and isinstance(step, int) and step < len(cast("list[Any]", value)):
            value = cast("list[Any]", value)[step]
    if (
        isinstance(value, tuple)
        and value
        and all(isinstance(item, Gradient) for item in cast("tuple[Any, ...]", value))
    ):
        return list(cast("tuple[Gradient, ...]", value))
    gradient = as_gradient(value)
    return [] if gradient is None else [gradient]


def _note(error: Exception, call: OpCall) -> None:
    error.add_note(f"in the backward of {call.op.name}, called at {call.site[0]}:{call.site[1]}")


def zeros_like(tree: NumberTree) -> NumberTree:
    """A tree of zeros with the structure of `tree`."""
    return map_numbers(tree, lambda _: 0.0)
