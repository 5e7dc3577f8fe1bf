"""TextGrad's optimizers over ours: its arguments, tags and names; our concurrency, checks, repair and outcomes."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from textgrad_agents import optim
from textgrad_agents.compat.bridge import as_engine
from textgrad_agents.compat.textgrad.config import validate_engine_or_get_default
from textgrad_agents.compat.textgrad.optimizer.optimizer_prompts import (
    OPTIMIZER_SYSTEM_PROMPT,
    constraint_text,
    feedback_text,
    question,
)
from textgrad_agents.compat.textgrad.variable import Variable
from textgrad_agents.compat.textgrad.views import records
from textgrad_agents.errors import ConfigError, ProposalError
from textgrad_agents.messages import Completion, Message, assistant, system, user
from textgrad_agents.ops.reply import ReplyProblem, between, complete_text
from textgrad_agents.optim import Check, Outcome, Proposal, StepReport
from textgrad_agents.optim.request import Request, context_text, feedback_items
from textgrad_agents.optim.rewrite import Rewriter
from textgrad_agents.seeds import derive_seed

__all__ = [
    "Optimizer",
    "TextualGradientDescent",
    "TextualGradientDescentwithMomentum",
    "get_gradient_and_context_text",
]

TAGS = ("<IMPROVED_VARIABLE>", "</IMPROVED_VARIABLE>")

_log = logging.getLogger("textgrad_agents.compat.textgrad")


class Optimizer(ABC):
    """Base of optimizers that users write.

    Args:
        parameters: Variables that hold texts.
    """

    def __init__(self, parameters: Iterable[Variable]) -> None:
        self.parameters = list(parameters)

    def zero_grad(self) -> None:
        """Forget all feedback on the parameters."""
        for parameter in self.parameters:
            parameter.reset_gradients()

    @abstractmethod
    def step(self) -> Any:
        """Change the parameters."""


class TextualGradientDescent(optim.TextualGradientDescent):
    """Rewrites texts in the light of their feedback.

    A parameter without feedback is left alone. A reply that cannot be used, or a value that breaks a check, is repaired
    once; if that fails too, the parameter keeps its value, a warning says so, and `step` reports it.

    Args:
        parameters: Variables that hold texts.
        verbose: 1 logs each new value.
        engine: who writes; the backward engine if None.
        constraints: constraints in words.
        new_variable_tags: tags around the new value in a reply.
        optimizer_system_prompt: instructions, in which ``{new_variable_start_tag}`` and ``{new_variable_end_tag}`` are
            filled in.
        in_context_examples: texts like the wanted ones.
        gradient_memory: the feedback of so many earlier steps is shown again.
        momentum: so many earlier values are shown.
        checks: constraints that are enforced (`textgrad_agents.optim.constraints`).

    Raises:
        ConfigError: there is no engine, or an argument cannot be used.
    """

    def __init__(
        self,
        parameters: Iterable[Variable],
        verbose: int = 0,
        engine: Any = None,
        constraints: Sequence[str] | None = None,
        new_variable_tags: Sequence[str] | None = None,
        optimizer_system_prompt: str = OPTIMIZER_SYSTEM_PROMPT,
        in_context_examples: Sequence[str] | None = None,
        gradient_memory: int = 0,
        *,
        momentum: int = 0,
        checks: Sequence[Check] = (),
    ) -> None:
        self.engine = validate_engine_or_get_default(engine)
        super().__init__(
            parameters,
            engine=as_engine(self.engine),
            constraints=constraints or (),
            checks=checks,
            in_context_examples=in_context_examples or (),
            gradient_memory=gradient_memory,
            momentum=momentum,
        )
        self.verbose = verbose
        self.constraints = list(constraints or ())
        tags = tuple(new_variable_tags or TAGS)
        if len(tags) != 2:
            raise ConfigError(f"new_variable_tags must be an opening and a closing tag, got {list(tags)}")
        plain = self._rewriter
        self._rewriter = TaggedRewriter(
            plain.prompt,
            plain.task,
            plain.engine,
            plain.constraints,
            plain.checks,
            plain.seed,
            tags=tags,
            instructions=optimizer_system_prompt,
        )

    @property
    def constraint_text(self) -> str:
        """The constraints in words, numbered."""
        return constraint_text(self.constraints)

    def get_gradient_memory_text(self, variable: Variable) -> str:
        """The feedback of earlier steps that the model is shown again, oldest first."""
        entries = self._history[id(variable)].entries(variable)
        return "\n".join(text for entry in entries for text in entry.get("feedback", ()))

    def update_gradient_memory(self, variable: Variable) -> None:
        """Remember the feedback that a variable has now; `step` does it by itself."""
        gradients = records(variable)
        value = str(variable.value)
        self._history[id(variable)].add(Proposal(variable, value, value, Outcome.UNCHANGED, gradients=gradients))

    def apply(self, proposals: Sequence[Proposal]) -> StepReport:
        """Give the parameters the values that were proposed, and say where there is none."""
        for one in proposals:
            if one.outcome in (Outcome.UNREADABLE, Outcome.REJECTED):
                _log.warning("%s keeps its value: %s", one.name, one.reason)
            elif one.outcome is Outcome.PROPOSED and self.verbose:
                _log.info("%s has a new value: %s", one.name, one.new)
        return super().apply(proposals)


Optimizer.register(TextualGradientDescent)


class TextualGradientDescentwithMomentum(TextualGradientDescent):
    """`TextualGradientDescent` that shows the model the last `momentum_window` values."""

    def __init__(
        self,
        engine: Any,
        parameters: Iterable[Variable],
        momentum_window: int = 0,
        constraints: Sequence[str] | None = None,
        new_variable_tags: Sequence[str] | None = None,
        in_context_examples: Sequence[str] | None = None,
        optimizer_system_prompt: str = OPTIMIZER_SYSTEM_PROMPT,
    ) -> None:
        super().__init__(
            parameters,
            engine=engine,
            constraints=constraints,
            new_variable_tags=new_variable_tags,
            optimizer_system_prompt=optimizer_system_prompt,
            in_context_examples=in_context_examples,
            momentum=momentum_window,
        )


def get_gradient_and_context_text(variable: Variable) -> str:
    """The feedback on a variable with the conversations that it is about, as the optimizer's model reads it."""
    gradients = records(variable)
    return feedback_text(feedback_items(gradients, [context_text(one) for one in gradients]))


