"""The engines of a run: who acts, who criticises, who rewrites, and what stands around them while the run is on.

Around every engine is a `Stack` (tries, turns, budget, meter), and around that the journal. The built-in engine and a
model of this machine are free and always say the same, so they have no journal and, where nothing limits the run, no
budget.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from textgrad_agents.engines import Budget, LLMConfig, Meter, RulebookEngine, Stack, make_engine
from textgrad_agents.engines.base import is_structured
from textgrad_agents.engines.middleware import Tally, Try
from textgrad_agents.errors import ConfigError, EngineAccessError
from textgrad_agents.interfaces import DEFAULT_OPTIONS, Engine, EngineRole, GenerateOptions
from textgrad_agents.journal import Journal, Journaled
from textgrad_agents.messages import Completion, Message
from training.config import TrainingConfig
from training.local_policy import LocalPolicy

BUILT_IN = "rulebook"
ROLES: tuple[EngineRole, ...] = ("actor", "critic", "optimizer")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may use; None for no limit.

    Attributes:
        usd: dollars of all its starts together.
        calls: calls of all its starts together, each try for itself.
        hours: hours from this start on.
    """

    usd: float | None = None
    calls: int | None = None
    hours: float | None = None

    def budget(self, path: Path | None = None) -> Budget:
        """The budget with these limits, its account in a file or in memory.

        Raises:
            ConfigError: a limit is no positive number.
            FileFormatError: the file is no account.
        """
        return Budget(usd=self.usd, calls=self.calls, hours=self.hours, path=path)


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Engines:
    """Engines by role, with nothing around them.

    Attributes:
        actor, critic, optimizer: the engines.
        local: the model of this machine that the actor is, if it is one.
    """

    actor: Engine
    critic: Engine
    optimizer: Engine
    local: LocalPolicy | None = None

    @classmethod
    def of(cls, config: TrainingConfig, *, need_keys: bool = True) -> Self:
        """The engines that a config names.

        Raises:
            ConfigError: no such model, or its key may not be sent to its address.
            MissingKeyError: a model's key is not set; nothing was made or spent.
        """
        models = config.models
        critic = _engine(models["critic"], need_keys)
        same = models["optimizer"] == models["critic"]
        optimizer = critic if same else _engine(models["optimizer"], need_keys)
        if config.base_model is None:
            return cls(_engine(models["actor"], need_keys), critic, optimizer)
        local = LocalPolicy(config)
        return cls(local.engine, critic, optimizer, local)

    @classmethod
    def single(cls, engine: Engine) -> Self:
        """One engine for every role."""
        return cls(engine, engine, engine)

    @classmethod
    def recorded(cls, description: Mapping[str, Mapping[str, Any]], config: TrainingConfig | None = None) -> Self:
        """Engines that stand for those described: they say what the journal holds and nothing else.

        A model of this machine is there itself: it is trained again, and what it said is not in the journal.

        Raises:
            ConfigError: it cannot be loaded, or is another one by now.
        """
        actor, critic, optimizer = (_Recorded.of(description[role]) for role in ROLES)
        if config is None or config.base_model is None:
            return cls(actor, critic, optimizer)
        local = LocalPolicy(config)
        made = cls(local.engine if local.is_free else actor, critic, optimizer, local)
        made.check_base(description)
        return made

    def all(self) -> tuple[Engine, Engine, Engine]:
        """The engines in the order of `ROLES`; one engine may have two roles."""
        return self.actor, self.critic, self.optimizer

    def describe(self) -> dict[str, dict[str, Any]]:
        """What `recorded` needs, as JSON-like values."""
        named = zip(ROLES, self.all(), strict=True)
        described: dict[str, dict[str, Any]] = {
            str(role): {"name": one.name, "structured": is_structured(one), "built_in": isinstance(one, RulebookEngine)}
            for role, one in named
        }
        if self.local is not None:
            described["actor"]["base"] = self.local.model.base_hash
        return described

    def check_base(self, description: Mapping[str, Mapping[str, Any]]) -> None:
        """Refuse to go on with another base model than the one described.

        Raises:
            ConfigError: its weights are others.
        """
        base = description["actor"].get("base")
        if self.local is not None and base not in (None, self.local.model.base_hash):
            raise ConfigError(
                f"the run was begun with a base model of the hash {base:.16}, and {self.local.model.name} has "
                f"{self.local.model.base_hash[:16]} now; restore that model, or begin a run under another --exp_name"
            )

    def check(self, limits: Limits) -> None:
        """Refuse limits that cannot be kept.

        Raises:
            ConfigError: a limit is no positive number, or is in USD and a price is not known.
        """
        stack = Stack(budget=limits.budget())
        for engine in self.all():
            stack(engine)

    def at_work(self, stack: Stack, journal: Journal | None = None) -> Engines:
        """The same with all around them that a run needs; one engine in two roles stays one."""
        made: dict[int, Engine] = {}
        for engine in self.all():
            if id(engine) not in made:
                wrapped = stack(engine)
                made[id(engine)] = wrapped if journal is None or self.is_free(engine) else Journaled(wrapped, journal)
        actor, critic, optimizer = (made[id(engine)] for engine in self.all())
        return Engines(actor, critic, optimizer, self.local)

    def is_free(self, engine: Engine) -> bool:
        """True for an engine that costs nothing and always says the same: built in, or a model of this machine."""
        local = self.local is not None and self.local.is_free and engine is self.local.engine
        return local or isinstance(engine, RulebookEngine)


