"""Ops: forward and backward over plain values."""

from textgrad_agents.ops.base import FxnOp, Grads, Op, op

__all__ = ["FxnOp", "Grads", "Op", "op"]
