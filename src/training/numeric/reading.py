"""Reading rows from recorded episodes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from textgrad_agents.errors import ConfigError
from textgrad_agents.messages import TokenTrace
from textgrad_agents.seeds import text_hash
from textgrad_agents.trajectory import Episode, Step, Trajectory
from training.numeric.rows import LeftOut, Reason, Row, Rows, times_of
from training.numeric_config import Returns


def rows_of(
    episodes: Sequence[Episode],
    *,
    discount: float = 1.0,
    returns: Returns = "episode",
    roles: Mapping[str, str] | None = None,
    ratios: bool = True,
) -> Rows:
    """The rows of `episodes`.

    With `returns` "episode" every decision is credited with its agent's whole return, and decisions of one agent whose
    next prompt begins with the last prompt and reply become one row, whose mask is False on what the environment wrote
    between them. With "to_go" a decision is credited with what its agent earned from there on, and has its own row.

    Args:
        episodes: the record.
        discount: γ; a reward k cycles later counts γ^k.
        returns: what a row is credited with.
        roles: role of each agent; agents of one role are compared with each other. Left out, each is its own.
        ratios: True for learners that divide by the recorded probabilities, which have to be those of the sampling
            distribution; False for imitation, which can use greedy and truncated samples too.

    Raises:
        ConfigError: a token that the model chose has no log-probability, a trace contradicts itself, the discount is
            not in [0, 1], or the episodes were sampled from several base models.
    """
    if not 0 <= discount <= 1:
        raise ConfigError(f"discount must be between 0 and 1, not {discount}")
    rows: list[Row] = []
    left_out: list[LeftOut] = []
    for episode in episodes:
        reader = _Reader(episode, discount, returns, roles or {}, ratios)
        rows += reader.rows()
        for reason, steps in reader.left_out.items():
            left_out.append(LeftOut(episode.iteration, episode.episode_id, reason, steps))
    _require_one_base(rows)
    return Rows(tuple(rows), tuple(left_out))


def episode_id(episode: Episode) -> str:
    """Content id of an episode: its place, its seed, and what was said, done and earned in it."""
    decisions = [(s.agent, s.timestep, s.policy_version, s.reply, s.action_name, s.reward) for s in episode.steps()]
    place = [episode.iteration, episode.episode_id, episode.seed, dict(episode.environment), episode.error]
    return text_hash(json.dumps([place, decisions], sort_keys=True, default=repr))


class _Reader:
    """Reads one episode."""

    def __init__(
        self, episode: Episode, discount: float, returns: Returns, roles: Mapping[str, str], ratios: bool
    ) -> None:
        self.left_out: Counter[Reason] = Counter()
        self._episode = episode
        self._discount = discount
        self._returns = returns
        self._roles = roles
        self._ratios = ratios
        self._id = episode_id(episode)
        self._task = text_hash(json.dumps(dict(episode.environment), sort_keys=True, default=repr))
        self._asked = {_words(step) for step in episode.steps() if step.trace is not None}

    def rows(self) -> Iterator[Row]:
        for trajectory in self._episode.trajectories:
            own = list(self._own(trajectory))
            yield from own if self._returns == "to_go" else _merged(own)

    def _own(self, trajectory: Trajectory) -> Iterator[Row]:
        """A row per decision; a cycle in which the last one goes on is part of it, by its reward."""
        returns = _returns(trajectory.steps, self._discount)
        unscored = all(step.reward is None for step in trajectory.steps)
        asked = False
        for i, step in enumerate(trajectory.steps):
            if asked and not step.messages:
                continue
            asked = bool(step.messages)
            reason = "unscored" if unscored else self._reason(step)
            if self._episode.error is not None:
                reason = "failed"
            if reason is None and step.trace is not None:
                yield self._row(step, step.trace, returns[i if self._returns == "to_go" else 0])
            elif reason is not None:
                self.left_out[reason] += 1

    def _reason(self, step: Step) -> Reason | None:
        """Why a decision cannot be trained on."""
        trace = step.trace
        if trace is None:
            if not step.messages:
                return "no_model"
            return "shared" if _words(step) in self._asked else "no_trace"
        if not trace.mask.any() or not len(trace.prompt_ids):
            return "empty"
        return _unfit(trace) if self._ratios else None

    def _row(self, step: Step, trace: TokenTrace, reward: float) -> Row:
        where = f"episode {self._episode.episode_id} of iteration {self._episode.iteration}, {step.agent} at timestep "
        _check(trace, f"{where}{step.timestep}")
        role = self._roles.get(step.agent, step.agent)
        return Row(
            prompt_ids=trace.prompt_ids,
            action_ids=trace.action_ids,
            sampler_logprobs=np.where(trace.mask, trace.logprobs, np.float32(0)),
            mask=trace.mask,
            reward=reward,
            group=(self._task, self._episode.seed, step.policy_version, role, step.timestep),
            agent=step.agent,
            trajectory=f"{self._id}/{step.agent}",
            timestep=step.timestep,
            spans=trace.spans,
            base=trace.base,
            adapter=trace.adapter,
            adapter_version=trace.adapter_version,
            prompt_version=step.policy_version,
            temperature=trace.sampling.temperature,
            episode=self._id,
            finish=step.finish,
        )


def _words(step: Step) -> tuple[object, ...]:
    return (step.timestep, *(message.content for message in step.messages))


def _unfit(trace: TokenTrace) -> Reason | None:
    """Why recorded probabilities are not those of the whole sampling distribution."""
    sampling = trace.sampling
    if sampling.temperature <= 0:
        return "greedy"
    if sampling.top_p < 1 or sampling.top_k > 0 or sampling.min_p > 0:
        return "truncated"
    return "raw" if sampling.logprobs == "raw" else None


def _check(trace: TokenTrace, where: str) -> None:
    """Raise ConfigError where a trace cannot be what a sampler saw."""
    length = len(trace.action_ids)
    if len(trace.mask) != length or len(trace.logprobs) != length:
        raise ConfigError(
            f"{where}: {length} tokens have {len(trace.logprobs)} log-probabilities and a mask of {len(trace.mask)}; "
            "each token needs one of both: collect the episode again"
        )
    for span in trace.spans:
        if not 0 <= span.start <= span.end <= len(trace.prompt_ids):
            raise ConfigError(
                f"{where}: the text of {span.variable} stands at {span.start}:{span.end} of a prompt of "
                f"{len(trace.prompt_ids)} tokens; collect the episode again"
            )
    missing = np.flatnonzero(trace.mask & ~np.isfinite(trace.logprobs))
    if len(missing):
        raise ConfigError(
            f"{where}: the log-probability of token {missing[0]} is {trace.logprobs[missing[0]]} "
            f"({len(missing)} of {length} tokens); it must be finite wherever the model chose: collect it again"
        )


def _require_one_base(rows: Sequence[Row]) -> None:
    agents: dict[str, str] = {}
    for row in rows:
        agents.setdefault(row.base, row.agent)
    if len(agents) > 1:
        named = ", ".join(f"{base or 'unknown'} (of {agent})" for base, agent in agents.items())
        raise ConfigError(f"a batch must come from one base model, not from {named}; train on each separately")


def _returns(steps: Sequence[Step], discount: float) -> list[float]:
    """What was earned from each step on; an unscored step earned nothing."""
    returns: list[float] = []
    total, later = 0.0, 0
    for step in reversed(steps):
        total = (step.reward or 0.0) + (total * discount ** (later - step.timestep) if returns else 0.0)
        later = step.timestep
        returns.append(total)
    return returns[::-1]


def _merged(rows: Sequence[Row]) -> Iterator[Row]:
    """Consecutive rows joined where the next prompt goes on from the last prompt and reply."""
    last: Row | None = None
    for row in rows:
        joined = None if last is None else _joined(last, row)
        if last is not None and joined is None:
            yield last
        last = row if joined is None else joined
    if last is not None:
        yield last


def _joined(first: Row, then: Row) -> Row | None:
    """Two rows as one; None if the second does not go on from the first, or other parameters wrote it."""
    known = np.concatenate([first.prompt_ids, first.action_ids])
    written = then.prompt_ids[len(known) :]  # by the environment
    if not np.array_equal(then.prompt_ids[: len(known)], known) or _source(first) != _source(then):
        return None
    between = len(written)
    times = np.full(between + len(then.action_ids), then.timestep, np.int32)
    return replace(
        first,
        action_ids=np.concatenate([first.action_ids, written, then.action_ids]),
        sampler_logprobs=np.concatenate([first.sampler_logprobs, np.zeros(between, np.float32), then.sampler_logprobs]),
        mask=np.concatenate([first.mask, np.zeros(between, np.bool_), then.mask]),
        timesteps=np.concatenate([times_of(first), times]),
        finish=then.finish,
    )


def _source(row: Row) -> tuple[object, ...]:
    return (row.base, row.adapter, row.adapter_version, row.prompt_version, row.temperature, row.spans)
