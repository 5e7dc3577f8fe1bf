"""Backward functions that users write themselves, as one of our ops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textgrad_agents.compat.bridge import in_thread
from textgrad_agents.compat.engine_lm import EngineLM, ServedEngine
from textgrad_agents.compat.textgrad.views import Overlay, describe, overlaid
from textgrad_agents.interfaces import Critic
from textgrad_agents.ops.base import Op
from textgrad_agents.session import current_session
from textgrad_agents.variables.call import BackwardContext, CallID
from textgrad_agents.variables.gradient import NumberTree


class ByHand(Op):
    """What made a Variable that was given ``predecessors=``, and perhaps a ``grad_fn``.

    Args:
        grad_fn: called with ``backward_engine=``; reads the result's gradients and adds to those of the predecessors.
            None lets nothing through.
    """

    def __init__(self, grad_fn: Callable[..., Any] | None) -> None:
        self.grad_fn = grad_fn
        self.name = str(getattr(grad_fn, "fn_name", None) or getattr(grad_fn, "__name__", "by hand"))

    def forward(self, predecessors: list[Any]) -> None:
        """Nothing: the value is there already."""

    async def backward(
        self,
        ctx: BackwardContext,
        input_args: list[Any],
        input_kwargs: dict[str, Any],
        grad_output: NumberTree,
        call_id: CallID,
    ) -> Any:
        """Run the function and collect what it adds."""
        grad_fn = self.grad_fn
        if grad_fn is None:
            return [], {}
        inputs = [variable for _, variable in ctx.call.inputs]
        overlay: Overlay = {id(variable): () for variable in inputs}
        overlay[id(ctx.output)] = ctx.feedback
        engine = engine_of(ctx.critic)
        with overlaid(overlay):
            await in_thread(lambda: grad_fn(backward_engine=engine))
            for variable in inputs:
                describe(variable, self.name, ctx.output.role_description)
        return [], {"predecessors": [overlay[id(variable)] or None for variable in inputs]}


def engine_of(critic: Critic | None) -> Any:
    """The engine that a backward function is called with: the one that the critic was made from, or the session's."""
    lent = getattr(critic, "lent", None)
    return lent if lent is not None else LateEngine()


class LateEngine(EngineLM):
    """The session's critic engine in TextGrad's form, looked up when it is called."""

    model_string = "session"

    def generate(self, prompt: Any, system_prompt: str | None = None, **kwargs: Any) -> str:
        """Answer `prompt`."""
        engine = current_session().engine("critic")
        return ServedEngine(engine, system_prompt="").generate(prompt, system_prompt, **kwargs)
