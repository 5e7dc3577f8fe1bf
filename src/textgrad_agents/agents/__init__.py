"""Agents: what decides on actions."""

from textgrad_agents.agents.base import Agent, AgentConfig
from textgrad_agents.agents.interactive import InteractiveAgent
from textgrad_agents.agents.react import ReActAgent
from textgrad_agents.agents.remembering import MemoryAgent
from textgrad_agents.agents.remote import HTTPAgentClient
from textgrad_agents.agents.simple import NoToolsSimpleAgent, SimpleAgent
from textgrad_agents.agents.state import HiddenEnvStateMessage, SimpleAgentState
from textgrad_agents.agents.tool_selector import ToolSelector, ToolSelectorLedger
from textgrad_agents.agents.tree_of_thoughts import TreeofThoughtsAgent

__all__ = [
    "Agent",
    "AgentConfig",
    "HTTPAgentClient",
    "HiddenEnvStateMessage",
    "InteractiveAgent",
    "MemoryAgent",
    "NoToolsSimpleAgent",
    "ReActAgent",
    "SimpleAgent",
    "SimpleAgentState",
    "ToolSelector",
    "ToolSelectorLedger",
    "TreeofThoughtsAgent",
]
