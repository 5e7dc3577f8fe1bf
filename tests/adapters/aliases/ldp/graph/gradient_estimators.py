from textgrad_agents.ops import (
    assign_constant_grads,
    assign_default_grads,
    llm_straight_through_estimator,
    stop_grad,
    straight_through_estimator,
    zero_estimator,
)
from textgrad_agents.ops.torch_op import TorchParamBackwardEstimator

__all__ = [
    "TorchParamBackwardEstimator",
    "assign_constant_grads",
    "assign_default_grads",
    "llm_straight_through_estimator",
    "stop_grad",
    "straight_through_estimator",
    "zero_estimator",
]
