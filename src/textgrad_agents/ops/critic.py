"""LLMCritic: gradients in words, written by a model.

One call per op call gives the gradients of all its inputs, as a JSON object with one text per input. An engine that
follows schemas is held to one; others write the object between tags with a nonce. A reply that cannot be read is asked
for once more; if that fails too, the inputs get no gradient, and it is counted. No input ever gets the words that were
meant for another.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from textgrad_agents.engines.base import is_structured
from textgrad_agents.errors import EngineReplyError
from textgrad_agents.interfaces import CriticInput, Criticism, CriticRequest, Engine, GenerateOptions
from textgrad_agents.messages import Completion, Message, assistant, system, user
from textgrad_agents.ops.content import fingerprint
from textgrad_agents.ops.critic_request import context_of, question
from textgrad_agents.ops.reply import Problem, ReplyProblem, between, complete_text, json_object
from textgrad_agents.ops.request import nonce, prompt
from textgrad_agents.session import Session, current_session

ANSWER_HEADING = "## Answer format: gradients"
NOTHING_TO_IMPROVE = "Nothing to improve."

_NOTHING = {"", "nothing to improve", "no change needed"}
_TRIES = 2


def says_nothing(text: str) -> bool:
    """True for words that say that all is well as it is."""
    return text.strip().rstrip(".!").casefold() in _NOTHING


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of reading one reply.

    Attributes:
        texts: the words for each input that the reply speaks of; empty words are "no change".
        missing: inputs asked for that it says nothing usable of.
        unknown: names in it that were not asked for.
        problem: why nothing of it could be read, or None.
    """

    texts: Mapping[str, str] = field(default_factory=dict[str, str])
    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    problem: Problem | None = None


def read_gradients(completion: Completion, names: Sequence[str], tag: str) -> Reading:
    """Read a reply; never raises.

    Args:
        completion: the reply.
        names: the inputs asked for.
        tag: what the answer was to be put between; a reply that is nothing but the answer needs no tags.
    """
    try:
        text = complete_text(completion)
        tagged = f"<{tag}>" in text or f"</{tag}>" in text
        if not tagged and text[0] not in "{`":
            raise ReplyProblem(Problem.NO_TAG)
        said = json_object(between(text, f"<{tag}>", f"</{tag}>") if tagged else text)
        texts = {name: said[name] or "" for name in names if isinstance(said.get(name, 0), str | None)}
        if not texts:
            raise ReplyProblem(Problem.NOTHING_KNOWN)
    except ReplyProblem as error:
        return Reading(missing=tuple(names), problem=error.problem)
    missing = tuple(name for name in names if name not in texts)
    return Reading(texts, missing, tuple(name for name in said if name not in names))


class LLMCritic:
    """A critic that asks a model.

    Args:
        engine: the model; the session's critic engine if None.
        per_input: ask about each input in a call of its own, and take the whole reply as its gradient.
        options: how the calls are sampled; seed, role and schema are set by the critic.

    Attributes:
        tally: how often a call was made (``calls``); a reply was ``read`` at once, ``repaired``, or ``unreadable``
            after that too; an input was ``missing`` from a reply that could be read; a name in it was ``unknown``.
    """

    def __init__(
        self, engine: Engine | None = None, *, per_input: bool = False, options: GenerateOptions | None = None
    ) -> None:
        self._engine = engine
        self._per_input = per_input
        self._options = replace(options or GenerateOptions(), role="critic")
        self.tally: Counter[str] = Counter()

    async def criticise(self, request: CriticRequest) -> Mapping[str, Criticism]:
        """Gradients of the wanted inputs by name; an input that needs no change, or got no usable words, is left out.

        Raises:
            ConfigError: there is no engine.
            EngineError: the engine cannot answer; an empty or cut reply is not an error here.
        """
        wanted = [one for one in request.inputs if one.wanted]
        if not wanted:
            return {}
        engine = self._engine or current_session().engine("critic")
        if self._per_input:
            texts = dict(await asyncio.gather(*(self._ask_about(request, one, engine) for one in wanted)))
        else:
            texts = (await self._ask_about_all(request, [one.name for one in wanted], engine)).texts
        return {
            one.name: Criticism(texts[one.name].strip(), context_of(request, one))
            for one in wanted
            if one.name in texts and not says_nothing(texts[one.name])
        }

    async def _ask_about_all(self, request: CriticRequest, names: list[str], engine: Engine) -> Reading:
        session = current_session()
        structured = is_structured(engine)
        tag = f"GRADIENTS_{nonce(session.seed, fingerprint([question(request, '')]))}"
        first = [system(prompt("criticise")), question(request, _answer_format(None if structured else tag))]
        options = self._seeded(session, first, response_schema=_schema(names) if structured else None)
        messages, reading = first, Reading()
        for attempt in range(_TRIES):
            reply, reading = await self._try(session, engine, messages, options, names, tag)
            if reading.problem is None:
                self.tally["repaired" if attempt else "read"] += 1
                self.tally["missing"] += len(reading.missing)
                self.tally["unknown"] += len(reading.unknown)
                return reading
            repair = f"Your reply cannot be used: {reading.problem.value}. Answer again.\n\n{_answer_format(tag)}"
            messages = [*first, assistant(reply or "(no reply)"), user(repair)]
            options = replace(options, seed=(options.seed or 0) + 1, response_schema=None)
        self.tally["unreadable"] += 1
        return reading

    async def _try(
        self,
        session: Session,
        engine: Engine,
        messages: list[Message],
        options: GenerateOptions,
        names: list[str],
        tag: str,
    ) -> tuple[str, Reading]:
        self.tally["calls"] += 1
        try:
            completion = await session.ask(engine, messages, options)
        except EngineReplyError:
            return "", Reading(missing=tuple(names), problem=Problem.EMPTY)
        return completion.text, read_gradients(completion, names, tag)

    async def _ask_about(self, request: CriticRequest, wanted: CriticInput, engine: Engine) -> tuple[str, str]:
        session = current_session()
        alone = replace(request, inputs=tuple(replace(one, wanted=one.name == wanted.name) for one in request.inputs))
        messages = [system(prompt("criticise")), question(alone, _FORMAT_OF_ONE)]
        self.tally["calls"] += 1
        try:
            completion = await session.ask(engine, messages, self._seeded(session, messages))
            text = complete_text(completion)
        except (EngineReplyError, ReplyProblem):
            self.tally["unreadable"] += 1
            return wanted.name, ""
        self.tally["read"] += 1
        return wanted.name, text

    def _seeded(
        self, session: Session, messages: list[Message], response_schema: Mapping[str, Any] | None = None
    ) -> GenerateOptions:
        return replace(
            self._options, seed=session.seed_of("critic", fingerprint(messages)), response_schema=response_schema
        )


def _answer_format(tag: str | None) -> str:
    """How to answer about all wanted inputs: between tags, or under a schema if `tag` is None."""
    lines = [
        ANSWER_HEADING,
        "",
        "Reply with one JSON object. Its keys are the names under `wanted`, its values are texts.",
    ]
    if tag is not None:
        lines.append(f"Write it between <{tag}> and </{tag}>, and write each of these tags only once.")
    return "\n".join(lines)


_FORMAT_OF_ONE = f"""{ANSWER_HEADING}

Reply with the feedback on the input under `wanted` and nothing else. If it needs no change, reply:
{NOTHING_TO_IMPROVE}"""


def _schema(names: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: {"type": "string"} for name in names},
        "required": list(names),
        "additionalProperties": False,
    }
