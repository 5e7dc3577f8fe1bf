from textgrad_agents.ops.torch_op import TorchOp

__all__ = ["TorchOp"]