class RunEngines:
    """The engines of a run at work, with its journal, its budget and its meter.

    Args:
        engines: as they are.
        journal: of the run.
        limits: what the run may use.
        account: file of the budget.
        concurrency: most calls at once to one server.
        on_try: told of each try of a call.

    Attributes:
        actor, critic, optimizer: the engines.
        meter: what this start of the run sent, failed tries too.
        budget: what all its starts sent; None where nothing is paid and nothing is limited.
    """

    def __init__(
        self,
        engines: Engines,
        journal: Journal,
        *,
        limits: Limits = NO_LIMITS,
        account: Path,
        concurrency: int,
        on_try: Callable[[Try], None] | None = None,
    ) -> None:
        free = all(map(engines.is_free, engines.all()))
        self.budget = None if free and limits == NO_LIMITS else limits.budget(account)
        self.meter = Meter()
        stack = Stack(meter=self.meter, concurrency=concurrency, budget=self.budget, on_try=on_try)
        working = engines.at_work(stack, journal)
        self.actor, self.critic, self.optimizer = working.all()
        self._journal = journal
        self._journaled = {engine for engine in working.all() if isinstance(engine, Journaled)}
        self._place = ""
        self._before: dict[EngineRole, Tally] = {}

    def begin(self, place: str) -> int:
        """Make calls at a place of the run from now on; returns how many are in the journal there."""
        self._place = place
        self._before = {role: self.meter.tally(role) for role in ROLES}
        known = self._journal.begin(place)
        for engine in self._journaled:
            engine.begin(place)
        return known

    def used(self) -> dict[EngineRole, Tally]:
        """What the replies of the present place used, by role, whichever start of the run asked for them."""
        used: dict[EngineRole, Tally] = {role: self.meter.tally(role) - self._before[role] for role in ROLES}
        return used | self._journal.tallies(self._place)

    async def settle(self) -> None:
        """Begin no further call, and come back when the replies to those under way are recorded."""
        await asyncio.gather(*(engine.settle() for engine in self._journaled))

    def close(self) -> None:
        """Close the account."""
        if self.budget is not None:
            self.budget.close()


@dataclass(frozen=True, slots=True)
class _Recorded:
    """An engine of which only the name is left."""

    name: str
    structured: bool

    @classmethod
    def of(cls, description: Mapping[str, Any]) -> Engine:
        if description["built_in"]:
            return RulebookEngine()
        return cls(description["name"], description["structured"])

    async def generate(self, messages: Sequence[Message], options: GenerateOptions = DEFAULT_OPTIONS) -> Completion:
        """Say that the journal does not hold the reply.

        Raises:
            EngineAccessError: always.
        """
        raise EngineAccessError(
            f"the journal does not hold what {self.name} said to this request of the {options.role}: a policy was "
            "edited by hand during the run, or the program or an environment changed since"
        )


def _engine(model: LLMConfig, need_key: bool) -> Engine:
    if model.name == BUILT_IN and model.base_url is None:
        return make_engine(BUILT_IN)
    if need_key:
        model.get_api_key()
    return make_engine(model)
