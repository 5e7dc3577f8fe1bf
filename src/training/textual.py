"""TextualLearner: policies learn from recorded episodes in words.

Replay the episodes into a graph, let the critic write gradients, let the optimizer propose new policies, and keep the
proposal if the acceptance gate finds it better.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from textgrad_agents.errors import FileFormatError
from textgrad_agents.files import read_json, write_json
from textgrad_agents.interfaces import Engine, UpdateReport
from textgrad_agents.optim.descent import TextualGradientDescent
from textgrad_agents.optim.proposals import Outcome, Proposal
from textgrad_agents.trajectory import Credit, Episode
from textgrad_agents.variables.gradient import Gradient
from textgrad_agents.variables.graph import abackward
from textgrad_agents.variables.variable import Variable
from training.digest import digest
from training.paradigms import ParadigmEvaluator
from training.replay import Evaluation, Replay, join

Policies = dict[str, str]

MAX_BYTES = 100_000_000
_WAY_OUT = "`textgrad-agents rebuild` makes it anew from the journal"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a gate decided.

    Attributes:
        accepted: True if the candidate replaces the incumbent.
        reason: why, in one sentence.
        score: mean return of the team that the gate kept, None if it was not played.
        episodes: episodes played for the decision.
    """

    accepted: bool
    reason: str
    score: float | None = None
    episodes: int = 0


class Gate(Protocol):
    """Decides whether a proposal is kept."""

    async def judge(self, incumbent: Mapping[str, str], candidate: Mapping[str, str], iteration: int) -> Verdict:
        """Compare two teams."""
        ...

    def state(self) -> list[Any]:
        """What later decisions depend on, as JSON-like values."""
        ...

    def restore(self, state: list[Any]) -> None:
        """Go on from what `state` gave.

        Raises:
            KeyError, TypeError, ValueError: it is no such state.
        """
        ...


