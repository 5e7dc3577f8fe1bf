"""What a run may use, found out without asking any model.

One episode is played and learned from with an engine that always says the same; what it was asked tells the size of the
requests. The rest is counted from the settings, each time the most: episodes of full length, gates that play all their
pairs, every rewrite asked for twice, replies as long as they may be.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from textgrad_agents.engines import Meter, Metered, ScriptedEngine
from textgrad_agents.engines.base import call_cost, is_structured, most_tokens, most_usage
from textgrad_agents.engines.middleware import Tally
from textgrad_agents.errors import EngineAccessError
from textgrad_agents.interfaces import DEFAULT_OPTIONS, Engine, EngineRole, GenerateOptions
from textgrad_agents.messages import Completion, Message, Usage
from textgrad_agents.optim.descent import TOKEN_BUDGET
from textgrad_agents.session import Session
from training.collect import Collector
from training.config import TrainingConfig
from training.engines import ROLES, Engines
from training.gate import AlwaysAccept
from training.judging import EpisodeCritic
from training.paradigms import ParadigmEvaluator
from training.policy_manager import DEFAULT_POLICY
from training.run_places import finished_iterations
from training.tables import make_table, print_table, say
from training.textual import TextualLearner


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the calls of one role may use.

    Attributes:
        role: which part they play.
        calls: at most.
        input_tokens: about, with policies as long as they are now.
        output_tokens: at most.
        input_usd: what the input tokens cost; None if the price is not known.
        usd: what all may cost at most; None if the price is not known.
    """

    role: EngineRole
    calls: int
    input_tokens: int
    output_tokens: int
    input_usd: float | None
    usd: float | None


def print_estimates(config: TrainingConfig, *, overwrite: bool) -> int:
    """Print what the rest of a run may use; no model is asked and nothing is written. Returns the exit code."""
    if config.agent_type == "rule":
        say("the hand-written rule asks no model: the run costs nothing")
        return 0
    finished: set[int] = set() if overwrite else finished_iterations(config)
    left = sum(i not in finished for i in range(config.start_iteration, config.num_iterations))
    estimates = [one for one in estimate(config, _engines(config), left) if one.role in ("actor", *config.asked_roles)]
    table = make_table(
        f"at most, for {left} iterations", "role", "calls", "tokens in", "tokens out", "USD", "of it for tokens in"
    )
    for one in estimates:
        counts = (f"{count:,}" for count in (one.calls, one.input_tokens, one.output_tokens))
        table.add_row(one.role, *counts, _usd(one.usd), _usd(one.input_usd))
    print_table(table)
    costs = [one.usd for one in estimates]
    known = [cost for cost in costs if cost is not None]
    total = _usd(sum(known) if len(known) == len(costs) else None)
    say(f"in all {sum(one.calls for one in estimates):,} calls, {total}")
    say(
        "counted with episodes of full length, gates that play all pairs, replies as long as max_tokens allows and "
        "policies as long as they are now; failed tries are not in it"
    )
    return 0


def estimate(
    config: TrainingConfig, engines: Engines, iterations: int, policies: Mapping[str, str] | None = None
) -> tuple[Estimate, ...]:
    """What so many iterations of a run may use, by role.

    Args:
        config: of the run.
        engines: whose prices and caps count; none of them is asked.
        iterations: how many are to be made.
        policies: those that the run begins with; left out, the default policy.
    """
    environment = config.environment.make()
    environment.close()
    first = dict.fromkeys(environment.agents, config.first_policy or DEFAULT_POLICY)
    probe = _probe(config, dict(policies or first))
    episodes, agents = config.trajectories_per_iteration, len(environment.agents)
    updates = math.ceil(episodes / (config.mini_batch_size or episodes))
    decisions = updates * (agents if config.gate_scope == "agent" else 1)
    rewritten = config.update != "weights"
    gate = 2 * config.gate_episodes * decisions if rewritten and config.gate != "none" else 0
    turns = math.ceil(environment.max_cycles / config.decision_interval)
    asked = 2 if config.paradigm == "central_credit" and is_structured(engines.critic) else 1  # without a schema again
    cap = {role: _cap(engine) for role, engine in zip(ROLES, engines.all(), strict=True)}
    calls: dict[EngineRole, int] = {
        "actor": agents * turns * (episodes + gate),
        "critic": probe["critic"].calls * episodes * asked + (agents * updates if config.credit_summary else 0),
        "optimizer": probe["optimizer"].calls * updates,
    }
    feedback: dict[EngineRole, int] = {"optimizer": min(episodes * cap["critic"], TOKEN_BUDGET)}
    return tuple(
        _estimate(role, engine, calls[role] * iterations, _mean(probe[role]) + feedback.get(role, 0), cap[role])
        for role, engine in zip(ROLES, engines.all(), strict=True)
    )


