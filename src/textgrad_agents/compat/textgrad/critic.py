"""Who writes gradients in a program written for TextGrad."""

from __future__ import annotations

from typing import Any, cast

from textgrad_agents.compat.bridge import as_engine
from textgrad_agents.compat.textgrad.config import SingletonBackwardEngine
from textgrad_agents.compat.textgrad.engine import get_engine
from textgrad_agents.engines.base import is_structured
from textgrad_agents.interfaces import Critic
from textgrad_agents.ops.critic import LLMCritic
from textgrad_agents.session import current_session


class LentCritic(LLMCritic):
    """A critic over an engine of either kind.

    An engine that follows JSON schemas gives the gradients of all inputs of a call at once; any other is asked about
    each input by itself, and its whole reply is the gradient, as in TextGrad.

    Attributes:
        lent: the engine as it was given, for backward functions written by hand.
    """

    def __init__(self, lent: Any) -> None:
        engine = as_engine(lent)
        super().__init__(engine, per_input=not is_structured(engine))
        self.lent = lent


def critic_for(engine: Any = None) -> Critic | None:
    """The critic that an engine stands for; None for the session's own.

    Raises:
        ConfigError: there is no engine, no backward engine and no engine for critics in the session.
    """
    if callable(getattr(engine, "criticise", None)):
        return cast("Critic", engine)
    if isinstance(engine, str):
        engine = get_engine(engine)
    if engine is None:
        engine = SingletonBackwardEngine().get_engine()
    if engine is None:
        session = current_session()
        if session.critic is None:
            session.engine("critic")  # says how to name one if there is none
        return None
    return LentCritic(engine)
