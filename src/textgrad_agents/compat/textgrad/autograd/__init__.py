"""Functions of Variables by TextGrad's names."""

from textgrad_agents.compat.textgrad.autograd.function import Module
from textgrad_agents.compat.textgrad.autograd.functional import aggregate, sum
from textgrad_agents.compat.textgrad.autograd.llm_ops import (
    FormattedLLMCall,
    LLMCall,
    LLMCall_with_in_context_examples,
)
from textgrad_agents.compat.textgrad.autograd.multimodal_ops import MultimodalLLMCall, OrderedFieldsMultimodalLLMCall
from textgrad_agents.compat.textgrad.autograd.string_based_ops import StringBasedFunction

__all__ = [
    "FormattedLLMCall",
    "LLMCall",
    "LLMCall_with_in_context_examples",
    "Module",
    "MultimodalLLMCall",
    "OrderedFieldsMultimodalLLMCall",
    "StringBasedFunction",
    "aggregate",
    "sum",
]