class TextualLearner:
    """Learns policy texts.

    Args:
        policies: policy text of each agent; read the present ones from `policies`.
        evaluator: the paradigm.
        critic: engine of the critic.
        optimizer: engine of the optimizer.
        gate: decides about proposals.
        roles: role of each agent; evidence is pooled over the agents of a role.
        seed: root of the seeds of all calls.
        report: told of every evaluation as it comes in.

    Attributes:
        optimizer: rewrites the policies.
    """

    name = "textual"

    def __init__(
        self,
        policies: Mapping[str, str],
        evaluator: ParadigmEvaluator,
        critic: Engine,
        optimizer: Engine,
        gate: Gate,
        *,
        roles: Mapping[str, str],
        seed: int = 0,
        report: Callable[[Evaluation], None] | None = None,
    ) -> None:
        self._parameters: dict[str, Variable[str]] = {
            agent: Variable(text, role_description=f"policy of {agent}", name=agent) for agent, text in policies.items()
        }
        self._evaluator = evaluator
        self._critic = critic
        self._gate = gate
        self._roles = dict(roles)
        self._seed = seed
        self._report = report
        self.optimizer = TextualGradientDescent(self._parameters.values(), engine=optimizer, seed=seed)

    @property
    def policies(self) -> Policies:
        """The present policy of each agent."""
        return {agent: parameter.value for agent, parameter in self._parameters.items()}

    def set_policies(self, policies: Mapping[str, str]) -> None:
        """Replace the present policies (of the same agents). What was said of a policy goes with it."""
        for agent, parameter in self._parameters.items():
            if parameter.value != policies[agent]:
                parameter.value = policies[agent]
                parameter.reset_gradients()

    async def update(self, episodes: Sequence[Episode]) -> UpdateReport:
        """One round: critic, optimizer, gate. Episodes that failed teach nothing and are counted.

        Feedback is about the policies that acted: it stays, and more is added to it, until they are replaced.
        """
        sound = [episode for episode in episodes if episode.error is None and episode.cycles]
        evaluations: list[Evaluation] = []
        if sound:
            await abackward(self._loss(sound, evaluations))
        incumbent = self.policies
        proposals = await self.optimizer.propose()
        candidate = incumbent | {one.name: str(one.new) for one in proposals if one.outcome is Outcome.PROPOSED}
        if candidate == incumbent:
            verdict = Verdict(False, _nothing_new(proposals))
        else:
            verdict = await self._gate.judge(incumbent, candidate, episodes[0].iteration)
        if verdict.accepted:
            self.optimizer.apply(proposals)
            self.optimizer.zero_grad()
        else:
            self.optimizer.reject(proposals, verdict.reason)
        return self._describe(episodes, sound, evaluations, proposals, verdict)

    def save(self, folder: Path) -> None:
        """Write policies, the feedback on them, past attempts and the gate's evidence to `folder`/textual.json."""
        feedback = {
            agent: [{"text": one.text, "origin": one.origin, "used_as": one.used_as} for one in parameter.gradients]
            for agent, parameter in self._parameters.items()
        }
        state = {
            "policies": self.policies,
            "feedback": feedback,
            "optimizer": self.optimizer.state_dict(),
            "gate": self._gate.state(),
        }
        write_json(folder / "textual.json", state)

    def load(self, folder: Path) -> None:
        """Restore what `save` wrote.

        Raises:
            FileFormatError: the file is missing, damaged, or of other agents.
        """
        path = folder / "textual.json"
        stored: object = read_json(path, what="learner state", max_bytes=MAX_BYTES)
        state = cast("dict[str, Any]", stored) if isinstance(stored, dict) else {}
        policies: Any = state.get("policies")
        if not isinstance(policies, dict) or cast("dict[str, Any]", policies).keys() != self._parameters.keys():
            raise FileFormatError(
                f"learner state {path}: 'policies' must hold a text for each of {[*self._parameters]}; {_WAY_OUT}"
            )
        try:
            feedback = {agent: tuple(Gradient(**one) for one in state["feedback"][agent]) for agent in self._parameters}
            self.optimizer.load_state_dict(state["optimizer"])
            self._gate.restore(state["gate"])
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise FileFormatError(f"learner state {path} is damaged ({error!r}); {_WAY_OUT}") from None
        self.set_policies(cast("dict[str, str]", policies))
        for agent, gradients in feedback.items():
            self._parameters[agent].set_gradients(gradients)

    def _digest(self, episode: Episode) -> str:
        return digest(episode, roles=self._roles)

    def _loss(self, episodes: Sequence[Episode], evaluations: list[Evaluation]) -> Variable[Any]:
        def report(evaluation: Evaluation) -> None:
            evaluations.append(evaluation)
            if self._report is not None:
                self._report(evaluation)

        return join(
            [
                Replay(
                    episode,
                    self._digest,
                    self._evaluator,
                    self._critic,
                    seed=self._seed,
                    report=report,
                )(**self._parameters)
                for episode in episodes
            ]
        )

    def _describe(
        self,
        episodes: Sequence[Episode],
        sound: Sequence[Episode],
        evaluations: list[Evaluation],
        proposals: Sequence[Proposal],
        verdict: Verdict,
    ) -> UpdateReport:
        evaluations.sort(key=lambda one: (one.episode_id, self._order(one.question.label)))
        credits: dict[int, tuple[Credit, ...]] = {}
        for evaluation in evaluations:
            known = credits.get(evaluation.episode_id, ())
            credits[evaluation.episode_id] = known + evaluation.reading.credits
        unread = sum(len(one.reading.missing) for one in evaluations)
        failed = sum(proposal.outcome in (Outcome.UNREADABLE, Outcome.REJECTED) for proposal in proposals)
        notes = [verdict.reason]
        if len(sound) < len(episodes):
            notes.append(f"{len(episodes) - len(sound)} of {len(episodes)} episodes failed and were left out")
        if unread:
            notes.append(f"the critic said nothing usable of an agent {unread} times")
        if failed:
            notes.append(f"{failed} of {len(proposals)} proposals could not be used")
        return UpdateReport(
            learner=self.name,
            changed=verdict.accepted,
            metrics={
                **({} if verdict.score is None else {"score": verdict.score}),
                "critic_calls": len(evaluations),
                "proposals": len(proposals),
                "gate_episodes": verdict.episodes,
                "missing_credit": unread,
                "unusable_proposals": failed,
            },
            notes=tuple(notes),
            credits=credits,
            files={"textgrad_evaluations.txt": self._transcript(len(episodes), evaluations, episodes[0].iteration)},
        )

    def _order(self, label: str) -> int:
        agents = self._evaluator.agents
        return agents.index(label) if label in agents else 0

    def _transcript(self, episodes: int, evaluations: Sequence[Evaluation], iteration: int) -> str:
        """The questions and replies of one update as a text to read."""
        bar = "=" * 80
        blocks = [
            f"{bar}\nTextGrad evaluations\nIteration: {iteration}\nParadigm: {self._evaluator.paradigm}\n"
            f"Agents: {len(self._evaluator.agents)}\nEpisodes evaluated: {episodes}\n{bar}"
        ]
        for number, one in enumerate(evaluations, start=1):
            prompt = "\n\n".join(message.text for message in one.question.messages)
            reply = one.reply if one.error is None else f"(no reply: {one.error})"
            blocks.append(
                f"[{number}] Episode {one.episode_id} – {one.question.label}\n{'-' * 80}\nPROMPT\n{prompt}\n"
                f"{'-' * 80}\nREPLY\n{reply}"
            )
        blocks.append(f"{bar}\nSummary\nEvaluations: {len(evaluations)}\n{bar}")
        return "\n\n".join(blocks) + "\n"


def _nothing_new(proposals: Sequence[Proposal]) -> str:
    if any(proposal.outcome is Outcome.UNCHANGED for proposal in proposals):
        return "the optimizer proposed no change"
    return "there was no usable proposal"
