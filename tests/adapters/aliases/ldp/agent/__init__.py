from ldp import shims_of_objects  # noqa: F401 (patches)
from textgrad_agents.agents import (
    Agent,
    AgentConfig,
    HTTPAgentClient,
    MemoryAgent,
    ReActAgent,
    SimpleAgent,
    SimpleAgentState,
)
from training.agent_server import make_simple_agent_server

__all__ = [
    "Agent",
    "AgentConfig",
    "HTTPAgentClient",
    "MemoryAgent",
    "ReActAgent",
    "SimpleAgent",
    "SimpleAgentState",
    "make_simple_agent_server",
]
