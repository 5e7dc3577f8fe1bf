"""The events of a run: what its parts report, written down and handed on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from textgrad_agents.engines.middleware import Try
from textgrad_agents.events import Event
from textgrad_agents.interfaces import UpdateReport
from textgrad_agents.trajectory import Episode
from training.acceptance import Decision
from training.judging import Evaluation
from training.runs import RunFolder


class RunEvents:
    """Turns what happens in a run into its events.

    Args:
        run: whose log takes them.
        listener: told of each.
    """

    def __init__(self, run: RunFolder, listener: Callable[[Event], None] | None) -> None:
        self._run = run
        self._listener = listener

    def emit(self, kind: str, *, iteration: int | None = None, episode: int | None = None, **data: Any) -> None:
        """Record an event."""
        event = Event.now(self._run.name, kind, iteration=iteration, episode=episode, **data)
        self._run.logger.log(event)
        if self._listener is not None:
            self._listener(event)

    def note(self, text: str) -> None:
        """Record a sentence for people."""
        self.emit("note", text=text)

    def tried(self, one: Try) -> None:
        """A try of a call failed."""
        if one.outcome != "answered":
            self.emit(
                "try_failed",
                engine=one.engine,
                role=one.role,
                number=one.number,
                fault=one.outcome,
                seconds=one.seconds,
                next_in=one.wait,
                tokens=None if one.usage is None else one.usage.input_tokens + one.usage.output_tokens,
                cost_usd=one.cost_usd,
            )

    def reported(self, kind: str, facts: Mapping[str, Any]) -> None:
        """A learner says what happened in an update."""
        self.emit(kind, **facts)

    def played(self, episode: Episode) -> None:
        """An episode is over."""
        self.emit(
            "episode_finished",
            iteration=episode.iteration,
            episode=episode.episode_id,
            reward=episode.total_reward,
            length=episode.length,
            error=episode.error,
            parse_failures=sum(not step.parsed for step in episode.steps()),
        )

    def evaluated(self, evaluation: Evaluation) -> None:
        """The critic answered a question, or did not."""
        self.emit(
            "evaluation_finished",
            episode=evaluation.episode_id,
            label=evaluation.question.label,
            form=evaluation.reading.form,
            missing=list(evaluation.reading.missing),
            foreign=evaluation.reading.foreign,
            error=evaluation.error,
        )

    def paired(self, row: dict[str, Any]) -> None:
        """Two teams played a pair of test episodes."""
        self.emit("gate_pair_finished", **row)

    def decided(self, decision: Decision) -> None:
        """The gate decided, on this evidence."""
        verdict = decision.verdict
        self.emit(
            "gate_decided",
            iteration=decision.iteration,
            agents=list(decision.agents),
            accepted=verdict.accepted,
            reason=verdict.reason,
            pairs=verdict.pairs,
            gain=verdict.gain,
            e_value=verdict.e_value,
            failed_episodes=verdict.failed,
        )

    def updated(self, report: UpdateReport, iteration: int) -> None:
        """A learner, or the critic, is done with some episodes."""
        self.emit(
            "updated",
            iteration=iteration,
            learner=report.learner,
            changed=report.changed,
            metrics=dict(report.metrics),
            notes=list(report.notes),
        )
