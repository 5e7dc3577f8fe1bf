"""`GuidanceEngine`: not offered; what it is for is done another way."""

from __future__ import annotations

from typing import Any

from textgrad_agents.errors import ConfigError


class GuidanceEngine:
    """In TextGrad, a local model under the package ``guidance``, whose replies follow a grammar.

    Raises:
        ConfigError: always; it says what to use.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise ConfigError(
            "GuidanceEngine is not offered; give any engine to GuidedTextualGradientDescent: an engine that follows "
            "JSON schemas is held to one, and the replies of any other are checked and repaired"
        )
