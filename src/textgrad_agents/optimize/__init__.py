"""`optimize`: better prompts for a user's own program, from examples and a metric."""

from textgrad_agents.optimize.asking import asking
from textgrad_agents.optimize.data import read_examples, split
from textgrad_agents.optimize.doors import aoptimize, optimize
from textgrad_agents.optimize.gate import GateName
from textgrad_agents.optimize.metrics import Feedback, Metric, contains, exact
from textgrad_agents.optimize.result import Change, OptimizeResult, Round, Score
from textgrad_agents.optimize.running import Program

__all__ = [
    "Change",
    "Feedback",
    "GateName",
    "Metric",
    "OptimizeResult",
    "Program",
    "Round",
    "Score",
    "aoptimize",
    "asking",
    "contains",
    "exact",
    "optimize",
    "read_examples",
    "split",
]
