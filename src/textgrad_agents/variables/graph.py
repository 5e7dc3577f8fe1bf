"""Backward through a graph, for words and for numbers. How it is walked is said in `walk`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from textgrad_agents.variables.call import BackwardContext, CallID
from textgrad_agents.variables.gradient import NumberTree
from textgrad_agents.variables.order import topological_order
from textgrad_agents.variables.walk import OBJECTIVE, Walk

if TYPE_CHECKING:
    from textgrad_agents.interfaces import Critic
    from textgrad_agents.variables.variable import Variable

__all__ = ["Backward", "abackward", "acompute_grads", "backward", "compute_grads", "topological_order"]

Backward: TypeAlias = Callable[[BackwardContext, list[Any], dict[str, Any], NumberTree, CallID], Any]


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
    Walk(root, critic=critic, words=OBJECTIVE, requiring_grad=True).run()


async def abackward(root: Variable[Any], *, critic: Critic | None = None) -> None:
    """The async form of `backward`."""
    await root
    await Walk(root, critic=critic, words=OBJECTIVE, requiring_grad=True).arun()


def compute_grads(
    root: Variable[Any], grad_output: NumberTree = None, backward_fns: Mapping[Any, Backward] | None = None
) -> dict[str, Any]:
    """Run the backward of every op call below `root`, whether or not a parameter is upstream.

    Numbers start from `grad_output`. Words start where an op's backward returns some, so a critic is asked only where
    there is feedback for it to work on. Each call also keeps its own ``grad_output`` and ``grad_input``
    (``variable.call.get("grad_input")``).

    Args:
        root: the result to start from.
        grad_output: numeric gradient of `root` itself; None seeds 0.0.
        backward_fns: replaces the backward of ops, looked up by op name, then class name, then class.

    Returns:
        Numeric gradients of the leaves by name (by role description where they have none), and of the plain arguments
        of the call that made `root` by parameter name.

    Raises:
        GradientStructureError: gradients of one value differ in structure, or an op names gradients of unknown inputs.
    """
    _ = root.value
    walk = Walk(root, number=0.0 if grad_output is None else grad_output, backward_fns=backward_fns)
    walk.run()
    return walk.leaf_grads()


async def acompute_grads(
    root: Variable[Any], grad_output: NumberTree = None, backward_fns: Mapping[Any, Backward] | None = None
) -> dict[str, Any]:
    """The async form of `compute_grads`."""
    await root
    walk = Walk(root, number=0.0 if grad_output is None else grad_output, backward_fns=backward_fns)
    await walk.arun()
    return walk.leaf_grads()
