"""Collector: plays many episodes at once, each with its own environment and its own seeds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from envs.base import MultiAgentEnvironment
from envs.faults import close
from textgrad_agents.engines.middleware import Metered
from textgrad_agents.errors import ConfigError
from textgrad_agents.interfaces import Engine
from textgrad_agents.trajectory import Episode
from training.acting import LanguageTeam, Rule, RuleTeam, Team
from training.rollout import Keeper, environment_seed
from training.workers import Crew, Job, portable

logger = logging.getLogger(__name__)

Branch = Literal["train", "gate", "evaluate"]


class Collector:
    """Plays episodes of one kind of environment.

    Args:
        make_environment: builds an environment; all it builds are equal.
        engine: answers for agents with policies; None where only the rule plays.
        rule: the environment's hand-written rule, if it has one.
        seed: the run's seed.
        parallel: most episodes under way at once in this process.
        workers: processes that play the episodes of the rule or of the built-in engine; with 1, this one does. Episodes
            with another engine are waited for rather than computed, and stay in this process.
        decision_interval: agents decide in every so many cycles and go on with their last action in those between.
        siblings: so many episodes to learn from, one after the other, begin with the same seed of the environment, so
            that they can be compared with each other; what is sampled in them differs.
        bare: agents are sent their policy and their observation, and nothing else.
    """

    def __init__(
        self,
        make_environment: Callable[[], MultiAgentEnvironment],
        engine: Engine | None = None,
        *,
        rule: Rule | None = None,
        seed: int = 0,
        parallel: int = 8,
        workers: int = 1,
        decision_interval: int = 1,
        siblings: int = 1,
        bare: bool = False,
    ) -> None:
        self._make = make_environment
        self._engine = engine
        self._rule = rule
        self._seed = seed
        self._parallel = parallel
        self._workers = workers
        self._crew = Crew(workers) if workers > 1 else None
        self._decision_interval = decision_interval
        self._siblings = siblings
        self._bare = bare
        self._idle: list[MultiAgentEnvironment] = []
        self._idle_yardsticks: list[MultiAgentEnvironment] = []
        self._problems: list[str] = []

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
        keeper: Callable[[int], Keeper] | None = None,
    ) -> list[Episode]:
        """Play episodes.

        Args:
            policies: policy text of each agent; None lets the rule play.
            branch: what the episodes are for; episodes of different branches never share seeds. All but those to learn
                from are played in the environment's `yardstick`.
            iteration: training iteration.
            episodes: their numbers; the same number has the same seeds whatever else is played, and wherever.
            temperature: sampling temperature of the decisions.
            record: False keeps scores and lengths alone.
            done: told of each finished episode, in the order in which they finish.
            stop: asked before each episode begins; True lets those under way finish and begins no more.
            keeper: makes the keeper of an episode, by its number.

        Returns:
            The episodes that were played, in the order of their numbers.
        """
        idle = self._idle if branch == "train" else self._pool_of_yardsticks()
        team = self._team(policies, temperature, idle)
        parameters = self._peek(idle).parameters()
        crew = self._crew if policies is None or (portable(self._engine) and not self._bare) else None
        room = asyncio.Semaphore(self._parallel if crew is None else self._workers)

        async def play(number: int) -> Episode | None:
            async with room:
                if stop is not None and stop():
                    return None
                job = Job(
                    environment=parameters,
                    rule=self._rule if policies is None else None,
                    policies=policies,
                    temperature=temperature,
                    place=(self._seed, branch, iteration, number),
                    seed=environment_seed((self._seed, branch, iteration, self._first(branch, number))),
                    episode_id=number,
                    iteration=iteration,
                    record=record,
                    decision_interval=self._decision_interval,
                    keeper=None if keeper is None else keeper(number),
                )
                episode = await (self._here(job, team, idle) if crew is None else self._elsewhere(job, crew))
                if done is not None:
                    done(episode)
                return episode

        played = await asyncio.gather(*(play(number) for number in episodes))
        return [episode for episode in played if episode is not None]

    def close(self) -> list[str]:
        """Close the environments and let the workers go; returns what went wrong, and logs it as a warning."""
        if self._crew is not None:
            self._crew.close()
        for idle in (self._idle, self._idle_yardsticks):
            while idle:
                self._put_away(idle.pop())
        problems, self._problems = self._problems, []
        return problems

    def _first(self, branch: Branch, number: int) -> int:
        """The episode whose environment an episode shares: the first of its siblings."""
        return number - number % self._siblings if branch == "train" else number

    async def _here(self, job: Job, team: Team, idle: list[MultiAgentEnvironment]) -> Episode:
        """Play in this process. An environment that failed is not used again."""
        environment = self._take(idle)
        episode = await job.play(environment, team)
        if episode.error is None:
            idle.append(environment)
        else:
            await asyncio.to_thread(self._put_away, environment)  # others go on while it closes
        return episode

    async def _elsewhere(self, job: Job, crew: Crew) -> Episode:
        episode, tally = await crew.play(job)
        if isinstance(self._engine, Metered):
            self._engine.meter.include("actor", tally)
        return episode

    def _put_away(self, environment: MultiAgentEnvironment) -> None:
        problem = close(environment)
        if problem is not None:
            logger.warning("%s", problem)
            self._problems.append(problem)

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

    def _peek(self, idle: list[MultiAgentEnvironment]) -> MultiAgentEnvironment:
        """An idle environment that stays where it is."""
        environment = self._take(idle)
        idle.append(environment)
        return environment

    def _team(self, policies: Mapping[str, str] | None, temperature: float, idle: list[MultiAgentEnvironment]) -> Team:
        if policies is None:
            if self._rule is None:
                raise ConfigError(f"the environment {self.environment.name!r} has no rule agent; give policies")
            return RuleTeam(self._rule)
        if self._engine is None:
            raise ConfigError("agents with policies need a model: name one with model=… or llm_config=…")
        return LanguageTeam(self._peek(idle), policies, self._engine, temperature, bare=self._bare)
