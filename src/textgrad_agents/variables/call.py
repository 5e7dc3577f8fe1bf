"""One application of an op: what it leaves in the graph, and what its backward is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from textgrad_agents.variables.gradient import Gradient, NumberTree

if TYPE_CHECKING:
    from textgrad_agents.interfaces import Critic
    from textgrad_agents.variables.variable import Variable

Path: TypeAlias = tuple[Any, ...]
"""Where a Variable stands within the arguments of a call: ``(argument, index, key, …)``."""
Input: TypeAlias = "tuple[Path, Variable[Any]]"


class CallID(tuple[int, int]):
    """Identity of an op call: ``(run id, number within the run)``."""

    __slots__ = ()

    def __new__(cls, run_id: int, fwd_id: int) -> CallID:
        """Make the pair."""
        return super().__new__(cls, (run_id, fwd_id))

    @property
    def run_id(self) -> int:
        """The run that the call belongs to; 0 is "no run"."""
        return self[0]

    @property
    def fwd_id(self) -> int:
        """The call's number within its run."""
        return self[1]


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


class OpCall:
    """One application of an op: what went in, and what its forward kept for its backward.

    Attributes:
        op: the op.
        input_args: variadic positional arguments, unwrapped (values, no Variables).
        input_kwargs: all other arguments by parameter name, unwrapped, and the op's own parameters.
        inputs: the Variables found in them, in order, each with its path.
        call_id: identity of the call.
        site: file and line of the user's code that made the call.
        kept: what forward and backward kept.
    """

    __slots__ = ("call_id", "input_args", "input_kwargs", "inputs", "kept", "op", "site")

    def __init__(self, op: BackwardOp, inputs: tuple[Input, ...], call_id: CallID, site: tuple[str, int]) -> None:
        self.op = op
        self.input_args: list[Any] = []
        self.input_kwargs: dict[str, Any] = {}
        self.inputs = inputs
        self.call_id = call_id
        self.site = site
        self.kept: dict[str, Any] | None = None

    def get(self, key: str, default: Any = None) -> Any:
        """What was kept under `key`."""
        return default if self.kept is None else self.kept.get(key, default)

    def update(self, key: str, value: Any) -> None:
        """Keep `value` under `key`."""
        if self.kept is None:
            self.kept = {}
        self.kept[key] = value

    def note(self, error: BaseException, where: str = "in") -> None:
        """Say in `error` which call it comes from."""
        note = f"{where} {self.op.name}, called at {self.site[0]}:{self.site[1]}"
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)

    def __repr__(self) -> str:
        return f"OpCall({self.op.name}, {self.site[0]}:{self.site[1]})"


class BackwardContext:
    """What a backward knows beside its inputs and the numeric gradient of its output.

    Attributes:
        call: the op call.
        output: the Variable that the call gave.
        words: what the output received in words, in order, to be handed on as it is.
        critic: who writes gradients in words, or None for the session's usual one.
    """

    __slots__ = ("call", "critic", "output", "words")

    def __init__(self, call: OpCall, output: Variable[Any], words: tuple[Gradient, ...], critic: Critic | None) -> None:
        self.call = call
        self.output = output
        self.words = words
        self.critic = critic

    @property
    def feedback(self) -> tuple[Gradient, ...]:
        """Downstream feedback on the output, in order; empty if the output itself is the objective."""
        return tuple(gradient for gradient in self.words if gradient.text)

    @property
    def is_objective(self) -> bool:
        """True if backward started at this output, or at one that hands the question on, and nothing was said of it."""
        return any(gradient.reward is None for gradient in self.words) and not self.feedback

    @property
    def rewards(self) -> tuple[Gradient, ...]:
        """What losses downstream say the output was worth, each once."""
        return tuple(gradient for gradient in self.words if gradient.reward is not None)

    @property
    def wanted(self) -> tuple[Input, ...]:
        """The inputs that want a gradient, in order, with their paths."""
        return tuple(item for item in self.call.inputs if item[1].requires_grad)

    def get(self, key: str, default: Any = None) -> Any:
        """What was kept under `key`."""
        return self.call.get(key, default)

    def update(self, key: str, value: Any) -> None:
        """Keep `value` under `key`."""
        self.call.update(key, value)
