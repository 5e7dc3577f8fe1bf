"""Text autograd: values with gradients in words, ops, optimizers, engines.

import textgrad_agents as ta

with ta.Session(engine=ta.make_engine("gpt-4o-mini")):
    prompt = ta.Variable("Answer the question.", role_description="system prompt")
    answer = ta.LLMCall(system_prompt=prompt)(ta.Variable("…", role_description="question", requires_grad=False))
    ta.TextLoss("Is the answer short and right?")(answer).backward()
    ta.TGD([prompt]).step()
"""

from textgrad_agents.engines import (
    ChatEngine,
    LLMConfig,
    Metered,
    Retried,
    RulebookEngine,
    ScriptedEngine,
    make_engine,
)
from textgrad_agents.errors import TextgradAgentsError
from textgrad_agents.interfaces import Critic, Engine, GenerateOptions
from textgrad_agents.messages import Completion, Message
from textgrad_agents.ops import (
    FormattedLLMCall,
    FxnOp,
    LLMCall,
    LLMCritic,
    Op,
    PromptOp,
    RewardLoss,
    TextLoss,
    concat,
    op,
)
from textgrad_agents.optim import TGD, Optimizer, TextualGradientDescent
from textgrad_agents.optim.acceptance import SequentialTest
from textgrad_agents.optimize import Feedback, optimize
from textgrad_agents.policy import read_policy_file
from textgrad_agents.session import Session
from textgrad_agents.trajectory import Episode, Step, Trajectory
from textgrad_agents.variables import Gradient, Variable, abackward, backward, compute_graph, no_grad

__all__ = [
    "TGD",
    "ChatEngine",
    "Completion",
    "Critic",
    "Engine",
    "Episode",
    "Feedback",
    "FormattedLLMCall",
    "FxnOp",
    "GenerateOptions",
    "Gradient",
    "LLMCall",
    "LLMConfig",
    "LLMCritic",
    "Message",
    "Metered",
    "Op",
    "Optimizer",
    "PromptOp",
    "Retried",
    "RewardLoss",
    "RulebookEngine",
    "ScriptedEngine",
    "SequentialTest",
    "Session",
    "Step",
    "TextLoss",
    "TextgradAgentsError",
    "TextualGradientDescent",
    "Trajectory",
    "Variable",
    "abackward",
    "backward",
    "compute_graph",
    "concat",
    "make_engine",
    "no_grad",
    "op",
    "optimize",
    "read_policy_file",
]
