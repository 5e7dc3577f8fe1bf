"""`ChatEngine`: a model behind an OpenAI-compatible Chat Completions address.

One call is one HTTP request: no retries (see `Retried`), no redirects, the key to the configured host alone. `openai`
is imported on the first call.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from textgrad_agents.engines.base import PerLoop
from textgrad_agents.engines.connection import connect
from textgrad_agents.engines.faults import connection_fault, status_fault, timeout_fault
from textgrad_agents.engines.models.config import LLMConfig
from textgrad_agents.engines.models.pricing import cost_of
from textgrad_agents.engines.parameters import parameters
from textgrad_agents.engines.wire import read_completion, request_body
from textgrad_agents.interfaces import DEFAULT_OPTIONS, GenerateOptions
from textgrad_agents.messages import Completion, Message, Usage

_log = logging.getLogger(__name__)


class ChatEngine:
    """A model behind a Chat Completions address.

    Usable from several event loops; the connections of a loop are closed when the loop ends, the engine is dropped, or
    by `aclose`. Copies made by pickle have the config without an inline key.

    Args:
        config: which model, where, with which defaults.
    """

    def __init__(self, config: LLMConfig) -> None:
        self.config = config
        self._connections = PerLoop(partial(connect, config))
        self._told: set[str] = set()

    def __reduce__(self) -> tuple[type[ChatEngine], tuple[LLMConfig]]:
        return type(self), (self.config,)

    def __repr__(self) -> str:
        return f"ChatEngine({self.config.name!r})"

    @property
    def name(self) -> str:
        """The config's name."""
        return self.config.name

    @property
    def structured(self) -> bool:
        """True if the model follows a response schema."""
        return self.config.structured

    def cost(self, usage: Usage) -> float | None:
        """USD for `usage`, or None if the model's price is not known."""
        return cost_of(self.config, usage)

    async def generate(self, messages: Sequence[Message], options: GenerateOptions = DEFAULT_OPTIONS) -> Completion:
        """Answer `messages`. `Completion.details` holds the parameters that were sent.

        Raises:
            ConfigError: the key may not be sent to the configured address.
            EngineError: no usable answer.
        """
        self.config.get_api_key()  # a missing key is said before anything is sent
        sampling, dropped = parameters(self.config, options)
        self._tell(dropped)
        text = await self._post(request_body(self.config, messages, options, sampling))
        completion = read_completion(text, self.config, messages)
        return replace(completion, details={"parameters": sampling, **completion.details})

    async def aclose(self) -> None:
        """Close the connections of the running loop. The engine may be used again."""
        connection = self._connections.pop()
        if connection is not None:
            await connection.keeper.aclose()

    async def _post(self, body: dict[str, Any]) -> str:
        """Send `body`; the text of the response."""
        import openai

        client = self._connections.get().client
        try:
            async with asyncio.timeout(self.config.timeout):
                return self.config.redacted(await client.post("/chat/completions", body=body, cast_to=str))
        except TimeoutError:
            fault = timeout_fault(self.config)
        except openai.APIStatusError as error:
            fault = status_fault(self.config, error.status_code, error.response.headers, error.response.text)
        except openai.APIConnectionError as error:
            fault = connection_fault(self.config, error)
        raise fault  # outside the handlers, so that it does not drag the request along

    def _tell(self, dropped: tuple[str, ...]) -> None:
        new = [name for name in dropped if name not in self._told]
        if new:
            self._told.update(new)
            _log.warning("%s takes no %s while it reasons; not sent", self.config.model_string, ", ".join(new))
