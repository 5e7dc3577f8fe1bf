"""Rows: sequences of tokens to train on.

A row is a prompt and what followed it, with the sampler's log-probabilities and the return it is credited with. Tokens
are those that the sampler saw; text is never tokenized again. What cannot be trained on is left out with a reason.
`reading.rows_of` reads rows from recorded episodes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, overload

import numpy as np
from numpy.typing import NDArray

from textgrad_agents.messages import Finish, PromptSpan

Group = tuple[str | int, ...]
"""Whom a row is compared with: (task, environment seed, prompt version, role, turn)."""

Reason = Literal["failed", "unscored", "no_model", "no_trace", "shared", "greedy", "truncated", "raw", "empty"]

REASONS: Mapping[Reason, str] = {
    "failed": "the episode failed, so its rewards are not those of the policy",
    "unscored": "the agent has no reward",
    "no_model": "no model was asked (a formula decided)",
    "no_trace": "the engine recorded no tokens; the textual learner uses such episodes, weights need a local engine",
    "shared": "another agent was told the same words at temperature 0; the one call trains once",
    "greedy": "temperature 0 samples nothing, so there is no probability to compare with; collect with temperature 1",
    "truncated": "top_p, top_k or min_p cut the distribution, which biases the ratio; collect with top_p=1",
    "raw": "the log-probabilities are those before temperature; ask the engine for processed ones",
    "empty": "the model chose no token, or was told none",
}


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One sequence to train on: a prompt and what followed it.

    Attributes:
        prompt_ids: int32 `(P,)`.
        action_ids: int32 `(A,)`; in a row of several turns also what the environment wrote between them.
        sampler_logprobs: float32 `(A,)`, log-probabilities under the sampling distribution, nats; finite wherever
            `mask` is True, 0 elsewhere.
        mask: bool `(A,)`, True where the model chose the token.
        reward: the return that the row is credited with.
        advantage: return minus baseline (`groups.advantages`).
        weights: float32 `(A,)`, credit per token, at least 0 (`credit`); None for all ones.
        timesteps: int32 `(A,)`, the cycle of each token; None where all are of `timestep`.
        group: baseline key.
        agent: who acted.
        trajectory: the agent's run, unique over episodes.
        timestep: cycle of the first token.
        spans: the Variables whose texts stand in the prompt, in order.
        base: hash of the base model's weights.
        adapter: hash of the adapter's weights, "" for the base model alone.
        adapter_version: how often the adapter had been updated when it sampled.
        prompt_version: hash of the policy text.
        temperature: of the sampler; it divides the logits before a log-softmax.
        episode: content id of the episode (`episode_id`).
        finish: why the (last) reply ended.
    """

    prompt_ids: NDArray[np.int32]
    action_ids: NDArray[np.int32]
    sampler_logprobs: NDArray[np.float32]
    mask: NDArray[np.bool_]
    reward: float
    advantage: float = 0.0
    weights: NDArray[np.float32] | None = None
    timesteps: NDArray[np.int32] | None = None
    group: Group = ()
    agent: str = ""
    trajectory: str = ""
    timestep: int = 0
    spans: tuple[PromptSpan, ...] = ()
    base: str = ""
    adapter: str = ""
    adapter_version: int = 0
    prompt_version: str = ""
    temperature: float = 1.0
    episode: str = ""
    finish: Finish | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Steps of one episode that cannot be trained on.

    Attributes:
        iteration, episode_id: which episode.
        reason: why (`REASONS` has the sentence).
        steps: how many.
    """

    iteration: int
    episode_id: int
    reason: Reason
    steps: int


@dataclass(frozen=True, slots=True)
class Rows(Sequence[Row]):
    """The rows of some episodes, in the order of episodes, agents and time, and what was left out."""

    rows: tuple[Row, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    @overload
    def __getitem__(self, index: int) -> Row: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Row, ...]: ...

    def __getitem__(self, index: int | slice) -> Row | tuple[Row, ...]:
        return self.rows[index]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def counts(self) -> dict[Reason, int]:
        """Steps left out, by reason."""
        counted: Counter[Reason] = Counter()
        for one in self.left_out:
            counted[one.reason] += one.steps
        return dict(counted)

    def notes(self) -> tuple[str, ...]:
        """One sentence per reason: how many steps of which episodes, and why."""
        return tuple(self._note(reason, steps) for reason, steps in self.counts.items())

    def _note(self, reason: Reason, steps: int) -> str:
        where = [f"{one.iteration}.{one.episode_id}" for one in self.left_out if one.reason == reason]
        named = ", ".join(where[:5]) + (f" and {len(where) - 5} more" if len(where) > 5 else "")
        return f"{steps} steps left out (iteration.episode {named}): {REASONS[reason]}"


def times_of(row: Row) -> NDArray[np.int32]:
    """The cycle of each token after the prompt, `(A,)`."""
    return np.full(len(row.action_ids), row.timestep, np.int32) if row.timesteps is None else row.timesteps
