from textgrad_agents.agents import HiddenEnvStateMessage, NoToolsSimpleAgent, SimpleAgent, SimpleAgentState

__all__ = ["HiddenEnvStateMessage", "NoToolsSimpleAgent", "SimpleAgent", "SimpleAgentState"]
