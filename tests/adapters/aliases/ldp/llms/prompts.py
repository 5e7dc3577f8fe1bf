from textgrad_agents.agents.modules.indentation import indent_xml
from textgrad_agents.agents.modules.packaging import append_to_sys, prepend_sys

__all__ = ["append_to_sys", "indent_xml", "prepend_sys"]
