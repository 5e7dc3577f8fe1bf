"""An agent whose model is in this process. Imports torch, so the façade of the agents does not import it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveInt

from textgrad_agents.agents.modules.react import ACT_DEFAULT_SINGLE_PROMPT_TEMPLATE
from textgrad_agents.agents.react import ReActAgent
from textgrad_agents.engines.local import LocalEngine, LocalModel
from textgrad_agents.engines.local.scoring import recomputed_logprobs
from textgrad_agents.errors import ConfigError
from textgrad_agents.interfaces import Engine
from textgrad_agents.transitions.transition import deciding_call
from textgrad_agents.variables.variable import Variable


class AgentLMConfig(BaseModel):
    """Which model an agent loads, and how it is asked.

    Attributes:
        model: folder, or name on the hub.
        device, dtype: see `LocalModel.load`.
        batch_size: most calls in one batch.
        temperature: of sampling.
        max_new_tokens: most tokens of a reply.
        llm_call_kwargs: further options of each call, such as ``top_p`` or ``top_k``; those that are None are left out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    device: str = "auto"
    dtype: str = "auto"
    batch_size: PositiveInt = 64
    temperature: NonNegativeFloat = 1.0
    max_new_tokens: PositiveInt = 50
    llm_call_kwargs: dict[str, Any] = Field(default_factory=dict[str, Any])

    def engine(self) -> LocalEngine:
        """The model, loaded anew.

        Raises:
            ConfigError: there is no such model, device or number format.
        """
        loaded = LocalModel.load(self.model, device=self.device, dtype=self.dtype)
        return LocalEngine(loaded, max_batch=self.batch_size)

    def llm_config(self) -> dict[str, Any]:
        """The options of each call."""
        given = {name: value for name, value in self.llm_call_kwargs.items() if value is not None}
        return {"name": self.model, "temperature": self.temperature, "max_tokens": self.max_new_tokens, **given}


class SimpleLocalLLMAgent(ReActAgent):
    """Lets a model of this process pick a tool, once per step.

    Local models call no tools, so the prompt describes them and the reply names one in words; a reply that names none
    is asked for again. The log-probabilities of all tokens are recorded. Where there are no tools, use
    ``SimpleAgent(engine=…)``.

    Args:
        llm_model: the model, or the fields of its config.
        sys_prompt: the prompt, a parameter. Unless it names ``{tools}`` itself, it is followed by what describes them.
        engine: a model that is loaded already; that of `llm_model` if None.
        kwargs: other fields of `ReActAgent`.
    """

    llm_model: AgentLMConfig

    def __init__(
        self,
        llm_model: AgentLMConfig | dict[str, Any],
        sys_prompt: str | None = None,
        engine: Engine | None = None,
        **kwargs: Any,
    ) -> None:
        loads = AgentLMConfig.model_validate(llm_model)
        prompt = ACT_DEFAULT_SINGLE_PROMPT_TEMPLATE
        if sys_prompt is not None:
            prompt = sys_prompt if "{tools}" in sys_prompt else f"{sys_prompt}\n\n{prompt}"
        super().__init__(
            llm_model=loads,
            llm_config=loads.llm_config(),
            engine=loads.engine() if engine is None else engine,
            sys_prompt=prompt,
            single_prompt=True,
            **kwargs,
        )

    def recompute_logprobs(self, action: Variable[Any]) -> NDArray[np.float32]:
        """Log-probabilities `(A,)` in nats of the recorded tokens of an action, as the model stands now.

        Raises:
            ConfigError: the action has no recorded tokens, or another base model sampled them.
        """
        call = deciding_call(action)
        trace = None if call is None else call.get("completion").trace
        if trace is None or not isinstance(self.engine, LocalEngine):
            raise ConfigError("this action has no recorded tokens; it must have been made by a local engine")
        return recomputed_logprobs(self.engine.model, trace, adapter=self.engine.adapter)
