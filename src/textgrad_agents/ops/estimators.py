"""Gradient estimators: backwards for ops whose derivative nobody knows, to be given as `backward_fns`."""

from __future__ import annotations

from typing import Any, cast

from textgrad_agents.ops.base import Grads, with_words
from textgrad_agents.variables.call import BackwardContext, CallID
from textgrad_agents.variables.gradient import NumberTree, like_sequence, map_numbers


def straight_through_estimator(
    ctx: BackwardContext,
    input_args: list[Any],
    input_kwargs: dict[str, Any],
    grad_output: NumberTree,
    call_id: CallID,
    descend: bool = True,
) -> Grads:
    """Every input receives the output's numeric gradient (a number), and its words.

    With `descend`, every leaf of an input that is a tree receives it; otherwise (``functools.partial(…,
    descend=False)``) the input as a whole.
    """
    return _with_words(ctx, assign_constant_grads(input_args, input_kwargs, grad_output, descend))


def zero_estimator(
    ctx: BackwardContext,
    input_args: list[Any],
    input_kwargs: dict[str, Any],
    grad_output: NumberTree,
    call_id: CallID,
) -> Grads:
    """Every input receives zero, and the output's words: unbiased where nothing is known, and the walk goes on."""
    return _with_words(ctx, assign_constant_grads(input_args, input_kwargs, 0.0))


def stop_grad(
    ctx: BackwardContext,
    input_args: list[Any],
    input_kwargs: dict[str, Any],
    grad_output: NumberTree,
    call_id: CallID,
) -> Grads:
    """No input receives anything: the walk ends here."""
    return assign_constant_grads(input_args, input_kwargs, None, descend=False)


def llm_straight_through_estimator(
    ctx: BackwardContext,
    input_args: list[Any],
    input_kwargs: dict[str, Any],
    grad_output: NumberTree,
    call_id: CallID,
) -> Grads:
    """For calls of a model: the output's number for each field of the config, and for other inputs as a whole."""
    config = input_kwargs.get("config")
    positional, keyword = assign_constant_grads(input_args, input_kwargs, grad_output, descend=False)
    if config is not None:
        keyword["config"] = map_numbers(config, lambda _: grad_output)
    return _with_words(ctx, (positional, keyword))


def assign_constant_grads(
    input_args: list[Any], input_kwargs: dict[str, Any], value: NumberTree, descend: bool = True
) -> Grads:
    """The same gradient for all inputs.

    Args:
        input_args: positional inputs.
        input_kwargs: inputs by name.
        value: the gradient.
        descend: give it to every leaf of an input that is a tree, instead of to the input as a whole.
    """
    if not descend:
        return [value] * len(input_args), dict.fromkeys(input_kwargs, value)
    return map_numbers(input_args, lambda _: value), map_numbers(input_kwargs, lambda _: value)


def assign_default_grads(
    grads: Grads, input_args: list[Any], input_kwargs: dict[str, Any], default_grad_val: NumberTree = 0.0
) -> Grads:
    """`grads` in the full structure of the inputs, with `default_grad_val` at each leaf that they leave out."""
    positional, keyword = grads
    padded = [*positional, *[None] * (len(input_args) - len(positional))]
    return _filled(padded, input_args, default_grad_val), _filled(keyword, input_kwargs, default_grad_val)


def _filled(grad: Any, value: Any, default: NumberTree) -> Any:
    if isinstance(value, dict) and isinstance(grad, dict | None):
        given = cast("dict[Any, Any]", grad or {})
        return {key: _filled(given.get(key), one, default) for key, one in cast("dict[Any, Any]", value).items()}
    if isinstance(value, list | tuple) and isinstance(grad, list | tuple | None):
        values, grads = cast("list[Any] | tuple[Any, ...]", value), list(cast("list[Any]", grad or []))
        grads += [None] * (len(values) - len(grads))
        return like_sequence(values, [_filled(a, b, default) for a, b in zip(grads, values, strict=True)])
    return default if grad is None else grad


def _with_words(ctx: BackwardContext, grads: Grads) -> Grads:
    """Numeric gradients beside which the output's words are handed on."""
    if not ctx.words:
        return grads
    return [with_words(one, ctx.words) for one in grads[0]], {
        key: with_words(one, ctx.words) for key, one in grads[1].items()
    }
