"""Op: a forward and a backward over plain values.

Calling an op finds the Variables in its arguments (also inside lists, tuples and dicts), runs `forward` on their values
and links the result to them. A forward that is plain code runs at once. An async forward gives a pending Variable: on the
session's portal thread where no loop is running or the op is `portable`, on the running loop otherwise.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, ClassVar, cast

from textgrad_agents.ops.signature import Signature
from textgrad_agents.session import current_session
from textgrad_agents.variables.gradient import Gradient, NumberTree
from textgrad_agents.variables.graph import BackwardContext, CallID, Input, OpCall
from textgrad_agents.variables.modes import is_recording
from textgrad_agents.variables.pending import Pending
from textgrad_agents.variables.runs import check_run, current_call, new_call_id
from textgrad_agents.variables.variable import Variable

Grads = tuple[list[Any], dict[str, Any]]
"""What a backward returns: gradients of the variadic positional arguments, and of all others by parameter name."""


class Op:
    """Base of all ops. Subclasses give `forward` and `backward`; both may be async.

    Attributes:
        name: shown in pictures, errors and gradients; the class name unless an instance sets its own.
        portable: True if the async forward may run on another event loop than the caller's.
        variable_type: what results are made of; an instance may set its own subclass of Variable.
    """

    name: str = "Op"
    portable: ClassVar[bool] = False
    variable_type: type[Variable[Any]] = Variable
    _signature: Signature

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = cls.__name__
        if "forward" in cls.__dict__:
            cls._signature = Signature(cls.forward, skip_self=True)

    # -- to be given by subclasses -------------------------------------------------------------------------------

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the value from plain values."""
        raise NotImplementedError(f"{type(self).__name__} must define forward")

    def backward(
        self,
        ctx: BackwardContext,
        input_args: list[Any],
        input_kwargs: dict[str, Any],
        grad_output: NumberTree,
        call_id: CallID,
    ) -> Any:
        """Gradients of the inputs, as `Grads`.

        A gradient is a number (or a tree of numbers), a text, a Gradient, or a tuple of Gradients; None stops there.

        Args:
            ctx: the call's record: what forward kept, the downstream feedback in words, the critic.
            input_args: the variadic positional arguments (values).
            input_kwargs: the other arguments by parameter name (values), and the op's own parameters.
            grad_output: numeric gradient of the output (0.0 where there is none).
            call_id: identity of the call.
        """
        raise NotImplementedError(f"{type(self).__name__} must define backward")

    def parameters(self) -> Mapping[str, Variable[Any]]:
        """The op's own Variables by attribute name: they are inputs of each of its calls."""
        return {}

    def output_role(self, inputs: tuple[Input, ...]) -> str:
        """Role description of the result."""
        return f"output of {self.name}"

    # -- calling -------------------------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Variable[Any]:
        """Apply the op."""
        return self.apply(args, kwargs)

    def apply(self, args: tuple[Any, ...], kwargs: dict[str, Any], *, role: str | None = None) -> Variable[Any]:
        """Apply the op to arguments that may be or hold Variables."""
        rest, named = self._signature.bind(args, kwargs)
        found: list[Input] = []
        waiting = False
        for key, value in (*enumerate(rest), *named.items()):
            if isinstance(value, Variable):
                found.append(((key,), cast("Variable[Any]", value)))
                waiting = waiting or value.is_pending
            elif isinstance(value, (list, tuple, dict)):
                waiting = _find(cast("Any", value), (key,), found) or waiting
        own = self.parameters()
        for key, value in own.items():
            found.append(((key,), value))
            waiting = waiting or value.is_pending
        inputs = tuple(found)
        recording = is_recording()
        call_id = new_call_id()
        if recording and call_id.run_id:
            check_run(call_id, inputs, self.name)
        call = OpCall(self, [], {}, inputs if recording else (), call_id, call_site())
        needs_grad = recording and any(variable.requires_grad for _, variable in inputs)
        output_role = role if role is not None else self.output_role(inputs)
        pending = None
        value = None
        work = self._forward_later(call, rest, named, own, inputs) if waiting else None
        if work is None:
            value = self._start(call, rest, named, own)
            if inspect.iscoroutine(value):
                work = _noted(value, call)
        if work is not None:
            session = current_session()
            value, pending = None, Pending(work, session, _loop_for(self))
        return self.variable_type.result(
            call if recording else None, value, pending=pending, role=output_role, requires_grad=needs_grad
        )

    def _start(
        self, call: OpCall, rest: tuple[Any, ...], named: dict[str, Any], own: Mapping[str, Variable[Any]]
    ) -> Any:
        """Unwrap the arguments and call forward; gives the value or a coroutine that will."""
        call.input_args = [_unwrap(value) for value in rest]
        arguments = {key: _unwrap(value) for key, value in named.items()}
        call.input_kwargs = {**arguments, **{key: one.value for key, one in own.items()}} if own else arguments
        token = current_call.set(call)
        try:
            return self._signature.call(self.forward, call.input_args, arguments)
        except Exception as error:
            _note(error, call)
            raise
        finally:
            current_call.reset(token)

    async def _forward_later(
        self,
        call: OpCall,
        rest: tuple[Any, ...],
        named: dict[str, Any],
        own: Mapping[str, Variable[Any]],
        inputs: tuple[Input, ...],
    ) -> Any:
        for _, variable in inputs:
            await variable
        value = self._start(call, rest, named, own)
        return await _noted(value, call) if inspect.iscoroutine(value) else value

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name})"


