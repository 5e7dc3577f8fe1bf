"""The order of a graph: inputs before what was made from them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from textgrad_agents.errors import CycleError

if TYPE_CHECKING:
    from textgrad_agents.variables.call import Input
    from textgrad_agents.variables.variable import Variable


def topological_order(root: Variable[Any], *, requiring_grad: bool = False) -> list[Variable[Any]]:
    """All Variables that `root` depends on, inputs before their consumers, root last; each once.

    The order is that of a depth-first walk that visits inputs in the order written, so it depends on the program alone.

    Args:
        root: the result to start from.
        requiring_grad: leave out Variables that require no gradient, and what lies behind them.

    Raises:
        CycleError: a Variable depends on itself.
    """
    order: list[Variable[Any]] = []
    listed = {id(root): False}  # False while what is below is being visited
    stack: list[tuple[Variable[Any], Iterator[Input]]] = [(root, inputs_of(root, requiring_grad))]
    while stack:
        variable, inputs = stack[-1]
        for _, child in inputs:
            if requiring_grad and not child.requires_grad:
                continue
            seen = listed.get(id(child))
            if seen is None:
                if child.call is None:
                    listed[id(child)] = True
                    order.append(child)
                    continue
                listed[id(child)] = False
                stack.append((child, iter(child.call.inputs)))
                break
            if not seen:
                raise CycleError(
                    f"{child!r} depends on itself (through {variable!r}); "
                    "an op call cannot take its own result as input"
                )
        else:
            stack.pop()
            listed[id(variable)] = True
            order.append(variable)
    return order


def inputs_of(variable: Variable[Any], requiring_grad: bool) -> Iterator[Input]:
    """The inputs of the call that made a Variable; none where a gradient is asked for and it requires none."""
    if variable.call is None or (requiring_grad and not variable.requires_grad):
        return iter(())
    return iter(variable.call.inputs)