@dataclass(frozen=True, slots=True)
class TaggedRewriter(Rewriter):
    """Asks in TextGrad's tags; an engine that follows a schema is asked for JSON instead.

    Attributes:
        tags: tags around the new value.
        instructions: the system message.
    """

    tags: tuple[str, ...] = TAGS
    instructions: str = OPTIMIZER_SYSTEM_PROMPT

    def request(self, data: dict[str, Any], *, place: tuple[str | int, ...], structured: bool) -> Request:
        """What the model is asked about `data`."""
        if structured:
            return Rewriter.request(self, data, place=place, structured=True)
        opening, closing = self.tags
        instructions = self.instructions.replace("{new_variable_start_tag}", opening)
        instructions = instructions.replace("{new_variable_end_tag}", closing)
        asked = question(data)
        seed = derive_seed(*place, instructions, asked)
        return TaggedRequest(instructions, asked, "", seed, False, tags=(opening, closing))


@dataclass(frozen=True, slots=True)
class TaggedRequest(Request):
    """One request whose reply stands between fixed tags."""

    tags: tuple[str, str] = TAGS

    def messages(self) -> list[Message]:
        """The first try."""
        return [system(self.instructions), user(f"{self.question}\n\n{self._form()}")]

    def repair(self, reply: str, problem: str) -> list[Message]:
        """The second try, which is told what was wrong with the first reply."""
        said = f"Your reply cannot be used: {problem}. Answer again, with the whole new value. {self._form()}"
        return [*self.messages(), assistant(reply or "(no reply)"), user(said)]

    def read(self, completion: Completion) -> str:
        """The new value in a reply.

        Raises:
            ProposalError: there is none that can be used.
        """
        try:
            value = between(complete_text(completion).replace("\r\n", "\n"), *self.tags)
        except ReplyProblem as problem:
            raise ProposalError(str(problem)) from None
        if not value:
            raise ProposalError("the new value is empty")
        return value

    def _form(self) -> str:
        opening, closing = self.tags
        return f"Send the improved variable in this form, and nothing after it:\n\n{opening}improved variable{closing}"
