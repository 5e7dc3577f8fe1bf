"""Teams: who decides for the agents of an environment.

A language team asks an engine once per agent and cycle, all agents at the same time; each sees the rules, its own
policy and its own local observation, and nothing else. A rule team follows a formula and asks nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from envs.base import MultiAgentEnvironment, ParsedAction
from textgrad_agents.errors import ConfigError, EngineReplyError
from textgrad_agents.interfaces import Engine, GenerateOptions
from textgrad_agents.messages import Message, Usage, system, user
from textgrad_agents.seeds import derive_seed, text_hash
from textgrad_agents.trajectory import Step

Place = tuple[str | int, ...]
"""Where in a run something happens, for deriving seeds: (run seed, branch, iteration, episode)."""

DECISION = "Which action do you take in this cycle?"


class Team(Protocol):
    """Decides for all agents of an environment."""

    async def act(self, environment: MultiAgentEnvironment, timestep: int, place: Place) -> list[Step]:
        """One step per agent, in the environment's order; rewards are not known yet."""
        ...


@dataclass(frozen=True, slots=True)
class RuleTeam:
    """A formula that reads the environment itself (a hand-written baseline, not a policy that can be trained)."""

    rule: Callable[[MultiAgentEnvironment], Mapping[str, int | float]]

    async def act(self, environment: MultiAgentEnvironment, timestep: int, place: Place) -> list[Step]:
        """Apply the formula."""
        names = {value: name for name, value in environment.action_space.choices.items()}
        return [
            Step(agent=agent, timestep=timestep, action=action, action_name=names.get(action, str(action)))
            for agent, action in self.rule(environment).items()
        ]


class LanguageTeam:
    """One engine acts for all agents, each with its own policy text.

    Args:
        environment: tells the rules and the action space; instances with the same parameters may be played.
        policies: policy text of each agent.
        engine: answers for the agents.
        temperature: sampling temperature of the decisions.

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
        self._versions = {agent: text_hash(policy) for agent, policy in policies.items()}
        answer = environment.action_space.describe()
        prompts = {policy: actor_prompt(environment.rules, policy, answer) for policy in set(policies.values())}
        self._systems: Mapping[str, Message] = {agent: prompts[policy] for agent, policy in policies.items()}

    async def act(self, environment: MultiAgentEnvironment, timestep: int, place: Place) -> list[Step]:
        """Ask for all agents at once."""
        return await asyncio.gather(
            *(self._decide(environment, agent, timestep, place) for agent in environment.agents)
        )

    async def _decide(self, environment: MultiAgentEnvironment, agent: str, timestep: int, place: Place) -> Step:
        observation = environment.observe(agent)
        messages = (self._systems[agent], user(f"{observation}\n\n{DECISION}"))
        options = GenerateOptions(
            temperature=self._temperature, seed=derive_seed(*place, timestep, agent), role="actor"
        )
        try:
            completion = await self._engine.generate(messages, options)
            reply, usage, trace = completion.text, completion.usage, completion.trace
        except EngineReplyError as error:
            reply, usage, trace = "", error.usage if isinstance(error.usage, Usage) else Usage(), None
        action: ParsedAction = environment.action_space.parse(reply)
        return Step(
            agent=agent,
            timestep=timestep,
            observation=observation,
            messages=messages,
            reply=reply,
            action=action.value,
            action_name=action.name,
            parsed=action.parsed,
            usage=usage,
            trace=trace,
            policy_version=self._versions[agent],
        )


def actor_prompt(rules: str, policy: str, answer: str) -> Message:
    """The system message of an actor: rules, its policy, and the answer format."""
    return system(f"{rules}\n\n## Your policy\n{policy.strip()}\n\n## Answer format: one action\n{answer.strip()}")
