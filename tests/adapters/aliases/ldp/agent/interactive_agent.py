from textgrad_agents.agents import InteractiveAgent

__all__ = ["InteractiveAgent"]
