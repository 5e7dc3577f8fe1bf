"""Op: a forward and a backward over plain values.

Calling an op finds the Variables in its arguments (also inside lists, tuples and dicts), runs `forward` on their values
and links the result to them. A forward that is plain code runs at once, or as soon as its inputs are there (beside the
portal, which it must not hold up; see `turns`). An async forward gives a pending Variable: on the session's portal
thread where no loop is running or the op is `portable`, on the running loop otherwise.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, ClassVar, TypeAlias

from textgrad_agents.ops.arguments import copied, find_variables, value_if_there, value_of
from textgrad_agents.ops.signature import Signature
from textgrad_agents.session import current_session
from textgrad_agents.variables.call import BackwardContext, CallID, Input, OpCall
from textgrad_agents.variables.gradient import Gradient, NumberTree
from textgrad_agents.variables.modes import is_recording
from textgrad_agents.variables.pending import Pending
from textgrad_agents.variables.runs import check_run, current_call, new_call_id
from textgrad_agents.variables.variable import Variable, returned_variable

Grads: TypeAlias = tuple[list[Any], dict[str, Any]]
"""What a backward returns: gradients of the variadic positional arguments, and of all others by parameter name."""

_ZERO = Gradient(number=0.0)


class Op:
    """Base of all ops. Subclasses give `forward` and `backward`; both may be async.

    Attributes:
        name: shown in pictures, errors and gradients; the class name unless an instance sets its own.
        portable: True if the async forward may run on another event loop than the caller's. Plain code always may.
    """

    name: str = "Op"
    portable: ClassVar[bool] = False

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
        For an argument that is a list or dict, a list or dict of gradients says what each value in it receives.

        Args:
            ctx: the call's record: what forward kept, the downstream feedback in words, the critic.
            input_args: the variadic positional arguments (values).
            input_kwargs: the other arguments by parameter name (values), and the op's own parameters.
            grad_output: numeric gradient of the output (0.0 where there is none).
            call_id: identity of the call.
        """
        raise NotImplementedError(f"{type(self).__name__} must define backward")

    def parameters(self) -> Mapping[str, Variable[Any]]:
        """The op's own Variables by attribute name: inputs of each of its calls, with the value they had then.

        A forward finds these values in ``running_call().input_kwargs``.
        """
        return {}

    def output_role(self, inputs: tuple[Input, ...]) -> str:
        """Role description of the result."""
        return f"output of {self.name}"

    # -- calling -------------------------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Variable[Any]:
        """Apply the op."""
        return self.apply(args, kwargs)

    def apply(self, args: tuple[Any, ...], kwargs: dict[str, Any], *, role: str | None = None) -> Variable[Any]:
        """Apply the op to arguments that may be or hold Variables.

        Raises:
            TypeError: the arguments do not fit the parameters of forward.
            GraphError: an argument is a result of another run than the open one, or forward returned a Variable.
        """
        try:
            rest, named = self._signature.bind(args, kwargs)
        except TypeError as error:
            error.add_note(f"in the arguments of {self.name}")
            raise
        own = self.parameters()
        if own and not own.keys().isdisjoint(named):
            raise TypeError(
                f"{self.name} got the arguments {sorted(own.keys() & named.keys())}, which name its parameters"
            )
        found: list[Input] = []
        for index, value in enumerate(rest):
            find_variables(value, (index,), found)
        for key, value in named.items():
            find_variables(value, (key,), found)
        for key, value in own.items():
            found.append(((key,), value))
        inputs = tuple(found)

        recording = is_recording()
        call_id = new_call_id()
        if recording and call_id.run_id:
            check_run(call_id, inputs, self.name)
        call = OpCall(self, inputs if recording else (), call_id, _site())
        needs_grad = waiting = False
        for _, variable in inputs:
            needs_grad = needs_grad or variable.requires_grad
            waiting = waiting or not variable.is_there  # what failed is told where the result is read

        value, pending = None, None
        if waiting:
            rest = tuple(copied(one, value_if_there) for one in rest)
            named = {key: copied(one, value_if_there) for key, one in named.items()}
            own = {key: copied(one, value_if_there) for key, one in own.items()}
            work = self._forward_later(call, rest, named, own, inputs)
            pending = self._pending(work, call, inputs, portable=self._runs_anywhere())
        else:
            value = self._start(call, rest, named, own)
            if inspect.iscoroutine(value):
                value, pending = None, self._pending(value, call, (), portable=self.portable)
        return Variable.result(
            call if recording else None,
            value,
            pending=pending,
            role=role if role is not None else self.output_role(inputs),
            requires_grad=needs_grad and recording,
        )

    def _start(self, call: OpCall, rest: tuple[Any, ...], named: dict[str, Any], own: Mapping[str, Any]) -> Any:
        """Unwrap the arguments and call forward; gives the value or a coroutine that will."""
        call.input_args = [copied(value, value_of) for value in rest]
        arguments = {key: copied(value, value_of) for key, value in named.items()}
        call.input_kwargs = (
            {**arguments, **{key: copied(one, value_of) for key, one in own.items()}} if own else arguments
        )
        token = current_call.set(call)
        try:
            value = self._signature.call(self.forward, call.input_args, arguments)
        except Exception as error:
            call.note(error)
            raise
        finally:
            current_call.reset(token)
        if isinstance(value, Variable):
            raise returned_variable(call)
        return value

    async def _forward_later(
        self,
        call: OpCall,
        rest: tuple[Any, ...],
        named: dict[str, Any],
        own: Mapping[str, Any],
        inputs: tuple[Input, ...],
    ) -> Any:
        for _, variable in inputs:
            await variable
        portal = current_session().portal
        if self._is_plain() and portal.is_current_thread():  # where it would hold up all other calls
            value = await portal.turns.run(functools.partial(self._start, call, rest, named, own))
        else:
            value = self._start(call, rest, named, own)
        return await value if inspect.iscoroutine(value) else value

    def _is_plain(self) -> bool:
        """True if forward is plain code."""
        return not inspect.iscoroutinefunction(self.forward)

    def _runs_anywhere(self) -> bool:
        """True if forward may run on any event loop: plain code may."""
        return self.portable or self._is_plain()

    def _pending(
        self, work: Coroutine[Any, Any, Any], call: OpCall, inputs: tuple[Input, ...], *, portable: bool
    ) -> Pending:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        if portable and not any(variable.is_pending_on(loop) for _, variable in inputs):
            loop = None
        token = current_call.set(call)  # the work sees the context of the moment when it is handed over
        try:
            return Pending(work, current_session().portal, loop, call)
        finally:
            current_call.reset(token)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name})"

    _signature = Signature(forward, skip_self=True)


