"""Paradigms: how the critic is asked about an episode, and whose policy its words are for.

    independent     one question per agent; the answer is that agent's alone
    central_global  one question about the team; the same answer goes to all agents
    central_credit  one question about the team; the answer holds a judgement of each agent

The critic sees the whole episode (centralized training); actors never do.
"""

from __future__ import annotations

import json
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal, cast, get_args

from textgrad_agents.errors import ConfigError, FileFormatError
from textgrad_agents.messages import Message, system, user
from textgrad_agents.trajectory import Credit
from training.credit import CreditReading, credit_schema, read_credits, read_whole

ParadigmName = Literal["independent", "central_global", "central_credit"]
GROUPS = ("left", "middle", "right")

_EVALUATION_FORMAT = """## Answer format: evaluation
Agent: {subject}
Write what helped and what hurt, in plain sentences: which actions in which situations came before progress, which did
not, and with what numbers. Name situations and actions as the digest names them. Do not write a new policy."""

_CREDIT_FORMAT = """## Answer format: credit per agent
Agents: {agents}
Answer with one JSON object and nothing else. Its keys are the agents' names; each value is an object with "score", a
number from -1 (its actions cost the team much) to 1 (they gained much), and "feedback", what helped and what hurt in
this agent's actions: which actions in which situations came before progress, which did not, with what numbers. Name
situations and actions as the digest names them. Do not write new policies.{steps}"""

_STEPS_FORMAT = """
Where single cycles that the digest tells decided much, an agent's object holds "steps" too: a list of objects with
"cycle", the cycle's number, and "score" and "feedback" as above, about this agent's action in that cycle."""


@dataclass(frozen=True, slots=True)
class Question:
    """One request to the critic.

    Attributes:
        label: what it is about ("piston_3", "Global Team", "Credit Assignment").
        messages: as sent.
        agents: whose policies the answer is for.
        per_agent: True if the answer holds a judgement of each of them.
        cycles: those that such an answer may judge by themselves.
    """

    label: str
    messages: tuple[Message, ...]
    agents: tuple[str, ...]
    per_agent: bool = False
    cycles: tuple[int, ...] = ()

    @property
    def schema(self) -> Mapping[str, Any] | None:
        """JSON schema of the answer, None where it is free text."""
        return credit_schema(self.agents, steps=bool(self.cycles)) if self.per_agent else None


