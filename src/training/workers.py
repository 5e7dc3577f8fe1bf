"""Workers: processes that play episodes which cost CPU time, by a rule or by the built-in engine.

A job says everything that an episode follows from, so an episode is the same whoever plays it. Episodes with a served
model are waited for, not computed; they need no processes.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from envs.base import MultiAgentEnvironment
from envs.registry import make
from textgrad_agents.engines import Meter, RulebookEngine
from textgrad_agents.engines.middleware import Metered, Tally
from textgrad_agents.errors import ConfigError
from textgrad_agents.interfaces import Engine
from textgrad_agents.trajectory import Episode
from training.acting import LanguageTeam, Place, Rule, RuleTeam, Team
from training.rollout import Keeper, rollout

T = TypeVar("T")

_NO_START = (
    "worker processes do not start; they import the script that asks for them, so it has to be a file whose own work "
    'stands under `if __name__ == "__main__":` (or leave num_workers at 1)'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """An episode to play.

    Attributes:
        environment: name and parameters.
        rule: decides; None where policies do.
        policies: policy texts by agent, for the engine.
        temperature: sampling temperature of the decisions.
        place: where in the run this is.
        seed: the environment's seed.
        episode_id: number of the episode within its iteration.
        iteration: training iteration.
        record: False keeps the score and the length alone.
        decision_interval: agents decide in every so many cycles.
        keeper: keeps the episode while it is played.
    """

    environment: Mapping[str, Any]
    rule: Rule | None
    policies: Mapping[str, str] | None
    temperature: float
    place: Place
    seed: int
    episode_id: int
    iteration: int
    record: bool
    decision_interval: int
    keeper: Keeper | None = None

    async def play(self, environment: MultiAgentEnvironment, team: Team) -> Episode:
        """Play the episode with an environment and a team that are such as the job says."""
        return await rollout(
            environment,
            team,
            self.place,
            seed=self.seed,
            episode_id=self.episode_id,
            iteration=self.iteration,
            record=self.record,
            decision_interval=self.decision_interval,
            keeper=self.keeper,
        )


class Crew:
    """Worker processes, started when the first job comes.

    Args:
        size: number of processes.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._pool: ProcessPoolExecutor | None = None
        self._greeting: Future[None] | None = None

    async def play(self, job: Job) -> tuple[Episode, Tally]:
        """Play an episode; returns it with what its agents used.

        When a worker dies, nobody can say which of the running episodes killed it: each of them gets a second try in a
        process of its own. What dies there as well is an episode that failed.

        Raises:
            ConfigError: workers cannot start here, or the job is not known there.
            EngineRefusal: the built-in engine does not play this.
        """
        pool = await self._started()
        try:
            return await _on(pool, job)
        except BrokenProcessPool:
            if pool is self._pool:
                self._pool = None
        with _pool(1) as alone:
            try:
                return await _on(alone, job)
            except BrokenProcessPool:
                return _lost(job), Tally()

    def close(self) -> None:
        """Let the processes end."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    async def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = _pool(self._size)
            self._greeting = _submit(self._pool, _greet)
        pool, greeting = self._pool, self._greeting
        assert greeting is not None
        try:
            await asyncio.wrap_future(greeting)
        except BrokenProcessPool:
            raise ConfigError(_NO_START) from None
        return pool


def portable(engine: Engine | None) -> bool:
    """True if an engine can as well answer in a worker: the built-in one, with nothing around it but a meter."""
    return isinstance(engine.engine if isinstance(engine, Metered) else engine, RulebookEngine)


def _pool(size: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(size, mp_context=multiprocessing.get_context("spawn"), initializer=_begin)


async def _on(pool: ProcessPoolExecutor, job: Job) -> tuple[Episode, Tally]:
    return await asyncio.wrap_future(_submit(pool, _play, job))


def _submit(pool: ProcessPoolExecutor, work: Callable[..., T], *given: Any) -> Future[T]:
    """Submit, which may start a process; until that one leaves Ctrl-C to its parent, Ctrl-C waits at its door."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return pool.submit(work, *given)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _lost(job: Job) -> Episode:
    return Episode(
        episode_id=job.episode_id,
        iteration=job.iteration,
        seed=job.seed,
        environment=job.environment,
        error="the worker process that played it died, and so did a second one (killed, or out of memory)",
    )


# -- in the worker -----------------------------------------------------------------------------------------------


def _begin() -> None:
    """Leave Ctrl-C to the parent, and do not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=follow, name="follow the parent", daemon=True).start()


def _greet() -> None:
    """Answer as soon as a worker stands."""


def _play(job: Job) -> tuple[Episode, Tally]:
    environment = _environment(json.dumps(dict(job.environment)))
    meter = Meter()
    engine = Metered(RulebookEngine(), meter)
    team = RuleTeam(job.rule) if job.rule else LanguageTeam(environment, job.policies or {}, engine, job.temperature)
    episode = asyncio.run(job.play(environment, team))
    if episode.error is not None:
        _environment.cache_clear()
    return episode, meter.tally("actor")


@cache
def _environment(parameters: str) -> MultiAgentEnvironment:
    """The process's own environment of a kind; one that failed is not used again."""
    return make(**json.loads(parameters))
