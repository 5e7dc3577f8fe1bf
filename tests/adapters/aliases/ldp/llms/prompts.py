from textgrad_agents.agents.modules.packaging import append_to_sys, prepend_sys

__all__ = ["append_to_sys", "prepend_sys"]
