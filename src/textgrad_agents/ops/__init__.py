"""Ops: forward and backward over plain values; calls of models, losses, critics, and what gradients pass through."""

from textgrad_agents.ops.base import FxnOp, Grads, Op, op
from textgrad_agents.ops.critic import NOTHING_TO_IMPROVE, LLMCritic
from textgrad_agents.ops.estimators import (
    assign_constant_grads,
    assign_default_grads,
    llm_straight_through_estimator,
    stop_grad,
    straight_through_estimator,
    zero_estimator,
)
from textgrad_agents.ops.feedback import criticised
from textgrad_agents.ops.flow import IdentityOp, StopGradOp
from textgrad_agents.ops.llm import FormattedLLMCall, LLMCall, LLMCall_with_in_context_examples
from textgrad_agents.ops.llm_op import LLMCallOp
from textgrad_agents.ops.logprob import logprob_at_temperature
from textgrad_agents.ops.losses import (
    ImageQALoss,
    MultiChoiceTestTime,
    MultiFieldEvaluation,
    MultiFieldTokenParsedEvaluation,
    TextLoss,
)
from textgrad_agents.ops.multimodal import MultimodalLLMCall, OrderedFieldsMultimodalLLMCall
from textgrad_agents.ops.parameters import ConfigOp, PromptOp
from textgrad_agents.ops.reduce import grouped, merge
from textgrad_agents.ops.reward import RewardLoss
from textgrad_agents.ops.string_function import StringBasedFunction
from textgrad_agents.ops.text import aggregate, concat, sum

__all__ = [
    "NOTHING_TO_IMPROVE",
    "ConfigOp",
    "FormattedLLMCall",
    "FxnOp",
    "Grads",
    "IdentityOp",
    "ImageQALoss",
    "LLMCall",
    "LLMCallOp",
    "LLMCall_with_in_context_examples",
    "LLMCritic",
    "MultiChoiceTestTime",
    "MultiFieldEvaluation",
    "MultiFieldTokenParsedEvaluation",
    "MultimodalLLMCall",
    "Op",
    "OrderedFieldsMultimodalLLMCall",
    "PromptOp",
    "RewardLoss",
    "StopGradOp",
    "StringBasedFunction",
    "TextLoss",
    "aggregate",
    "assign_constant_grads",
    "assign_default_grads",
    "concat",
    "criticised",
    "grouped",
    "llm_straight_through_estimator",
    "logprob_at_temperature",
    "merge",
    "op",
    "stop_grad",
    "straight_through_estimator",
    "sum",
    "zero_estimator",
]
