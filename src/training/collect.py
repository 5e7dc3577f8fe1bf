"""Collector: plays many episodes at once, each with its own environment and its own seeds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from envs.base import MultiAgentEnvironment
from textgrad_agents.errors import ConfigError
from textgrad_agents.interfaces import Engine
from textgrad_agents.trajectory import Episode
from training.acting import LanguageTeam, RuleTeam, Team
from training.rollout import rollout

Branch = Literal["train", "gate", "evaluate"]
Rule = Callable[[MultiAgentEnvironment], Mapping[str, int | float]]


class Collector:
    """Plays episodes of one kind of environment.

    Args:
        make_environment: builds an environment; all it builds are equal.
        engine: answers for agents with policies; None where only the rule plays.
        rule: the environment's hand-written rule, if it has one.
        seed: the run's seed.
        parallel: most episodes under way at once.
        decision_interval: agents decide in every so many cycles and go on with their last action in those between.
    """

    def __init__(
        self,
        make_environment: Callable[[], MultiAgentEnvironment],
        engine: Engine | None = None,
        *,
        rule: Rule | None = None,
        seed: int = 0,
        parallel: int = 8,
        decision_interval: int = 1,
    ) -> None:
        self._make = make_environment
        self._engine = engine
        self._rule = rule
        self._seed = seed
        self._parallel = parallel
        self._decision_interval = decision_interval
        self._idle: list[MultiAgentEnvironment] = []
        self._idle_yardsticks: list[MultiAgentEnvironment] = []

    @property
    def environment(self) -> MultiAgentEnvironment:
        """An environment that plays no episode at present: for its rules, agents and actions."""
        if not self._idle:
            self._idle.append(self._make())
        return self._idle[-1]

    async def collect(
        self,
        policies: Mapping[str, str] | None,
        *,
        branch: Branch,
        iteration: int,
        episodes: Iterable[int],
        temperature: float = 0.0,
        record: bool = True,
        done: Callable[[Episode], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> list[Episode]:
        """Play episodes.

        Args:
            policies: policy text of each agent; None lets the rule play.
            branch: what the episodes are for; episodes of different branches never share seeds. All but those to learn
                from are played in the environment's `yardstick`.
            iteration: training iteration.
            episodes: their numbers; the same number has the same seeds whatever else is played.
            temperature: sampling temperature of the decisions.
            record: False keeps scores and lengths alone.
            done: told of each finished episode, in the order in which they finish.
            stop: asked before each episode begins; True lets those under way finish and begins no more.

        Returns:
            The episodes that were played, in the order of their numbers.
        """
        idle = self._idle if branch == "train" else self._pool_of_yardsticks()
        team = self._team(policies, temperature, idle)
        room = asyncio.Semaphore(self._parallel)

        async def play(number: int) -> Episode | None:
            async with room:
                if stop is not None and stop():
                    return None
                environment = self._take(idle)
                episode = await rollout(
                    environment,
                    team,
                    (self._seed, branch, iteration, number),
                    episode_id=number,
                    iteration=iteration,
                    record=record,
                    decision_interval=self._decision_interval,
                )
                idle.append(environment)
                if done is not None:
                    done(episode)
                return episode

        played = await asyncio.gather(*(play(number) for number in episodes))
        return [episode for episode in played if episode is not None]

    def close(self) -> None:
        """Close the environments."""
        for idle in (self._idle, self._idle_yardsticks):
            while idle:
                idle.pop().close()

    def _pool_of_yardsticks(self) -> list[MultiAgentEnvironment]:
        """The idle environments in which scores are taken: those of learning, unless they say that it is another."""
        environment = self.environment
        if not self._idle_yardsticks:
            yardstick = environment.yardstick()
            if yardstick is environment:
                return self._idle
            self._idle_yardsticks.append(yardstick)
        return self._idle_yardsticks

    def _take(self, idle: list[MultiAgentEnvironment]) -> MultiAgentEnvironment:
        if idle:
            return idle.pop()
        return self._make() if idle is self._idle else self.environment.yardstick()

    def _team(self, policies: Mapping[str, str] | None, temperature: float, idle: list[MultiAgentEnvironment]) -> Team:
        if policies is None:
            if self._rule is None:
                raise ConfigError(f"the environment {self.environment.name!r} has no rule agent; give policies")
            return RuleTeam(self._rule)
        if self._engine is None:
            raise ConfigError("agents with policies need a model: name one with model=… or llm_config=…")
        environment = self._take(idle)
        idle.append(environment)
        return LanguageTeam(environment, policies, self._engine, temperature)
