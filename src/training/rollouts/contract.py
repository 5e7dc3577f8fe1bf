"""What agents and environments have to give back. Anything else is a failure of theirs, recorded like any other."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

from pydantic import ConfigDict, FiniteFloat, TypeAdapter, ValidationError

from textgrad_agents.errors import ConfigError, EnvError
from textgrad_agents.messages import Messages
from textgrad_agents.validation import explain
from textgrad_agents.variables.variable import Variable


class Beginning(NamedTuple):
    """What `reset` gives."""

    observations: Messages
    tools: Any


class Answer(NamedTuple):
    """What `step` gives."""

    observations: Messages
    reward: FiniteFloat
    done: bool
    truncated: bool


class Decision(NamedTuple):
    """What `get_asv` gives."""

    action: Variable[Any]
    next_state: Any
    value: FiniteFloat


_BEGINNING = TypeAdapter(Beginning)
_ANSWER = TypeAdapter(Answer)
_DECISION = TypeAdapter(Decision, config=ConfigDict(arbitrary_types_allowed=True))


def beginning(given: Any) -> Beginning:
    """What an environment's `reset` gave.

    Raises:
        EnvError: it is something else.
    """
    try:
        return _BEGINNING.validate_python(_named(Beginning._fields, given))
    except ValidationError as error:
        raise EnvError(f"reset has to give (messages, tools): {explain(error)}") from None


def answer(given: Any) -> Answer:
    """What an environment's `step` gave.

    Raises:
        EnvError: it is something else.
    """
    try:
        return _ANSWER.validate_python(_named(Answer._fields, given))
    except ValidationError as error:
        raise EnvError(f"step has to give (messages, reward, done, truncated): {explain(error)}") from None


def decision(given: Any) -> Decision:
    """What an agent's `get_asv` gave.

    Raises:
        ConfigError: it is something else.
    """
    try:
        return _DECISION.validate_python(_named(Decision._fields, given))
    except ValidationError as error:
        raise ConfigError(
            f"get_asv has to give (action, state, value), the action as `await Agent.wrap_action(message)` or an op "
            f"gives it: {explain(error)}"
        ) from None


def _named(names: tuple[str, ...], given: Any) -> Any:
    """The parts by name, so that an error names them; what has not so many parts is left as it is."""
    if not isinstance(given, tuple | list):
        return given
    parts = cast("list[Any]", given)
    return dict(zip(names, parts, strict=True)) if len(parts) == len(names) else parts
