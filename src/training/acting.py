"""Teams: who decides for the agents of an environment.

A language team asks an engine once per acting agent and cycle, all at the same time; each agent sees the rules, its own
policy, the actions open to it and its own local observation, and nothing else. A rule team follows a formula and asks
nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import NamedTuple, Protocol

from envs.base import ActionSpace, MultiAgentEnvironment
from envs.faults import guarded
from textgrad_agents.errors import ConfigError, EngineReplyError
from textgrad_agents.interfaces import Engine, GenerateOptions
from textgrad_agents.messages import Finish, Message, TokenTrace, Usage, system, user
from textgrad_agents.messages.spans import span_at, with_spans
from textgrad_agents.seeds import derive_seed, text_hash
from textgrad_agents.trajectory import Step

Place = tuple[str | int, ...]
"""Where in a run something happens, for deriving seeds: (run seed, branch, iteration, episode)."""

Rule = Callable[[MultiAgentEnvironment], Mapping[str, int | float]]
"""Actions by agent, from the environment itself."""

DECISION = "Which action do you take in this cycle?"

_PROMPTS = 4096  # system messages that a team keeps: one per agent, policy and set of open actions


class Team(Protocol):
    """Decides for the agents of an environment."""

    async def act(self, environment: MultiAgentEnvironment, timestep: int, place: Place) -> list[Step]:
        """One step per acting agent, in the environment's order; rewards are not known yet."""
        ...


@dataclass(frozen=True, slots=True)
class RuleTeam:
    """A formula that reads the environment itself (a hand-written baseline, not a policy that can be trained)."""

    rule: Rule

    async def act(self, environment: MultiAgentEnvironment, timestep: int, place: Place) -> list[Step]:
        """Apply the formula."""
        with guarded(environment.name, "be played by its rule"):
            actions = self.rule(environment)
            names = {agent: _name(environment, agent, actions) for agent in environment.acting_agents}
        return [
            Step(agent=agent, timestep=timestep, action=actions[agent], action_name=name)
            for agent, name in names.items()
        ]


class _View(NamedTuple):
    """What an agent is shown: its observation, the messages that carry it, and the actions open to it."""

    agent: str
    observation: str
    messages: tuple[Message, Message]
    actions: ActionSpace


class _Reply(NamedTuple):
    """What came of a call."""

    text: str
    usage: Usage
    finish: Finish | None = None
    trace: TokenTrace | None = None


class LanguageTeam:
    """One engine acts for all agents, each with its own policy text.

    At temperature 0, agents that are told the same words in a cycle are answered by one call; its tokens are counted,
    and their trace is kept, with the first of them.

    Args:
        environment: tells the rules; instances with the same parameters may be played.
        policies: policy text of each agent.
        engine: answers for the agents.
        temperature: sampling temperature of the decisions.
        bare: agents are sent their policy and their observation, and nothing else; for models that were trained on
            just that.

    A reply that cannot be used stands for the neutral action; every other failure of the engine is raised.

    Raises:
        ConfigError: an agent has no policy, or a policy is for no agent.
    """

    def __init__(
        self,
        environment: MultiAgentEnvironment,
        policies: Mapping[str, str],
        engine: Engine,
        temperature: float,
        *,
        bare: bool = False,
    ) -> None:
        missing = [agent for agent in environment.agents if agent not in policies]
        unknown = [agent for agent in policies if agent not in environment.agents]
        if missing or unknown:
            raise ConfigError(
                f"policies must name exactly the agents {environment.agents[0]} … {environment.agents[-1]}: "
                f"missing {missing or 'none'}, unknown {unknown or 'none'}"
            )
        self._engine = engine
        self._temperature = temperature
        self._policies = dict(policies)
        self._versions = {agent: text_hash(policy) for agent, policy in policies.items()}
        self._bare = bare
        self._prompt = lru_cache(maxsize=_PROMPTS)(bare_prompt if bare else partial(actor_prompt, environment.rules))

    async def act(self, environment: MultiAgentEnvironment, timestep: int, place: Place) -> list[Step]:
        """Ask for all acting agents at once."""
        with guarded(environment.name, "show itself"):
            views = [self._look(environment, agent) for agent in environment.acting_agents]
        questions = [self._question(view) for view in views]
        askers: dict[object, _View] = {}
        for question, view in zip(questions, views, strict=True):
            askers.setdefault(question, view)
        replies = await asyncio.gather(*(self._ask(view, timestep, place) for view in askers.values()))
        answered = dict(zip(askers, replies, strict=True))
        return [
            self._step(view, answered[question], timestep, paid=askers[question] is view)
            for question, view in zip(questions, views, strict=True)
        ]

    def _look(self, environment: MultiAgentEnvironment, agent: str) -> _View:
        observation, picture = environment.observe(agent), environment.picture(agent)
        actions = environment.action_space_of(agent)
        told = observation if self._bare else f"{observation}\n\n{DECISION}"
        shown = user(told) if picture is None else Message.create_message("user", told, picture)
        prompt = self._prompt(self._policies[agent], actions.describe(), agent)
        return _View(agent, observation, (prompt, shown), actions)

    def _question(self, view: _View) -> object:
        """What two agents have in common if one call answers for both."""
        return view.agent if self._temperature > 0 else tuple(message.content for message in view.messages)

    async def _ask(self, view: _View, timestep: int, place: Place) -> _Reply:
        options = GenerateOptions(
            temperature=self._temperature, seed=derive_seed(*place, timestep, view.agent), role="actor"
        )
        try:
            completion = await self._engine.generate(view.messages, options)
        except EngineReplyError as error:
            return _Reply("", error.usage if isinstance(error.usage, Usage) else Usage())
        return _Reply(completion.text, completion.usage, completion.finish, completion.trace)

    def _step(self, view: _View, reply: _Reply, timestep: int, *, paid: bool) -> Step:
        action = view.actions.parse(reply.text)
        return Step(
            agent=view.agent,
            timestep=timestep,
            observation=view.observation,
            messages=view.messages,
            reply=reply.text,
            finish=reply.finish,
            action=action.value,
            action_name=action.name,
            parsed=action.parsed,
            usage=reply.usage if paid else Usage(),
            trace=reply.trace if paid else None,
            policy_version=self._versions[view.agent],
        )


def actor_prompt(rules: str, policy: str, answer: str, agent: str = "policy") -> Message:
    """The system message of an actor: rules, its policy (marked as the text of the Variable `agent`), answer format."""
    before, text = f"{rules}\n\n## Your policy\n", policy.strip()
    message = system(f"{before}{text}\n\n## Answer format: one action\n{answer.strip()}")
    return with_spans(message, [span_at(len(before), text, agent)])


def bare_prompt(policy: str, answer: str, agent: str = "policy") -> Message:
    """A system message that holds the policy alone."""
    text = policy.strip()
    return with_spans(system(text), [span_at(0, text, agent)])


def _name(environment: MultiAgentEnvironment, agent: str, actions: Mapping[str, int | float]) -> str:
    """An action in words, as far as it has a name."""
    named = {value: name for name, value in environment.action_space_of(agent).choices.items()}
    return named.get(actions[agent], str(actions[agent]))
