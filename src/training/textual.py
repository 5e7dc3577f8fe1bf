"""TextualLearner: policies learn from judged episodes in words.

The credits in the record become gradients of the policies, the optimizer proposes new policies, and a proposal is kept
if the acceptance gate finds it better.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from textgrad_agents.errors import FileFormatError
from textgrad_agents.files import read_json, write_json
from textgrad_agents.interfaces import Engine, UpdateReport
from textgrad_agents.optim.constraints import Check
from textgrad_agents.optim.descent import TextualGradientDescent
from textgrad_agents.optim.proposals import Outcome, Proposal
from textgrad_agents.trajectory import Episode
from textgrad_agents.variables.gradient import Gradient
from textgrad_agents.variables.graph import abackward
from textgrad_agents.variables.variable import Variable
from training.acceptance import Decision, Gate, GateScope, Policies, decide
from training.replay import Replay, join
from training.summarising import Summaries, summarise

MAX_BYTES = 100_000_000
_WAY_OUT = "`textgrad-agents rebuild` makes it anew from the journal"


class TextualLearner:
    """Learns policy texts.

    Args:
        policies: policy text of each agent; read the present ones from `policies`.
        optimizer: engine of the optimizer.
        gate: decides about proposals.
        gate_scope: whether it decides about all proposals together or about each agent's.
        checks: what every new policy has to keep.
        critic_name: who judged, for the gradients.
        summarizer: engine that merges what several episodes say of an agent; None leaves the pieces as they are.
        gradient_memory: the optimizer sees the feedback of so many earlier updates again.
        seed: root of the seeds of all calls.
        report: told of every decision of the gate.

    Attributes:
        optimizer: rewrites the policies.
    """

    name = "textual"

    def __init__(
        self,
        policies: Mapping[str, str],
        optimizer: Engine,
        gate: Gate,
        *,
        gate_scope: GateScope = "joint",
        checks: Sequence[Check] = (),
        critic_name: str = "critic",
        summarizer: Engine | None = None,
        gradient_memory: int = 0,
        seed: int = 0,
        report: Callable[[Decision], None] | None = None,
    ) -> None:
        self._parameters: dict[str, Variable[str]] = {
            agent: Variable(text, role_description=f"policy of {agent}", name=agent) for agent, text in policies.items()
        }
        self._gate = gate
        self._gate_scope: GateScope = gate_scope
        self._critic_name = critic_name
        self._summarizer = summarizer
        self._report = report
        self.optimizer = TextualGradientDescent(
            self._parameters.values(), engine=optimizer, checks=checks, gradient_memory=gradient_memory, seed=seed
        )

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
        """One round: gradients, proposals, gate. Episodes that failed teach nothing and are counted.

        Feedback is about the policies that acted: it stays, and more is added to it, until they are replaced.
        """
        sound = [episode for episode in episodes if episode.error is None and episode.cycles]
        if sound:
            replays = [Replay(episode, self._critic_name)(**self._parameters) for episode in sound]
            await abackward(join(replays))
        summaries = Summaries()
        if self._summarizer is not None:
            summaries = await summarise([*self._parameters.values()], self._summarizer)
        proposals, decisions = await decide(
            self._gate,
            self._gate_scope,
            self.policies,
            await self.optimizer.propose(),
            episodes[0].iteration,
            self._report,
        )
        self.optimizer.apply(proposals)
        for decision in decisions:
            if decision.verdict.accepted:
                self._forget(decision.agents)
        return self._describe(len(episodes) - len(sound), len(episodes), proposals, decisions, summaries)

    def save(self, folder: Path) -> None:
        """Write policies, the feedback on them, past attempts and the gate's evidence to `folder`/textual.json."""
        feedback = {
            agent: [
                {"text": one.text, "origin": one.origin, "used_as": one.used_as, "weight": one.weight}
                for one in parameter.gradients
            ]
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

    def _forget(self, agents: Sequence[str]) -> None:
        """Drop the feedback that an accepted candidate answers; jointly it is all, because the team is another."""
        for agent, parameter in self._parameters.items():
            if self._gate_scope == "joint" or agent in agents:
                parameter.reset_gradients()

    def _describe(
        self,
        failed: int,
        episodes: int,
        proposals: Sequence[Proposal],
        decisions: Sequence[Decision],
        summaries: Summaries,
    ) -> UpdateReport:
        verdicts = [one.verdict for one in decisions]
        unusable = _count_unusable(proposals, decisions)
        notes = [_outcome(proposals, decisions)]
        if failed:
            notes.append(f"{failed} of {episodes} episodes failed and were left out")
        if unusable:
            notes.append(f"{unusable} of {len(proposals)} proposals could not be used")
        if summaries.refused:
            notes.append("the critic's model does not summarise: the feedback stays as it was said")
        scores = [one.score for one in verdicts if one.score is not None]
        gains = [one.gain for one in verdicts if one.accepted and one.gain is not None]
        return UpdateReport(
            learner=self.name,
            changed=any(one.accepted for one in verdicts),
            metrics={
                **({"score": scores[-1]} if scores else {}),
                **({"gain": sum(gains)} if gains else {}),
                "proposals": len(proposals),
                "decisions": len(decisions),
                "gate_episodes": sum(one.episodes for one in verdicts),
                "failed_gate_episodes": sum(one.failed for one in verdicts),
                "unusable_proposals": unusable,
                "summaries": summaries.made,
            },
            notes=tuple(notes),
        )


def _count_unusable(proposals: Sequence[Proposal], decisions: Sequence[Decision]) -> int:
    """Proposals that no gate was asked about, because there was no usable value."""
    tried = {agent for one in decisions for agent in one.agents}
    return sum(one.outcome in (Outcome.UNREADABLE, Outcome.REJECTED) and one.name not in tried for one in proposals)


def _outcome(proposals: Sequence[Proposal], decisions: Sequence[Decision]) -> str:
    """What became of the proposals, in one sentence."""
    if len(decisions) == 1:
        return decisions[0].verdict.reason
    if decisions:
        taken = [agent for one in decisions if one.verdict.accepted for agent in one.agents]
        kept = f"kept the present policies of the other {len(decisions) - len(taken)} with a proposal"
        return f"accepted for {', '.join(taken)}; {kept}" if taken else f"kept all {len(decisions)} present policies"
    if any(one.outcome is Outcome.UNCHANGED for one in proposals):
        return "the optimizer proposed no change"
    return "there was no usable proposal"
