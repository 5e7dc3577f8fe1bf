from textgrad_agents.agents.state import split_message_transitions
from textgrad_agents.transitions import discounted_returns

__all__ = ["discounted_returns", "format_error_details", "split_message_transitions"]


def format_error_details(error: Exception) -> str:
    raise NotImplementedError("errors are told in the metadata of failed steps")
