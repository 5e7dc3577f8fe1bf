"""EpisodeCritic: a model judges recorded episodes; its judgements become part of the record.

The paradigm says which questions are asked about an episode and whose policies the answers are for. All questions about
all episodes are under way at once. Whatever learns reads the credits in the episodes: the textual learner their words,
a numeric one their numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from textgrad_agents.engines.base import is_structured
from textgrad_agents.errors import EngineReplyError
from textgrad_agents.interfaces import Engine, GenerateOptions, UpdateReport
from textgrad_agents.optim.base import together
from textgrad_agents.seeds import derive_seed
from textgrad_agents.trajectory import Episode
from training.credit import CreditReading
from training.digest import digest, told_cycles
from training.paradigms import ParadigmEvaluator, Question

UNPARSED = "schema"
"""Kind of the error of a reply that is not of the form that was asked for."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One question to the critic and what came of it.

    Attributes:
        episode_id: the episode judged.
        question: as asked.
        reply: the critic's raw reply ("" if there was none).
        reading: what it says of each agent.
        error: why there was no reply, or None.
    """

    episode_id: int
    question: Question
    reply: str
    reading: CreditReading
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the critic made of some episodes.

    Attributes:
        episodes: the episodes, in their order, with the credits that the critic gave.
        evaluations: the questions and answers, by episode.
        report: what was done, in numbers and words, with the transcript.
    """

    episodes: tuple[Episode, ...]
    evaluations: tuple[Evaluation, ...]
    report: UpdateReport


class EpisodeCritic:
    """Asks a paradigm's questions about episodes.

    Args:
        evaluator: the paradigm.
        engine: answers.
        roles: role of each agent; evidence is pooled over the agents of a role.
        seed: root of the seeds of all calls.
        report: told of every evaluation as it comes in.
    """

    name = "critic"

    def __init__(
        self,
        evaluator: ParadigmEvaluator,
        engine: Engine,
        *,
        roles: Mapping[str, str],
        seed: int = 0,
        report: Callable[[Evaluation], None] | None = None,
    ) -> None:
        self._evaluator = evaluator
        self._engine = engine
        self._roles = dict(roles)
        self._seed = seed
        self._report = report

    async def judge(self, episodes: Sequence[Episode]) -> Judgement:
        """Judge all episodes that did not fail.

        A question without a usable answer leaves its agents without credit and is counted.

        Raises:
            EngineError: the engine cannot be reached, refuses, or no longer serves these calls.
        """
        asked = [
            self._evaluate(episode, question)
            for episode in episodes
            if episode.error is None and episode.cycles
            for question in self._evaluator.questions(digest(episode, roles=self._roles), told_cycles(episode))
        ]
        evaluations = tuple(await together(asked))
        judged = tuple(
            replace(
                episode,
                credits=tuple(
                    credit
                    for one in evaluations
                    if one.episode_id == episode.episode_id
                    for credit in one.reading.credits
                ),
            )
            for episode in episodes
        )
        return Judgement(judged, evaluations, self._describe(judged, evaluations))

    async def _evaluate(self, episode: Episode, question: Question) -> Evaluation:
        evaluation = await self._ask(episode, question)
        if self._report is not None:
            self._report(evaluation)
        return evaluation

    async def _ask(self, episode: Episode, question: Question) -> Evaluation:
        schema = question.schema if is_structured(self._engine) else None
        options = GenerateOptions(
            temperature=0.0,
            seed=derive_seed(self._seed, "critic", episode.iteration, episode.episode_id, question.label),
            response_schema=schema,
            role="critic",
        )
        try:
            try:
                completion = await self._engine.generate(question.messages, options)
            except EngineReplyError as error:
                if schema is None or error.kind != UNPARSED:
                    raise
                completion = await self._engine.generate(question.messages, replace(options, response_schema=None))
        except EngineReplyError as error:
            nothing = CreditReading((), question.agents, "none")
            return Evaluation(episode.episode_id, question, "", nothing, str(error))
        reading = self._evaluator.read(question, completion.text, source=self._engine.name)
        return Evaluation(episode.episode_id, question, completion.text, reading)

    def _describe(self, judged: Sequence[Episode], evaluations: Sequence[Evaluation]) -> UpdateReport:
        missing = sum(len(one.reading.missing) for one in evaluations)
        foreign = sum(one.reading.foreign for one in evaluations)
        notes: list[str] = []
        if missing:
            notes.append(f"the critic said nothing usable of an agent {missing} times")
        if foreign:
            notes.append(f"{foreign} sections about other agents were cut out of what the critic said of one")
        return UpdateReport(
            learner=self.name,
            credits={one.episode_id: one.credits for one in judged if one.credits},
            metrics={"critic_calls": len(evaluations), "missing_credit": missing, "foreign_sections": foreign},
            notes=tuple(notes),
            files={"textgrad_evaluations.txt": transcript(self._evaluator, judged, evaluations)},
        )


def transcript(evaluator: ParadigmEvaluator, episodes: Sequence[Episode], evaluations: Sequence[Evaluation]) -> str:
    """The questions and replies as a text to read."""
    bar = "=" * 80
    blocks = [
        f"{bar}\nTextGrad evaluations\nIteration: {episodes[0].iteration}\nParadigm: {evaluator.paradigm}\n"
        f"Agents: {len(evaluator.agents)}\nEpisodes evaluated: {len(episodes)}\n{bar}"
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
