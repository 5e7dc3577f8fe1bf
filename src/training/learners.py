"""Who learns in a run, in which order, and where each keeps what it remembers.

An iteration goes: collect, critic, weights, words. The critic's judgements become part of the episodes; every learner
learns from the same ones. Learners of weights come first, while the episodes are still those of the present weights;
the textual learner, whose gate plays episodes, comes last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textgrad_agents.interfaces import Engine, Learner, UpdateReport
from textgrad_agents.optim.constraints import AllowedWords
from textgrad_agents.trajectory import Episode
from training.acceptance import Gate
from training.collect import Collector
from training.config import TrainingConfig
from training.gate import AlwaysAccept, PairedGate
from training.judging import EpisodeCritic
from training.local_policy import LocalPolicy
from training.paradigms import ParadigmEvaluator
from training.recalling import RecallingLearner
from training.run_events import RunEvents
from training.runs import RunFolder
from training.textual import TextualLearner


@dataclass(frozen=True, slots=True)
class Learners:
    """The critic and the learners of a run.

    Attributes:
        critic: judges episodes before anybody learns from them; None where nobody reads judgements.
        members: the learners, in the order in which they learn.
        textual: that of the members which holds the policies, if one does.
    """

    critic: EpisodeCritic | None = None
    members: tuple[Learner[Episode], ...] = ()
    textual: TextualLearner | None = None

    async def judge(self, episodes: Sequence[Episode]) -> tuple[Sequence[Episode], tuple[UpdateReport, ...]]:
        """The episodes with the critic's credits, and what the critic reports."""
        if self.critic is None:
            return episodes, ()
        judgement = await self.critic.judge(episodes)
        return judgement.episodes, (judgement.report,)

    def policies(self, before: Mapping[str, str]) -> dict[str, str]:
        """The present policies; those from before where nobody learns words."""
        return dict(before) if self.textual is None else self.textual.policies

    def set_policies(self, policies: Mapping[str, str]) -> None:
        """Begin from these policies."""
        if self.textual is not None:
            self.textual.set_policies(policies)

    def save(self, folder: Path) -> None:
        """Write what each remembers into a folder of its name."""
        for learner in self.members:
            learner.save(folder / learner.name)

    def load(self, folder: Path) -> None:
        """Restore what `save` wrote.

        Raises:
            FileFormatError: a learner's files are missing or damaged.
        """
        for learner in self.members:
            learner.load(folder / learner.name)


def make_learners(
    config: TrainingConfig,
    policies: Mapping[str, str],
    evaluator: ParadigmEvaluator,
    roles: Mapping[str, str],
    *,
    critic: Engine,
    optimizer: Engine,
    gate: Gate,
    local: LocalPolicy | None,
    read: Callable[[int, int], Episode],
    events: RunEvents,
) -> Learners:
    """The learners that a config names.

    Args:
        config: of the run.
        policies: the first ones.
        evaluator: the paradigm.
        roles: role of each agent.
        critic: engine that judges.
        optimizer: engine that rewrites.
        gate: decides about new policies.
        local: the model of this machine that acts, if one does.
        read: reads an episode of the run, by iteration and number.
        events: told of evaluations and decisions.
    """
    judge = EpisodeCritic(evaluator, critic, roles=roles, seed=config.seed, report=events.evaluated)
    weights: tuple[Learner[Episode], ...] = ()
    if local is not None and config.update != "text":
        weights = (local.learner(roles, events.reported),)
        if config.recall:
            weights = (RecallingLearner(weights[0], config.recall, read, seed=config.seed),)
    if config.update == "weights":
        return Learners(judge if config.numeric.reads_judgements else None, weights)
    textual = TextualLearner(
        policies,
        optimizer,
        gate,
        checks=[] if config.policy_words is None else [AllowedWords(config.policy_words)],
        gate_scope=config.gate_scope,
        critic_name=f"{config.paradigm} critic",
        summarizer=critic if config.credit_summary else None,
        gradient_memory=config.gradient_memory,
        seed=config.seed,
        report=events.decided,
    )
    return Learners(judge, (*weights, textual), textual)


def make_gate(
    config: TrainingConfig,
    collector: Collector,
    run: RunFolder,
    done: Callable[[dict[str, Any]], None],
    local: LocalPolicy | None = None,
) -> Gate:
    """The gate that a config names.

    Args:
        config: of the run.
        collector: plays the test episodes.
        run: keeps their record.
        done: told of each pair of them.
        local: the model of this machine that acts, if one does: evidence is about its present weights.
    """
    if config.gate == "none":
        return AlwaysAccept()
    return PairedGate(
        collector,
        run.gate,
        max_pairs=config.gate_episodes,
        alpha=config.alpha,
        sequential=config.gate == "sequential",
        weights=local.version if local is not None else None,
        done=done,
    )


def batches(episodes: Sequence[Episode], size: int | None) -> Iterator[Sequence[Episode]]:
    """The episodes in their order, so many at a time; all at once if no size is given."""
    step = size or len(episodes)
    return (episodes[begin : begin + step] for begin in range(0, len(episodes), step))