class FxnOp(Op):
    """A function as an op.

    Numbers do not flow through a function whose derivative is unknown, so its numeric gradient is zero; feedback in words
    is handed on to all inputs unchanged (straight through). Give `backward` to say better.

    Args:
        fxn: sync or async function of plain values.
        fxn_name: name to show; the function's own if None.
        backward: replaces the backward; called like `Op.backward`, without self.
    """

    def __init__(
        self, fxn: Callable[..., Any], fxn_name: str | None = None, backward: Callable[..., Any] | None = None
    ) -> None:
        self._fxn = fxn
        self._backward = backward
        self.name = fxn_name or getattr(fxn, "__name__", type(fxn).__name__)
        self._signature = Signature(fxn, skip_self=False)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self._fxn(*args, **kwargs)

    def backward(
        self,
        ctx: BackwardContext,
        input_args: list[Any],
        input_kwargs: dict[str, Any],
        grad_output: NumberTree,
        call_id: CallID,
    ) -> Any:
        if self._backward is not None:
            return self._backward(ctx, input_args, input_kwargs, grad_output, call_id)
        return straight_through(ctx, input_args, input_kwargs, 0.0)


def op(
    function: Callable[..., Any] | None = None, *, name: str | None = None, backward: Callable[..., Any] | None = None
) -> Any:
    """Make an op of a function: ``@op`` or ``@op(name="…", backward=…)``. See `FxnOp`."""
    if function is None:
        return functools.partial(op, name=name, backward=backward)
    made = FxnOp(function, name, backward)
    functools.update_wrapper(made, function, assigned=("__doc__", "__module__"), updated=())
    return made


def straight_through(
    ctx: BackwardContext, input_args: list[Any], input_kwargs: dict[str, Any], number: NumberTree
) -> Grads:
    """Every input receives the output's feedback in words unchanged, and `number` as its numeric gradient."""
    feedback = ctx.feedback

    def grad() -> Any:
        if not feedback:
            return number
        return feedback if number is None else (Gradient(number=number), *feedback)

    return [grad() for _ in input_args], {key: grad() for key in input_kwargs}


def _find(tree: Any, path: tuple[Any, ...], found: list[Input]) -> bool:
    """Collect the Variables inside nested lists, tuples and dicts; True if one of them is pending."""
    waiting = False
    items = cast("dict[Any, Any]", tree).items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items:
        if isinstance(value, Variable):
            found.append(((*path, key), cast("Variable[Any]", value)))
            waiting = waiting or value.is_pending
        elif isinstance(value, (list, tuple, dict)):
            waiting = _find(cast("Any", value), (*path, key), found) or waiting
    return waiting


def _unwrap(value: Any) -> Any:
    """The value with every Variable replaced by its value; trees without Variables are passed on as they are."""
    if isinstance(value, Variable):
        return cast("Variable[Any]", value).value
    if isinstance(value, dict):
        tree = cast("dict[Any, Any]", value)
        return {key: _unwrap(one) for key, one in tree.items()} if _holds_variable(tree) else tree
    if isinstance(value, (list, tuple)):
        items = cast("list[Any] | tuple[Any, ...]", value)
        return type(items)(_unwrap(one) for one in items) if _holds_variable(items) else items
    return value


def _holds_variable(tree: Any) -> bool:
    found: list[Input] = []
    _find(tree, (), found)
    return bool(found)


def _loop_for(op: Op) -> asyncio.AbstractEventLoop | None:
    """The loop that an async forward runs on; None is the portal."""
    if op.portable:
        return None
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


async def _noted(forward: Coroutine[Any, Any, Any], call: OpCall) -> Any:
    current_call.set(call)
    try:
        return await forward
    except Exception as error:
        _note(error, call)
        raise


def _note(error: BaseException, call: OpCall) -> None:
    note = f"in {call.op.name}, called at {call.site[0]}:{call.site[1]}"
    if note not in getattr(error, "__notes__", ()):
        error.add_note(note)


def call_site() -> tuple[str, int]:
    """File and line of the nearest caller outside this package."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("textgrad_agents."):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno
