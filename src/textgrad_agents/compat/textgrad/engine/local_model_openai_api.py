"""An OpenAI client of the user's own."""

from __future__ import annotations

from textgrad_agents.compat.client import ClientEngine


class ChatExternalClient(ClientEngine):
    """Asks a given client, which is used as it is; see `ClientEngine`."""
