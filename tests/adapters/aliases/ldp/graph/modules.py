from textgrad_agents.agents.modules import (
    ReActModule,
    ReActModuleSinglePrompt,
    ReflectModule,
    ReflectModuleConfig,
    ToolDescriptionMethods,
    parse_message,
)

__all__ = [
    "ReActModule",
    "ReActModuleSinglePrompt",
    "ReflectModule",
    "ReflectModuleConfig",
    "ToolDescriptionMethods",
    "parse_message",
]
