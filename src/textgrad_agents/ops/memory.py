"""MemoryOp: memories as inputs of what is decided with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textgrad_agents.memory import Memory, MemoryModel, VectorMemoryModel
from textgrad_agents.ops.base import Op, straight_through
from textgrad_agents.variables.call import BackwardContext, CallID, Input, OpCall
from textgrad_agents.variables.gradient import NumberTree
from textgrad_agents.variables.runs import running_call
from textgrad_agents.variables.variable import Variable


class MemoryOp(Op):
    """Finds memories: ``op(query, input=…, matches=3)`` gives a list of them.

    Feedback on what was found goes to the query and to the memory itself, a leaf Variable whose value is the model.
    The call keeps ``query`` and ``memory_input``.

    Args:
        memory_model: where to look; a new one that counts words if None.

    Attributes:
        memory: the model as a leaf Variable.
    """

    def __init__(self, memory_model: MemoryModel | None = None) -> None:
        model = VectorMemoryModel() if memory_model is None else memory_model
        self.memory: Variable[MemoryModel] = Variable(model, role_description="memory of earlier attempts")

    @property
    def memory_model(self) -> MemoryModel:
        """Where it looks."""
        return self.memory.value

    def parameters(self) -> Mapping[str, Variable[Any]]:
        """The memory."""
        return {"memory": self.memory}

    async def forward(
        self, query: str, input: str | None = None, matches: int = MemoryModel.DEFAULT_MEMORY_MATCHES
    ) -> list[Memory]:
        """The memories nearest to `query`.

        Args:
            query: what to look for.
            input: what was seen, if that is not the query; it is stored with a memory made of this call.
            matches: most memories to find.
        """
        call = running_call()
        call.update("query", query)
        call.update("memory_input", input)
        return await call.input_kwargs["memory"].get_memory(query, matches)

    def output_role(self, inputs: tuple[Input, ...]) -> str:
        """Role of what was found."""
        return "memories that were found"

    def backward(
        self,
        ctx: BackwardContext,
        input_args: list[Any],
        input_kwargs: dict[str, Any],
        grad_output: NumberTree,
        call_id: CallID,
    ) -> Any:
        """Words straight through; numbers are zero."""
        return straight_through(ctx, input_args, input_kwargs, 0.0)


def memory_of(
    found: OpCall, output: object, value: float | str, *, template: str | None = None, **metadata: Any
) -> Memory:
    """The memory of a decision that was made with memories.

    Args:
        found: the call of the `MemoryOp`.
        output: what was decided.
        value: what it was worth.
        template: how the memory is written in words.
        metadata: further facts.
    """
    settings: dict[str, Any] = {} if template is None else {"template": template}
    return Memory(
        query=found.get("query"),
        input=found.get("memory_input"),
        output=str(output),
        value=value,
        metadata=metadata,
        run_id=found.call_id.run_id or None,
        **settings,
    )