class ParadigmEvaluator:
    """Writes the questions of a paradigm and reads the answers.

    Args:
        paradigm: "independent", "central_global" or "central_credit".
        num_pistons: number of agents where `agents` is not given; they are called ``piston_0`` and so on.
        prompts_dir: a folder with ``game_contexts/<environment>.json`` and ``templates/<paradigm>.json`` (and, if
            wanted, ``role_descriptions.json``) in place of the package's own.
        agents: names of the agents, in order.
        environment: name of the environment, for its game context.
        rules: the environment's rules in words.

    Raises:
        ConfigError: an unknown paradigm, or a template with a placeholder that is not known.
        FileFormatError: a prompt file is missing or damaged.
    """

    def __init__(
        self,
        paradigm: str,
        num_pistons: int = 20,
        prompts_dir: str | Path | None = None,
        *,
        agents: Sequence[str] | None = None,
        environment: str = "pistonball",
        rules: str = "",
    ) -> None:
        if paradigm not in get_args(ParadigmName):
            raise ConfigError(f"paradigm must be one of {', '.join(get_args(ParadigmName))}, not {paradigm!r}")
        self.paradigm = cast("ParadigmName", paradigm)
        self.agents = tuple(agents) if agents is not None else tuple(f"piston_{i}" for i in range(num_pistons))
        self._environment = environment
        self._rules = rules
        self._folder = Path(prompts_dir) if prompts_dir is not None else None
        self.reload_prompts()

    def reload_prompts(self) -> None:
        """Read the prompt files again."""
        contexts = self._root() / "game_contexts"
        own = contexts / f"{self._environment}.json"
        context = own if own.is_file() else contexts / "default.json"
        self._game_context = _field(context, "game_context")
        template = self._root() / "templates" / f"{self.paradigm}.json"
        self._template = _field(template, "template")
        roles = self._root() / "role_descriptions.json"
        self._roles: Mapping[str, Any] = _load(roles) if roles.is_file() else {}
        for text, source in ((self._game_context, context), (self._template, template)):
            known = self._fields("", None, ())
            unknown = sorted(_placeholders(text) - known.keys())
            if unknown:
                raise ConfigError(f"{source}: unknown placeholder {unknown}; known are {', '.join(sorted(known))}")

    # -- asking --------------------------------------------------------------------------------------------------

    def questions(self, trajectory: str, cycles: Sequence[int] = ()) -> tuple[Question, ...]:
        """The requests about one episode.

        Args:
            trajectory: the critic's digest of it.
            cycles: those that the digest tells of, which may be judged by themselves.
        """
        context = system(self._game_context.format(**self._fields(trajectory, None, ())))

        def ask(label: str, agents: tuple[str, ...], agent: str | None, told: tuple[int, ...] | None) -> Question:
            prompt = user(self.create_evaluation_prompt(trajectory, agent, cycles=told or ()))
            return Question(label, (context, prompt), agents, told is not None, told or ())

        if self.paradigm == "independent":
            return tuple(ask(agent, (agent,), agent, None) for agent in self.agents)
        if self.paradigm == "central_global":
            return (ask("Global Team", self.agents, None, None),)
        return (ask("Credit Assignment", self.agents, None, tuple(cycles)),)

    def create_evaluation_prompt(
        self, trajectory: str, agent_id: str | int | None = None, *, cycles: Sequence[int] = ()
    ) -> str:
        """The user message of one request.

        Args:
            trajectory: the digest of the episode.
            agent_id: name or number of the agent that the question is about (paradigm "independent").
            cycles: those that may be judged by themselves (paradigm "central_credit").
        """
        agent = self.agents[agent_id] if isinstance(agent_id, int) else agent_id
        return self._template.format(**self._fields(trajectory, agent, cycles))

    def read(self, question: Question, reply: str, source: str = "") -> CreditReading:
        """The answer as credit of each agent that it is for."""
        if question.per_agent:
            groups = {group: members for group, members in self.get_piston_groups().items() if members}
            return read_credits(reply, question.agents, cycles=question.cycles, groups=groups, source=source)
        if len(question.agents) == 1 < len(self.agents):
            return read_whole(reply, question.agents[0], self.agents, source=source)
        text = reply.strip()
        if not text:
            return CreditReading((), question.agents, "none")
        return CreditReading(tuple(Credit(agent, text, source=source) for agent in question.agents), (), "sections")

    # -- groups --------------------------------------------------------------------------------------------------

    def get_agent_group(self, agent_id: str | int) -> str:
        """The third that an agent stands in: "left", "middle" or "right"."""
        place = agent_id if isinstance(agent_id, int) else self.agents.index(agent_id)
        return GROUPS[min(2, 3 * place // len(self.agents))]

    def get_piston_groups(self) -> dict[str, tuple[str, ...]]:
        """The agents of each third."""
        return {
            group: tuple(agent for agent in self.agents if self.get_agent_group(agent) == group) for group in GROUPS
        }

    # -- prompt files --------------------------------------------------------------------------------------------

    def _root(self) -> Path | Traversable:
        return self._folder if self._folder is not None else files("training") / "prompts" / "evaluation"

    def _fields(self, trajectory: str, agent: str | None, cycles: Sequence[int]) -> dict[str, str]:
        """Every placeholder that a prompt file may use."""
        group = self.get_agent_group(agent) if agent else ""
        role: Any = self._roles.get("roles", {}).get(f"{group}_pistons", {})
        summary = str(self._roles.get("role_context_summary", ""))
        all_agents = ", ".join(self.agents)
        if self.paradigm == "central_credit":
            answer = _CREDIT_FORMAT.format(agents=all_agents, steps=_STEPS_FORMAT if cycles else "")
        else:
            answer = _EVALUATION_FORMAT.format(subject=agent or "all")
        return {
            "agent": agent or "the team",
            "agent_group": group,
            "piston_group": group,
            "role_description": str(role.get("detailed", "")),
            "role_context": summary,
            "role_context_credit": summary,
            "trajectory": trajectory,
            "answer_format": answer,
            "piston_eval_format": answer,
            "num_agents": str(len(self.agents)),
            "num_pistons": str(len(self.agents)),
            "all_agents": all_agents,
            "rules": self._rules,
        }


def _placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def _load(path: Path | Traversable) -> dict[str, Any]:
    try:
        value: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileFormatError(f"prompt file {path} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise FileFormatError(f"prompt file {path} is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise FileFormatError(f"prompt file {path} must hold a JSON object, not {type(value).__name__}")
    return cast("dict[str, Any]", value)


def _field(path: Path | Traversable, field: str) -> str:
    value = _load(path).get(field)
    if not isinstance(value, str) or not value.strip():
        raise FileFormatError(f"prompt file {path} must hold a text under {field!r}")
    return value
