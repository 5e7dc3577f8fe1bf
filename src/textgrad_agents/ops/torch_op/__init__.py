"""Torch modules as ops, and many calls of one as a batch. Imports torch, so no façade imports it."""

from textgrad_agents.ops.torch_op.batching import AsyncTorchModule
from textgrad_agents.ops.torch_op.modes import torch_modes
from textgrad_agents.ops.torch_op.module import TorchOp, TorchParamBackwardEstimator

__all__ = ["AsyncTorchModule", "TorchOp", "TorchParamBackwardEstimator", "torch_modes"]