class FxnOp(Op):
    """A function as an op.

    Numbers do not flow through a function whose derivative is unknown, so its numeric gradient is zero; feedback in
    words is handed on to all inputs unchanged (straight through). Give `backward` to say better.

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
        """The function's value."""
        return self._fxn(*args, **kwargs)

    def _is_plain(self) -> bool:
        return not inspect.iscoroutinefunction(self._fxn)

    def backward(
        self,
        ctx: BackwardContext,
        input_args: list[Any],
        input_kwargs: dict[str, Any],
        grad_output: NumberTree,
        call_id: CallID,
    ) -> Any:
        """The backward that was given, or words straight through and zeros."""
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
    grad = with_words(number, ctx.words)
    return [grad] * len(input_args), dict.fromkeys(input_kwargs, grad)


def with_words(number: NumberTree, words: tuple[Gradient, ...]) -> Any:
    """A numeric gradient and gradients in words as the gradient of one input."""
    if not words:
        return number
    if number is None:
        return words
    return (_ZERO if isinstance(number, float) and number == 0.0 else Gradient(number=number), *words)


def _site() -> tuple[str, int]:
    """File and line of the nearest caller outside this package."""
    frame = inspect.currentframe()
    while (
        frame is not None
        and frame.f_back is not None
        and frame.f_globals.get("__name__", "").startswith("textgrad_agents.")
    ):
        frame = frame.f_back
    return ("?", 0) if frame is None else (frame.f_code.co_filename, frame.f_lineno)
