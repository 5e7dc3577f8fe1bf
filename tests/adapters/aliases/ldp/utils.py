from textgrad_agents.agents.state import split_message_transitions
from textgrad_agents.transitions import discounted_returns
from training.rollouts.failures import format_error_details

__all__ = ["discounted_returns", "format_error_details", "split_message_transitions"]
