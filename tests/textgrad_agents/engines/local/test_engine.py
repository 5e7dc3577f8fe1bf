"""A local model as an engine: batches, draws, stops, traces, conversations that go on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from local_models import END, START, tiny_model

from textgrad_agents.engines.local import LocalEngine, LocalModel
from textgrad_agents.errors import ConfigError, EngineRefusal
from textgrad_agents.interfaces import GenerateOptions
from textgrad_agents.messages import Completion, Message, PromptSpan, TokenTrace, assistant, system, user
from textgrad_agents.messages.spans import marked
from textgrad_agents.seeds import text_hash

SHORT = GenerateOptions(max_tokens=12, temperature=1.0, seed=1)


def ask(engine: LocalEngine, *calls: tuple[Sequence[Message], GenerateOptions]) -> list[Completion]:
    async def all_at_once() -> list[Completion]:
        return await asyncio.gather(*(engine.generate(messages, options) for messages, options in calls))

    return asyncio.run(all_at_once())


def one(engine: LocalEngine, text: str = "Say something.", **options: Any) -> Completion:
    return ask(engine, ([user(text)], replace(SHORT, **options)))[0]


def trace_of(completion: Completion) -> TokenTrace:
    assert completion.trace is not None
    return completion.trace


@pytest.fixture(scope="module")
def model() -> LocalModel:
    return tiny_model("qwen2")


@pytest.fixture(scope="module")
def engine(model: LocalModel) -> LocalEngine:
    return LocalEngine(model)


@pytest.mark.parametrize("temperature", [0.0, 0.8, 1.0])
def test_recorded_log_probabilities_are_those_of_the_model(engine: LocalEngine, temperature: float) -> None:
    trace = trace_of(one(engine, temperature=temperature))
    with torch.no_grad():
        scored = engine.model.token_logprobs(trace.prompt_ids, trace.action_ids, temperature=temperature)
    np.testing.assert_allclose(trace.logprobs, scored, atol=1e-4)
    assert trace.sampling.temperature == temperature
    assert trace.sampling.logprobs == ("raw" if temperature == 0 else "processed")
    assert (trace.sampling.engine, trace.sampling.dtype, trace.sampling.seed) == ("transformers", "float32", 1)
    assert trace.base == engine.model.base_hash
    assert trace.mask.all()


def test_the_greedy_reply_is_that_of_transformers(engine: LocalEngine) -> None:
    trace = trace_of(one(engine, temperature=0.0, max_tokens=24))
    ids = torch.tensor(trace.prompt_ids.tolist())[None]
    theirs = engine.model.module.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=24, do_sample=False)
    assert theirs[0, ids.shape[1] :].tolist() == trace.action_ids.tolist()


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_replies_do_not_depend_on_the_company(engine: LocalEngine, temperature: float) -> None:
    calls = [
        (
            [user("Say " + "something " * count)],
            replace(SHORT, seed=count, temperature=temperature, max_tokens=4 + 5 * count),
        )
        for count in range(8)
    ]
    alone = [ask(engine, call)[0] for call in calls]
    together = ask(engine, *calls)
    reversed_order = ask(engine, *calls[::-1])[::-1]
    for first, second, third in zip(alone, together, reversed_order, strict=True):
        assert first.text == second.text == third.text
        assert trace_of(first).action_ids.tolist() == trace_of(second).action_ids.tolist()
        np.testing.assert_allclose(trace_of(first).logprobs, trace_of(second).logprobs, atol=1e-4)


def test_a_prompt_that_calls_share_is_computed_once(engine: LocalEngine) -> None:
    calls = [
        ([user(text)], replace(SHORT, seed=seed, max_tokens=2 + seed))
        for seed, text in enumerate(["same", "other", "same", "same", "other", "third"])
    ]
    alone = [ask(engine, call)[0] for call in calls]
    rows: list[int] = []
    watch = engine.model.module.register_forward_pre_hook(
        lambda _, args, given: rows.append(len(given["input_ids"])), with_kwargs=True
    )
    together = ask(engine, *calls)
    watch.remove()
    assert rows[:2] == [3, 6]
    for first, second in zip(alone, together, strict=True):
        assert trace_of(first).action_ids.tolist() == trace_of(second).action_ids.tolist()
        np.testing.assert_allclose(trace_of(first).logprobs, trace_of(second).logprobs, atol=1e-4)


def test_a_conversation_is_rendered_once(engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer, rendered = engine.model.tokenizer, list[Any]()
    original = tokenizer.apply_chat_template
    monkeypatch.setattr(
        tokenizer, "apply_chat_template", lambda *a, **given: rendered.append(a) or original(*a, **given)
    )
    text = "rendered once, whoever asks"
    first = trace_of(one(engine, text, seed=1))
    count = len(rendered)
    second = trace_of(one(engine, text, seed=2))
    assert count > 0
    assert len(rendered) == count
    assert first.prompt_ids.tolist() == second.prompt_ids.tolist()


def test_seeds_decide_and_a_missing_one_is_recorded(engine: LocalEngine) -> None:
    assert one(engine, seed=3).text == one(engine, seed=3).text
    assert len({one(engine, seed=seed).text for seed in range(5)}) == 5
    unseeded = one(engine, seed=None)
    assert one(engine, seed=trace_of(unseeded).sampling.seed).text == unseeded.text


def test_draws_follow_the_distribution(engine: LocalEngine) -> None:
    count = 1500
    drawn = ask(engine, *[([user("x")], replace(SHORT, max_tokens=1, seed=seed)) for seed in range(count)])
    tokens = np.array([trace_of(completion).action_ids[0] for completion in drawn])
    with torch.no_grad():
        logits = engine.model.forward_logits(engine.model.tensor(trace_of(drawn[0]).prompt_ids)[None], keep=1)[0, 0]
    expected = torch.softmax(logits, -1).numpy()
    found = np.bincount(tokens, minlength=len(expected)) / count
    assert np.abs(found - expected).max() < 5 * np.sqrt(expected.max() / count)
    assert 0.5 * np.abs(found - expected).sum() < 1.5 * np.sqrt(len(expected) / count)


@pytest.mark.parametrize(
    ("options", "most"),
    [({"extra": {"top_k": 3}}, 3), ({"top_p": 1e-6}, 1), ({"extra": {"min_p": 0.999}}, 1), ({"top_p": 0.3}, 50)],
)
def test_truncation_keeps_the_likeliest_and_normalises(engine: LocalEngine, options: dict[str, Any], most: int) -> None:
    calls = [([user("x")], replace(SHORT, max_tokens=1, seed=seed, **options)) for seed in range(64)]
    traces = [trace_of(completion) for completion in ask(engine, *calls)]
    probabilities = {int(trace.action_ids[0]): float(np.exp(trace.logprobs[0])) for trace in traces}
    with torch.no_grad():
        logits = engine.model.forward_logits(engine.model.tensor(traces[0].prompt_ids)[None], keep=1)[0, 0]
    likeliest = torch.softmax(logits, -1).sort(descending=True)
    kept = likeliest.indices[:most].tolist()
    assert set(probabilities) <= set(kept)
    if most <= 3:
        whole = likeliest.values[:most].sum()
        for token, probability in probabilities.items():
            place = kept.index(token)
            assert probability == pytest.approx(float(likeliest.values[place] / whole), rel=1e-4)


def test_replies_end_at_the_end_token_and_at_the_cap(engine: LocalEngine) -> None:
    calls = [([user("Say something.")], replace(SHORT, seed=seed, max_tokens=40)) for seed in range(64)]
    completions = ask(engine, *calls)
    assert {completion.finish for completion in completions} == {"stop", "length"}
    for completion in completions:
        action = trace_of(completion).action_ids
        assert completion.usage.output_tokens == len(action) == len(trace_of(completion).logprobs)
        assert END not in completion.text
        assert (engine.model.tokenizer.decode(action[-1:]) == END) is (completion.finish == "stop")
        assert completion.finish == "stop" or len(action) == 40


def test_stop_sequences_end_the_reply_and_are_not_part_of_it(engine: LocalEngine) -> None:
    free = one(engine, max_tokens=30, seed=4)
    stop = free.text[10:12]
    cut = one(engine, max_tokens=30, seed=4, stop=("\0never", stop))
    assert cut.finish == "stop"
    assert cut.text == free.text[: free.text.index(stop)]
    trace = trace_of(cut)
    assert trace.action_ids.tolist() == trace_of(free).action_ids[: len(trace.action_ids)].tolist()


def test_a_conversation_goes_on_with_the_tokens_that_were_sampled(engine: LocalEngine) -> None:
    messages: list[Message] = [system("Be brief."), user("Go on.")]
    for turn in range(3):
        for seed in range(50):  # a reply that ends by itself, and one that is cut
            completion = ask(engine, (messages, replace(SHORT, seed=seed, max_tokens=20)))[0]
            if (completion.finish == "stop") is (turn % 2 == 0):
                break
        before = trace_of(completion)
        messages = [*messages, assistant(completion.text), user("And then?")]
        after = trace_of(ask(engine, (messages, SHORT))[0])
        carried = [*before.prompt_ids, *before.action_ids]
        assert after.prompt_ids[: len(carried)].tolist() == carried
        rest = engine.model.tokenizer.decode(after.prompt_ids[len(carried) :])
        expected = f"\n{START}user\nAnd then?{END}\n{START}assistant\n"
        assert rest == (expected if completion.finish == "stop" else END + expected)


def test_tokens_are_carried_even_where_tokenizing_the_text_would_give_others() -> None:
    engine = LocalEngine(tiny_model())
    first = one(engine, max_tokens=8)
    memory = engine.model.template._known
    known = next(iter(memory.values()))
    other = (*known.ids[:-1], 77)  # stands for another way to write the same text in tokens
    for key in memory:
        memory[key] = known._replace(ids=other)
    again = ask(engine, ([user("Say something."), assistant(first.text), user("More.")], SHORT))[0]
    assert trace_of(again).prompt_ids[: len(other)].tolist() == list(other)


def test_spans_say_where_the_texts_of_variables_stand(engine: LocalEngine) -> None:
    policy, hint = "Be brief.\n", "Mind the gap."
    messages = [
        marked(system(f"Rules.\n{policy}Bye."), {"policy": policy}),
        marked(user(f"{hint} What now?"), {"hint": hint}),
    ]
    trace = trace_of(ask(engine, (messages, SHORT))[0])
    assert [span.variable for span in trace.spans] == ["policy", "hint"]
    for span, text in zip(trace.spans, (policy, hint), strict=True):
        assert engine.model.tokenizer.decode(trace.prompt_ids[span.start : span.end]) == text
        assert span.version == text_hash(text)
    unmarked = [system(f"Rules.\n{policy}Bye."), user(f"{hint} What now?")]
    assert trace_of(ask(engine, (unmarked, SHORT))[0]).prompt_ids.tolist() == trace.prompt_ids.tolist()


def test_spans_of_earlier_turns_stay_when_a_conversation_goes_on(engine: LocalEngine) -> None:
    first = [marked(system("Be brief."), {"policy": "Be brief."}), user("Go on.")]
    completion = ask(engine, (first, SHORT))[0]
    trace = trace_of(ask(engine, ([*first, assistant(completion.text), user("More.")], SHORT))[0])
    assert trace.spans == trace_of(completion).spans == (PromptSpan(*_place(trace, engine, "Be brief.")),)


def _place(trace: TokenTrace, engine: LocalEngine, text: str) -> tuple[int, int, str, str]:
    start = engine.model.tokenizer.decode(trace.prompt_ids[: len(trace.prompt_ids)]).index(text)
    before = engine.model.tokenizer.decode(trace.prompt_ids)[:start]
    count = len(engine.model.tokenizer(before).input_ids)
    return count, count + len(text), "policy", text_hash(text)


def test_a_template_that_strips_contents_still_has_spans_and_carries_tokens() -> None:
    model = tiny_model()
    model.tokenizer.chat_template = model.tokenizer.chat_template.replace("message.content", "message.content | trim")
    engine = LocalEngine(model)
    messages = [marked(system(" Be brief.\n"), {"policy": " Be brief.\n"}), user("Go on.")]
    completion = ask(engine, (messages, SHORT))[0]
    before = trace_of(completion)
    assert [model.tokenizer.decode(before.prompt_ids[span.start : span.end]) for span in before.spans] == ["Be brief."]
    after = trace_of(ask(engine, ([*messages, assistant(completion.text), user("More.")], SHORT))[0])
    carried = [*before.prompt_ids, *before.action_ids]
    assert after.prompt_ids[: len(carried)].tolist() == carried


def test_adapters_answer_by_name_and_are_swapped_between_calls() -> None:
    model = tiny_model()
    for seed, name in enumerate(("first", "second")):
        model.add_adapter(name, seed=seed)
        with torch.no_grad():
            for _, parameter in model.trainable(name):
                parameter.normal_(0, 0.5, generator=torch.Generator().manual_seed(seed))
        model.updated(name)
    engine = LocalEngine(model, "first", max_batch=2)
    extras = ({}, {"adapter": "second"}, {"adapter": None}, {"adapter": "first"})
    mixed = ask(engine, *[([user("Go on.")], replace(SHORT, extra=extra)) for extra in (*extras, *extras)])
    texts = [completion.text for completion in mixed]
    assert texts[:4] == texts[4:]
    assert texts[0] == texts[3]
    assert len(set(texts)) == 3
    adapters = [model.adapter("first").sha256, model.adapter("second").sha256, "", model.adapter("first").sha256]
    assert [trace_of(completion).adapter for completion in mixed[:4]] == adapters
    assert [trace_of(completion).adapter_version for completion in mixed[:4]] == [1, 1, 0, 1]
    assert texts[2] == one(LocalEngine(tiny_model()), "Go on.").text
    with pytest.raises(EngineRefusal, match="is at version 1 by now"):
        one(engine, extra={"adapter": "second", "adapter_sha256": "0" * 64})
    with pytest.raises(EngineRefusal, match="has no adapter 'third'"):
        one(engine, extra={"adapter": "third"})


def test_what_a_local_model_does_not_do_is_refused(engine: LocalEngine) -> None:
    with pytest.raises(EngineRefusal, match="takes no reasoning_effort"):
        one(engine, extra={"reasoning_effort": "low"})
    with pytest.raises(EngineRefusal, match="tools are not called"):
        one(engine, tools=({"type": "function", "function": {"name": "look"}},))
    with pytest.raises(EngineRefusal, match="images are not shown"):
        ask(engine, ([user([{"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}])], SHORT))
    with pytest.raises(EngineRefusal, match="takes 2048; shorten it"):
        one(engine, "x" * 3000)
    with pytest.raises(ConfigError, match="at least 1"):
        LocalEngine(engine.model, max_batch=0)
    with pytest.raises(ConfigError, match="has no adapter"):
        LocalEngine(engine.model, "nobody")


def test_a_template_that_refuses_a_conversation_says_so() -> None:
    model = tiny_model()
    model.tokenizer.chat_template = "{{ raise_exception('only users speak here') }}"
    with pytest.raises(EngineRefusal, match="only users speak here"):
        one(LocalEngine(model))


def test_the_cap_is_what_the_model_has_room_for() -> None:
    engine = LocalEngine(tiny_model(max_position_embeddings=64))
    completion = one(engine, "x" * 25, max_tokens=500, seed=2)
    assert len(trace_of(completion).prompt_ids) + len(trace_of(completion).action_ids) <= 64


def test_a_failure_in_a_batch_reaches_all_its_calls_and_the_engine_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = LocalEngine(tiny_model())
    healthy = engine.model.module.forward

    def broken(**_: Any) -> Any:
        raise torch.OutOfMemoryError("no memory left")

    async def both() -> list[BaseException | Completion]:
        calls = (engine.generate([user("a")], SHORT), engine.generate([user("b")], SHORT))
        return await asyncio.gather(*calls, return_exceptions=True)

    monkeypatch.setattr(engine.model.module, "forward", broken)
    assert all("does not fit into the memory" in str(error) for error in asyncio.run(both()))
    monkeypatch.setattr(engine.model.module, "forward", healthy)
    assert one(engine).text


def test_cancelled_calls_are_left_out(engine: LocalEngine) -> None:
    async def cancel_one() -> Completion:
        gone = asyncio.ensure_future(engine.generate([user("a")], SHORT))
        stays = asyncio.ensure_future(engine.generate([user("b")], SHORT))
        await asyncio.sleep(0)
        gone.cancel()
        return await stays

    assert asyncio.run(cancel_one()).text == one(engine, "b").text


def test_identity_follows_the_weights() -> None:
    model = tiny_model()
    model.add_adapter("solver")
    engine = LocalEngine(model, "solver")
    before = engine.identity
    model.updated("solver")
    assert engine.identity == before
    with torch.no_grad():
        model.trainable("solver")[0][1].add_(1)
    model.updated("solver")
    assert engine.identity != before
    assert engine.name == "local:tiny-llama"
