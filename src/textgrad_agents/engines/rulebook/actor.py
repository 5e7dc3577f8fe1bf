"""The actor's part: follow the policy; decide at random where it says nothing, and now and then to explore."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from textgrad_agents.engines.rulebook.evidence import split_clauses
from textgrad_agents.engines.rulebook.grammar import Rule, action_key, read_rules, rule_for
from textgrad_agents.engines.rulebook.requests import section
from textgrad_agents.errors import EngineRefusal
from textgrad_agents.seeds import derive_seed
from textgrad_agents.situations import find_situation

_CHOICE = re.compile(r"^- (\S+) = ([^:\n]+)", re.MULTILINE)
_LOW = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class _Instructions:
    """A system message as the actor understands it: the rules that can be followed, and the actions on offer."""

    rules: tuple[Rule, ...]
    choices: tuple[tuple[str, str], ...]  # value and name, as written


def act(instructions: str, observation: str, temperature: float, seed: int | None) -> str:
    """The reply of an actor: an action's value alone on the first line, then why.

    Args:
        instructions: the system message, with the policy and the actions on offer.
        observation: the user message.
        temperature: probability of exploring.
        seed: seed of the decision; without one the request itself is the seed.

    Raises:
        EngineRefusal: the instructions list no action.
    """
    choices = _understand(instructions).choices
    draw = derive_seed("rulebook", seed if seed is not None else f"{instructions}\n{observation}")
    random_value = choices[(draw >> 31) % len(choices)][0]
    if (draw & _LOW) < temperature * (_LOW + 1):
        return f"{random_value}\nbecause I am exploring: any of the {len(choices)} actions at random."
    value, reason = _decide(instructions, find_situation(observation) or "")
    return f"{random_value if value is None else value}\nbecause {reason}"


@lru_cache(maxsize=256)
def _understand(instructions: str) -> _Instructions:
    choices = tuple(
        (value, name.strip()) for value, name in _CHOICE.findall(section(instructions, "Answer format: one action"))
    )
    if not choices:
        raise EngineRefusal(
            "rulebook was asked for one action, but no line of the form `- 2 = name: what it does` stands under "
            "`## Answer format: one action`; list the actions there"
        )
    names = {action_key(name) for _, name in choices}
    policy = section(instructions, "Your policy")
    return _Instructions(tuple(rule for rule in read_rules(policy) if rule.action in names), choices)


@lru_cache(maxsize=4096)
def _decide(instructions: str, situation: str) -> tuple[str | None, str]:
    """The value of the action that the policy demands, None where it says nothing; and the reason."""
    understood = _understand(instructions)
    rule = rule_for(understood.rules, split_clauses(situation))
    if rule is None:
        return None, f'no rule covers "{situation or "a situation without a name"}": any action at random.'
    value = next(value for value, name in understood.choices if action_key(name) == rule.action)
    return value, f"the rule says: {rule}"