@dataclass(frozen=True, slots=True)
class _OfThisMachine:
    """Stands for a model that acts from this machine; it costs nothing, and is not loaded to be counted."""

    name: str
    max_tokens: int

    def most_usage(self, messages: Sequence[Message], options: GenerateOptions) -> Usage:
        """The most that a call may use."""
        return Usage(most_tokens(messages, options), self.max_tokens, estimated=True)

    async def generate(self, messages: Sequence[Message], options: GenerateOptions = DEFAULT_OPTIONS) -> Completion:
        """Nobody is asked.

        Raises:
            EngineAccessError: always.
        """
        raise EngineAccessError("a dry run asks no model")


def _engines(config: TrainingConfig) -> Engines:
    if config.base_model is None:
        return Engines.of(config, need_keys=False)
    others = Engines.of(config.replaced(base_model=None, update="text", sampler="local"), need_keys=False)
    return replace(others, actor=_OfThisMachine(config.base_model, config.numeric.max_tokens))


def _probe(config: TrainingConfig, policies: Mapping[str, str]) -> dict[EngineRole, Tally]:
    """Play one episode, learn from it, and see what was asked."""
    meter = Meter()
    engine = Metered(ScriptedEngine(lambda messages, options: _answer([*policies], options)), meter)
    collector = Collector(
        config.environment.make,
        engine,
        seed=config.seed,
        decision_interval=config.decision_interval,
        bare=config.prompts == "bare",
    )
    environment = collector.environment
    evaluator = ParadigmEvaluator(
        config.paradigm, agents=environment.agents, environment=environment.name, rules=environment.rules
    )
    roles = {agent: environment.role_of(agent) for agent in environment.agents}
    critic = EpisodeCritic(evaluator, engine, roles=roles, seed=config.seed)
    learner = TextualLearner(policies, engine, AlwaysAccept(), seed=config.seed)

    async def play_and_learn() -> None:
        played = await collector.collect(policies, branch="train", iteration=0, episodes=(0,))
        await learner.update((await critic.judge(played)).episodes)

    with Session(seed=config.seed, concurrency=config.concurrency) as session:
        session.portal.run(play_and_learn())
    collector.close()
    return {role: meter.tally(role) for role in ROLES}


def _answer(agents: Sequence[str], options: GenerateOptions) -> str:
    """A criticism of every agent; to all others nothing that can be used, so that they ask as often as they may."""
    return json.dumps({agent: {"score": 0, "feedback": "-"} for agent in agents}) if options.role == "critic" else ""


def _cap(engine: Engine) -> int:
    return most_usage(engine, (Message(content=""),), GenerateOptions()).output_tokens


def _mean(tally: Tally) -> int:
    """Tokens of a request."""
    return math.ceil(tally.usage.input_tokens / max(tally.calls, 1))


def _estimate(role: EngineRole, engine: Engine, calls: int, asked: int, answered: int) -> Estimate:
    one, least = call_cost(engine, Usage(asked, answered)), call_cost(engine, Usage(asked, 0))
    return Estimate(
        role,
        calls,
        calls * asked,
        calls * answered,
        None if least is None else calls * least,
        None if one is None else calls * one,
    )


def _usd(amount: float | None) -> str:
    return "price unknown" if amount is None else f"${amount:,.4f}"
