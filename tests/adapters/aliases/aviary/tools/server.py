from envs.tool_server import make_tool_server

__all__ = ["make_tool_server"]
