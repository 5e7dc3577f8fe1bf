"""Recorded actions under other prompts and weights: ratios, divergence, ranking, distillation."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from local_models import tiny_model

from textgrad_agents.engines.local import LocalEngine, LocalModel
from textgrad_agents.errors import ConfigError
from textgrad_agents.interfaces import GenerateOptions
from textgrad_agents.messages import Completion, Message, system, user
from textgrad_agents.messages.spans import span_at, with_spans
from training.numeric.distillation import distillation_gap, distillation_rows
from training.numeric.ranking import Estimate, rank
from training.numeric.rescore import divergence, log_ratios, rescore, with_prompt
from training.numeric.rows import Row

BRIEF, LONG = "Be brief.", "Take all the time that you need."


def conversation(policy: str) -> list[Message]:
    told = with_spans(system(f"Rules.\n{policy}\nBye."), [span_at(7, policy, "policy")])
    return [told, user("What now?")]


def sampled(
    model: LocalModel, policy: str, count: int, *, adapter: str | None = None, **options: Any
) -> list[Completion]:
    engine = LocalEngine(model, adapter)

    async def all_at_once() -> list[Completion]:
        given = {"max_tokens": 6, "temperature": 0.9, **options}
        calls = (engine.generate(conversation(policy), GenerateOptions(seed=seed, **given)) for seed in range(count))
        return await asyncio.gather(*calls)

    return asyncio.run(all_at_once())


def rows_from(completions: Sequence[Completion], rewards: Sequence[float] | None = None, start: int = 0) -> list[Row]:
    rows: list[Row] = []
    for index, completion in enumerate(completions):
        trace = completion.trace
        assert trace is not None
        rows.append(
            Row(
                prompt_ids=trace.prompt_ids,
                action_ids=trace.action_ids,
                sampler_logprobs=trace.logprobs,
                mask=trace.mask,
                reward=0.0 if rewards is None else rewards[index],
                agent="solver",
                trajectory=f"episode {start + index}/solver",
                episode=f"episode {start + index}",
                spans=trace.spans,
                base=trace.base,
                adapter=trace.adapter,
                adapter_version=trace.adapter_version,
                temperature=trace.sampling.temperature,
            )
        )
    return rows


@pytest.fixture(scope="module")
def model() -> LocalModel:
    model = tiny_model("qwen2")
    model.add_adapter("solver")
    with torch.no_grad():
        for _, parameter in model.trainable("solver"):
            parameter.normal_(0, 0.1, generator=torch.Generator().manual_seed(1))
    model.updated("solver")
    return model


def test_rescoring_with_nothing_changed_gives_what_was_recorded(model: LocalModel) -> None:
    for adapter in (None, "solver"):
        rows = rows_from(sampled(model, BRIEF, 5, adapter=adapter))
        scored = rescore(rows, model, adapter=adapter)
        for row, logprobs in zip(rows, scored, strict=True):
            np.testing.assert_allclose(logprobs, row.sampler_logprobs, atol=2e-4)
        np.testing.assert_allclose(log_ratios(rows, scored), 0, atol=1e-3)


def test_rescoring_equals_scoring_row_by_row(model: LocalModel) -> None:
    rows = rows_from(sampled(model, BRIEF, 3)) + rows_from(sampled(model, LONG, 3, max_tokens=9))
    rows[0].mask[1] = False
    for row, logprobs in zip(rows, rescore(rows, model, adapter="solver"), strict=True):
        with torch.no_grad():
            ids = (row.prompt_ids, row.action_ids)
            alone = model.token_logprobs(*ids, temperature=row.temperature, adapter="solver")
        np.testing.assert_allclose(logprobs, np.where(row.mask, alone, 0), atol=2e-4)


def test_a_row_under_another_prompt_is_what_the_engine_would_have_sent(model: LocalModel) -> None:
    rows = rows_from(sampled(model, BRIEF, 1))
    for text in (LONG, "", " spaced \n"):
        (told,) = with_prompt(rows, model, {"policy": text})
        (sent,) = rows_from(sampled(model, text, 1))
        assert told.prompt_ids.tolist() == sent.prompt_ids.tolist()
        assert told.spans == sent.spans
        (back,) = with_prompt([told], model, {"policy": BRIEF})
        assert back.prompt_ids.tolist() == rows[0].prompt_ids.tolist()


def test_a_prompt_of_a_template_that_strips_is_stripped_when_it_is_replaced() -> None:
    model = tiny_model()
    model.tokenizer.chat_template = model.tokenizer.chat_template.replace("message.content", "message.content | trim")
    engine = LocalEngine(model)

    def sent(policy: str) -> Row:
        messages = [with_spans(system(policy), [span_at(0, policy, "policy")]), user("Hi.")]
        return rows_from([asyncio.run(engine.generate(messages, GenerateOptions(max_tokens=2, seed=0)))])[0]

    (told,) = with_prompt([sent("one \n")], model, {"policy": " two\n"})
    assert told.prompt_ids.tolist() == sent(" two\n").prompt_ids.tolist()


def test_log_ratios_are_finite_for_absurd_records(model: LocalModel) -> None:
    rows = rows_from(sampled(model, BRIEF, 1))
    absurd = [replace(rows[0], sampler_logprobs=np.full_like(rows[0].sampler_logprobs, -1e9))]
    assert log_ratios(absurd, rescore(absurd, model, adapter=None)).tolist() == [20.0]


def test_divergence_from_the_reference_agrees_with_the_exact_one(model: LocalModel) -> None:
    rows = rows_from(sampled(model, BRIEF, 600, adapter="solver", max_tokens=1, temperature=1.0))
    with torch.no_grad():
        ids = model.tensor(rows[0].prompt_ids)[None]
        with model.use("solver"):
            policy = torch.log_softmax(model.forward_logits(ids, keep=1)[0, 0], -1)
        reference = torch.log_softmax(model.forward_logits(ids, keep=1)[0, 0], -1)
    exact = float((policy.exp() * (policy - reference)).sum())
    gap = (policy - reference).double()
    spread = float((policy.exp() * (torch.expm1(-gap) + gap - exact) ** 2).sum()) ** 0.5 / len(rows) ** 0.5
    assert exact > 0.001
    assert divergence(rows, model, adapter="solver") == pytest.approx(exact, abs=4 * spread)


def test_divergence_of_a_fresh_adapter_is_zero() -> None:
    model = tiny_model()
    model.add_adapter("fresh")
    assert divergence(rows_from(sampled(model, BRIEF, 3)), model, adapter="fresh") == 0.0
    assert divergence([], model, adapter="fresh") == 0.0


# -- ranking -------------------------------------------------------------------------------------------------------


def judged(completions: Sequence[Completion]) -> list[float]:
    return [float(completion.trace is not None and completion.trace.action_ids[0] % 2) for completion in completions]


def exact_value(model: LocalModel, row: Row) -> float:
    """Probability that the first token is odd."""
    with torch.no_grad():
        logits = model.forward_logits(model.tensor(row.prompt_ids)[None], keep=1)[0, 0]
    return float(torch.softmax(logits / row.temperature, -1)[1::2].sum())


def test_two_recorded_prompts_are_valued_by_the_balance_heuristic(model: LocalModel) -> None:
    prompts: Mapping[str, Mapping[str, str]] = {"brief": {"policy": BRIEF}, "long": {"policy": LONG}}
    rows: list[Row] = []
    exact: dict[str, float] = {}
    for name, texts in prompts.items():
        completions = sampled(model, texts["policy"], 300, max_tokens=1)
        own = rows_from(completions, judged(completions), start=len(rows))
        exact[name] = exact_value(model, own[0])
        rows += own
    found = rank(rows, model, prompts, adapter=None, behaviours=list(prompts.values()))
    assert all(one.measurable and one.count == 600 for one in found)
    for one in found:
        assert one.value == pytest.approx(exact[one.name], abs=4 * 0.5 / one.ess**0.5)
        assert one.mean_weight == pytest.approx(1, abs=0.2)
    assert found[0].value >= found[1].value
    alone = rank(rows[:300], model, {"brief": prompts["brief"]}, adapter=None)[0]
    assert (alone.mean_weight, alone.ess) == (pytest.approx(1, abs=1e-3), pytest.approx(300, abs=1))
    assert alone.value == pytest.approx(np.mean([row.reward for row in rows[:300]]), abs=1e-3)


def test_what_one_prompt_never_does_cannot_be_valued_from_its_record(model: LocalModel) -> None:
    completions = sampled(model, BRIEF, 40, max_tokens=40)
    rows = rows_from(completions, judged(completions))
    (found,) = rank(rows, model, {"long": {"policy": LONG}}, adapter=None)
    assert not found.measurable
    assert found.mean_weight < 0.5 or found.ess < 8
    assert "not measurable" in found.note()


@pytest.mark.parametrize(
    ("mean", "ess", "measurable"),
    [(1.0, 20.0, True), (0.5, 100.0, True), (0.49, 100.0, False), (2.1, 100.0, False), (1.0, 19.0, False)],
)
def test_both_diagnostics_must_hold(mean: float, ess: float, measurable: bool) -> None:
    assert Estimate("one", 0.0, mean, ess, 100).measurable is measurable


def test_an_episode_of_several_rows_has_one_weight(model: LocalModel) -> None:
    completions = sampled(model, BRIEF, 4, max_tokens=3)
    rows = rows_from(completions, [1.0, 1.0, 0.0, 0.0])
    paired = [replace(row, episode=f"pair {index // 2}") for index, row in enumerate(rows)]
    (found,) = rank(paired, model, {"other": {"policy": "Be brief!"}}, adapter=None)
    assert found.count == 2
    ratios = log_ratios(rows, rescore(rows, model, adapter=None, prompt={"policy": "Be brief!"}))
    weights = np.exp([ratios[0] + ratios[1], ratios[2] + ratios[3]])
    assert found.value == pytest.approx(weights[0] / weights.sum(), rel=1e-3)


def test_rows_that_cannot_be_ranked_are_refused(model: LocalModel) -> None:
    rows = rows_from(sampled(model, BRIEF, 2))
    with pytest.raises(ConfigError, match="there are no recorded rows"):
        rank([], model, {"x": {"policy": LONG}}, adapter=None)
    with pytest.raises(ConfigError, match="no recorded prompt holds a Variable 'hint'"):
        rank(rows, model, {"x": {"hint": LONG}}, adapter=None)
    with pytest.raises(ConfigError, match="under none of the 1 behaviours"):
        rank(rows, model, {"x": {"policy": LONG}}, adapter=None, behaviours=[{"policy": LONG}])
    with pytest.raises(ConfigError, match="rows of other weights"):
        rank(rows, model, {"x": {"policy": LONG}}, adapter="solver", behaviours=[{"policy": BRIEF}])
    with pytest.raises(ConfigError, match="sampled by a base model with the hash"):
        rescore(rows, tiny_model(seed=3), adapter=None)


# -- distillation --------------------------------------------------------------------------------------------------


def test_a_prompt_is_distilled_into_weights() -> None:
    model = tiny_model()
    model.add_adapter("student", rank=8)
    recorded = rows_from(sampled(model, LONG, 32, temperature=1.0))
    rows = distillation_rows(recorded, model, teacher={"policy": LONG}, student={"policy": BRIEF})
    assert rows[0].prompt_ids.tolist() == rows_from(sampled(model, BRIEF, 1))[0].prompt_ids.tolist()
    before = distillation_gap(rows, model, adapter="student")
    held = rows_from(sampled(model, LONG, 64, temperature=1.0))[32:]
    unseen = distillation_rows(held, model, teacher={"policy": LONG}, student={"policy": BRIEF})
    unseen_before = distillation_gap(unseen, model, adapter="student")
    parameters = [parameter for _, parameter in model.trainable("student")]
    optimizer = torch.optim.Adam(parameters, lr=3e-3)
    for _ in range(15):
        optimizer.zero_grad()
        with model.use("student"):
            for row in rows:
                (-model.token_logprobs(row.prompt_ids, row.action_ids, adapter="student").mean() / len(rows)).backward()
        optimizer.step()
    model.updated("student")
    assert distillation_gap(rows, model, adapter="student") < 0.7 * before
    assert distillation_gap(unseen, model, adapter="student") < unseen_before


def test_only_what_the_teacher_did_is_distilled(model: LocalModel) -> None:
    rows = rows_from(sampled(model, BRIEF, 1))
    with pytest.raises(ConfigError, match="was not sampled under the teacher's text"):
        distillation_rows(rows, model, teacher={"policy": LONG}, student={"policy": BRIEF})
    with pytest.raises(ConfigError, match="must name the same Variables"):
        distillation_rows(rows, model, teacher={"policy": LONG}, student={})
