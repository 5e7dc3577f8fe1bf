"""From a call's backward context to a critic's request, and from the critic's words to gradients."""

from __future__ import annotations

import re
from collections.abc import Coroutine, Iterable
from typing import Any, cast

from textgrad_agents.interfaces import Adapter, Critic, CriticInput, Criticism, CriticRequest
from textgrad_agents.messages import Message
from textgrad_agents.ops.base import Grads, with_words
from textgrad_agents.ops.critic import LLMCritic, says_nothing
from textgrad_agents.session import current_session
from textgrad_agents.variables.call import BackwardContext, OpCall, Path
from textgrad_agents.variables.gradient import Gradient, is_gradients

Named = tuple[str, Path]
"""An input that wants a gradient: its name in the request and its path."""


def criticised(
    ctx: BackwardContext,
    *,
    purpose: str,
    messages: Iterable[Message] = (),
    instruction: str = "",
    numbers: Grads | None = None,
) -> Grads | Coroutine[Any, Any, Grads]:
    """Gradients of an op's inputs as a critic writes them, beside their numeric gradients.

    One request is made for all inputs. None is made where no input wants a gradient, nothing was said of the output
    (unless it is the objective), or what was said is that there is nothing to improve.

    Args:
        ctx: what the op's backward got.
        purpose: what the op does, in words.
        messages: the conversation that was sent to a model, if the op called one.
        instruction: further advice to the critic.
        numbers: the numeric gradients; zeros if None.
    """
    numbers = zeros(ctx.call) if numbers is None else numbers
    feedback = tuple(one.text for one in ctx.feedback if one.text and not says_nothing(one.text))
    objective = ctx.is_objective and not says_nothing(str(ctx.output.value))
    inputs, named = _inputs(ctx.call)
    if not named or not (feedback or objective):
        return _with_rewards(ctx, numbers)
    request = CriticRequest(
        op=ctx.call.op.name,
        purpose=purpose,
        inputs=inputs,
        output=ctx.output.value,
        output_role=ctx.output.role_description,
        feedback=feedback,
        messages=tuple(messages),
        instruction=instruction,
    )
    return _asked(ctx, request, named, numbers)


def zeros(call: OpCall) -> Grads:
    """The numeric gradient of ops whose derivative is unknown."""
    return [0.0] * len(call.input_args), dict.fromkeys(call.input_kwargs, 0.0)


def usual_critic() -> Critic:
    """The session's critic; where it has none, one over its critic engine is made and kept."""
    session = current_session()
    if session.critic is None:
        session.critic = LLMCritic()
    return session.critic


async def _asked(ctx: BackwardContext, request: CriticRequest, named: list[Named], grads: Grads) -> Grads:
    critic = ctx.critic if ctx.critic is not None else usual_critic()
    criticisms = await critic.criticise(request)
    _spread(ctx.call, grads)
    for name, path in named:
        criticism = criticisms.get(name)
        if criticism is not None and not says_nothing(criticism.text):
            _place(grads, path, _gradient(ctx, criticism))
    return _with_rewards(ctx, grads)


def _with_rewards(ctx: BackwardContext, grads: Grads) -> Grads:
    """The gradients, beside which what losses said the output was worth goes on to all inputs but weights."""
    if not ctx.rewards:
        return grads
    weights = {path[0] for path, _ in ctx.call.inputs if isinstance(_at(ctx.call, path), Adapter)}

    def beside(grad: Any) -> Any:
        if isinstance(grad, dict):
            return {key: beside(one) for key, one in cast("dict[Any, Any]", grad).items()}
        return (*grad, *ctx.rewards) if is_gradients(grad) else with_words(grad, ctx.rewards)

    return [beside(one) for one in grads[0]], {
        key: one if key in weights else beside(one) for key, one in grads[1].items()
    }


def _gradient(ctx: BackwardContext, criticism: Criticism) -> Gradient:
    return Gradient(
        text=criticism.text,
        origin=ctx.call.op.name,
        context=criticism.context,
        used_as=ctx.output.role_description,
    )


def _place(grads: Grads, path: Path, gradient: Gradient) -> None:
    """Put the gradient of the value at `path` beside its number."""
    tree: Any = grads[0] if isinstance(path[0], int) else grads[1]
    for step in path[:-1]:
        tree = tree[step]
    tree[path[-1]] = with_words(tree[path[-1]], (gradient,))


def _spread(call: OpCall, grads: Grads) -> None:
    """Give each Variable inside an argument a zero of its own, in the place of the argument's."""
    for path, _ in call.inputs:
        tree: Any = grads[0] if isinstance(path[0], int) else grads[1]
        for step in path[:-1]:
            inner: Any = cast("Any", tree)[step] if isinstance(tree, list) or step in tree else None
            if not isinstance(inner, dict):
                inner = tree[step] = dict[Any, Any]()
            tree = cast("Any", inner)
        if len(path) > 1:
            tree.setdefault(path[-1], 0.0)


def _inputs(call: OpCall) -> tuple[tuple[CriticInput, ...], list[Named]]:
    """The inputs of a call as a critic sees them, with the values of the time of the call."""
    inputs: list[CriticInput] = []
    named: list[Named] = []
    taken: set[str] = set()
    linked: set[Any] = set()
    for path, variable in call.inputs:
        linked.add(path[0])
        if isinstance(_at(call, path), Adapter):
            continue  # weights are not words
        name = _free(".".join(str(step) for step in path), taken)
        inputs.append(CriticInput(name, variable.role_description, _at(call, path), variable.requires_grad))
        if variable.requires_grad:
            named.append((name, path))
    for argument, value in (*enumerate(call.input_args), *call.input_kwargs.items()):
        if argument not in linked and value is not None:
            inputs.append(CriticInput(_free(str(argument), taken), "", value, wanted=False))
    return tuple(inputs), named


def _free(name: str, taken: set[str]) -> str:
    """The name as a key that every provider's schemas allow, with the first number that makes it unique."""
    key = re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:56]
    free, number = key, 1
    while free in taken:
        number += 1
        free = f"{key}-{number}"
    taken.add(free)
    return free


def _at(call: OpCall, path: Path) -> Any:
    value: Any = call.input_args if isinstance(path[0], int) else call.input_kwargs
    for step in path:
        value = value[step]
    return value
