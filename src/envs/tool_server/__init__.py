"""A page that shows the tools of an environment as an agent sees them, and lets a person call them."""

from envs.tool_server.app import make_tool_server
from envs.tool_server.sessions import MakeEnvironment

__all__ = ["MakeEnvironment", "make_tool_server"]
