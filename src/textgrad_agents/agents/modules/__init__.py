"""Modules: parts of agents that are several ops long."""

from textgrad_agents.agents.modules.parsed_call import ParsedLLMCallModule
from textgrad_agents.agents.modules.parsing import parse_message
from textgrad_agents.agents.modules.react import ReActModule, ReActModuleSinglePrompt, ToolDescriptionMethods
from textgrad_agents.agents.modules.reflection import ReflectModule, ReflectModuleConfig
from textgrad_agents.agents.modules.thought import ThoughtModule

__all__ = [
    "ParsedLLMCallModule",
    "ReActModule",
    "ReActModuleSinglePrompt",
    "ReflectModule",
    "ReflectModuleConfig",
    "ThoughtModule",
    "ToolDescriptionMethods",
    "parse_message",
]
