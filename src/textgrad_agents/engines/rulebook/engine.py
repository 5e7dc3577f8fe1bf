"""`RulebookEngine`: answers the three kinds of request that training makes, by rules and by counting.

It is no language model. It reads a request's messages, seed and temperature and nothing else, keeps nothing, and knows
nothing of any environment: what it concludes is computed from the table in the request.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from textgrad_agents.engines.base import estimate_tokens
from textgrad_agents.engines.rulebook.actor import act
from textgrad_agents.engines.rulebook.calls import plainest_call
from textgrad_agents.engines.rulebook.critic import credit, evaluate
from textgrad_agents.engines.rulebook.optimizer import rewrite
from textgrad_agents.engines.rulebook.requests import ACTION, CREDIT, EVALUATION, VARIABLE, answer_format
from textgrad_agents.errors import EngineRefusal
from textgrad_agents.interfaces import DEFAULT_OPTIONS, GenerateOptions
from textgrad_agents.messages import Completion, Message, Usage

_PARTS = (ACTION, EVALUATION, CREDIT, VARIABLE)


class RulebookEngine:
    """The built-in engine: actor, critic and optimizer of training, deterministic and free.

    As actor it follows the rules in a policy, as critic it reads the digest of an episode, as optimizer it edits the
    rules of a policy (`docs/rulebook.md`). `temperature` is the probability that an actor explores.
    """

    @property
    def name(self) -> str:
        """The engine's name."""
        return "rulebook"

    async def generate(self, messages: Sequence[Message], options: GenerateOptions = DEFAULT_OPTIONS) -> Completion:
        """Answer a request of training.

        Raises:
            EngineRefusal: the request is not one of those that this engine answers, or lacks what it is read from.
        """
        if options.tools and options.tool_choice != "none":
            return self._call(messages, options)
        reply = _reply(messages, options)
        usage = Usage(
            input_tokens=sum(_tokens(message) for message in messages),
            output_tokens=estimate_tokens(reply),
            estimated=True,
        )
        return Completion(reply, usage=usage, model=self.name)

    def _call(self, messages: Sequence[Message], options: GenerateOptions) -> Completion:
        call = plainest_call(options.tools, options.tool_choice, f"{options.seed} {len(messages)}")
        usage = Usage(sum(map(_tokens, messages)), estimate_tokens(str(call)), estimated=True)
        return Completion("", finish="tool_calls", usage=usage, tool_calls=(call,), model=self.name)


_WHAT_IT_IS = (
    "rulebook is the built-in rule learner, not a language model: it answers requests whose answer format is "
    f"{', '.join(f'`{part}`' for part in _PARTS[:-1])} or `{_PARTS[-1]}`."
)
_WAY_OUT = (
    "Name a real model for anything else: --model gpt-4o-mini, or --model NAME --base_url URL for a local server."
)


def _reply(messages: Sequence[Message], options: GenerateOptions) -> str:
    part = answer_format(messages)
    asked = "\n\n".join(message.text for message in messages if message.role == "user")
    if part == ACTION:
        told = "\n\n".join(message.text for message in messages if message.role == "system")
        return act(told, asked, options.temperature or 0.0, options.seed)
    if part == EVALUATION:
        return evaluate(asked)
    if part == CREDIT:
        return credit(asked)
    if part == VARIABLE:
        return rewrite(asked)
    seen = f"is `{part}`" if part else "is not named under a heading `## Answer format: …`"
    raise EngineRefusal(f"{_WHAT_IT_IS} The answer format of this request {seen}. {_WAY_OUT}")


@lru_cache(maxsize=256)
def _counted(text: str) -> int:
    return estimate_tokens(text)


def _tokens(message: Message) -> int:
    """Estimated tokens of a message; system messages repeat, so their counts are kept."""
    return _counted(message.text) if message.role == "system" else estimate_tokens(message.text)
