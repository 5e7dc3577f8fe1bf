"""Replies with their tokens: what is asked, what comes back, and what is refused."""

import asyncio
import math
from types import SimpleNamespace

import numpy as np
import pytest

from textgrad_agents.engines.vllm_server import VLLMEngine
from textgrad_agents.errors import ConfigError, EngineAccessError, EngineError, EngineRefusal, EngineReplyError
from textgrad_agents.interfaces import Engine, GenerateOptions
from textgrad_agents.messages import PromptSpan, Sampling, system, user

CHAT = (system("solve:"), user("1+1?"))
RENDERED = list(b"system: solve:\nuser: 1+1?\n")


def ask(server, *options, **settings):
    """One engine, one loop; a Completion for each of `options`."""

    async def talk():
        engine = VLLMEngine("toy", server.url, **settings)
        try:
            return [await engine.generate(CHAT, each) for each in options or (GenerateOptions(seed=1, max_tokens=8),)]
        finally:
            await engine.aclose()

    return asyncio.run(talk())


def test_a_trace_holds_the_tokens_and_the_log_probabilities_they_were_sampled_with(fake_vllm):
    with fake_vllm.FakeVLLM() as server:
        (completion,) = ask(server, GenerateOptions(temperature=0.5, seed=7, max_tokens=12), base="b" * 16)
    trace = completion.trace
    assert trace.prompt_ids.tolist() == RENDERED
    expected = []
    for at, token in enumerate(trace.action_ids.tolist()):
        logits = fake_vllm.toy_logits([*RENDERED, *trace.action_ids[:at].tolist()], b"")
        expected.append(fake_vllm.log_softmax(logits, 0.5)[token])
    assert trace.logprobs == pytest.approx(np.array(expected), abs=1e-5)
    assert trace.mask.all()
    assert (trace.base, trace.adapter, trace.adapter_version) == ("b" * 16, "", 0)
    assert trace.sampling == Sampling(temperature=0.5, seed=7, engine="vllm")
    ids = [token for token in trace.action_ids.tolist() if token != fake_vllm.END]
    assert completion.text == bytes(ids).decode()
    assert completion.usage.output_tokens == len(trace.action_ids)


def test_the_same_seed_gives_the_same_tokens_and_another_does_not(fake_vllm):
    options = [GenerateOptions(seed=seed, max_tokens=20) for seed in (1, 1, 2)]
    with fake_vllm.FakeVLLM(end=-1) as server:
        one, again, other = (each.trace.action_ids.tolist() for each in ask(server, *options))
    assert one == again != other


def test_the_end_and_the_limit_are_told_apart(fake_vllm):
    def ends(ids, _weights):
        return {fake_vllm.END: 0.0, ord("a"): -90.0, ord("b"): -91.0}

    with fake_vllm.FakeVLLM(logits=ends) as server:
        (completion,) = ask(server)
    assert (completion.finish, completion.trace.action_ids.tolist()) == ("stop", [fake_vllm.END])
    with fake_vllm.FakeVLLM(end=-1) as server:
        (completion,) = ask(server)
    assert (completion.finish, len(completion.trace.action_ids)) == ("length", 8)


class Template:
    """Always the same prompt; keeps what it is told to remember."""

    def __init__(self):
        self.remembered = []

    def prompt(self, messages):
        return SimpleNamespace(ids=(97, 98, 99), spans=(PromptSpan(0, 2, "prompt", "0123"),))

    def remember(self, prompt, action_ids, reply, stop):
        self.remembered.append((list(prompt.ids), list(action_ids), reply, stop))

    def decode(self, ids):
        return "".join("<end>" if token == 256 else chr(token) for token in ids)


def test_a_template_of_ours_makes_the_prompt_and_its_spans(fake_vllm):
    template, span = Template(), PromptSpan(0, 2, "prompt", "0123")
    with fake_vllm.FakeVLLM() as server:
        (completion,) = ask(server, template=template)
    ids = completion.trace.action_ids.tolist()
    stop = "<end>" if completion.finish == "stop" else ""
    assert template.remembered == [([97, 98, 99], ids, completion.text, stop)]
    assert completion.trace.prompt_ids.tolist() == [97, 98, 99]
    assert completion.trace.spans == (span,)
    assert not [path for path, _ in server.requests if path == "/tokenize"]


def test_every_sampling_setting_is_said(fake_vllm):
    """The server would otherwise take what the model's own folder proposes."""
    with fake_vllm.FakeVLLM() as server:
        ask(server, GenerateOptions(seed=3, max_tokens=4, stop=("x",)))
    body = server.requests[-1][1]
    assert {name: body[name] for name in ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")} == {
        "temperature": 1.0,
        "top_p": 1.0,
        "top_k": 0,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
    }
    assert (body["seed"], body["stop"], body["return_token_ids"]) == (3, ["x"], True)


def test_raw_log_probabilities_are_refused_before_anything_is_sampled(fake_vllm):
    with fake_vllm.FakeVLLM(processed=False) as server, pytest.raises(ConfigError, match="processed_logprobs"):
        ask(server)
    assert all(body["max_tokens"] == 1 for path, body in server.requests if path == "/v1/completions")


def test_the_kind_of_log_probabilities_is_asked_for_once(fake_vllm):
    async def at_once(url):
        engine = VLLMEngine("toy", url)
        await asyncio.gather(*(engine.generate(CHAT, GenerateOptions(max_tokens=3, seed=i)) for i in range(6)))
        await engine.aclose()

    with fake_vllm.FakeVLLM() as server:
        asyncio.run(at_once(server.url))
        assert len(server.sampled_by()) == 6 + 2


def test_an_old_server_without_token_ids_is_said(fake_vllm):
    with fake_vllm.FakeVLLM(token_ids=False) as server, pytest.raises(EngineReplyError, match="token_ids"):
        ask(server)


def test_a_token_that_cannot_have_been_sampled_is_no_reply(fake_vllm, monkeypatch):
    answer = fake_vllm.FakeVLLM.answer

    def spoilt(server, path, body):
        reply = answer(server, path, body)
        if path == "/v1/completions" and body["max_tokens"] > 1:
            reply["choices"][0]["logprobs"]["token_logprobs"][0] = math.nan
        return reply

    monkeypatch.setattr(fake_vllm.FakeVLLM, "answer", spoilt)
    with fake_vllm.FakeVLLM() as server, pytest.raises(EngineReplyError):
        ask(server)


def test_another_model_is_said(fake_vllm):
    with fake_vllm.FakeVLLM(model="other") as server, pytest.raises(EngineAccessError, match="does not exist"):
        ask(server)


def test_tools_are_refused_before_anything_is_sent(fake_vllm):
    tool = {"type": "function", "function": {"name": "add", "parameters": {}}}
    with fake_vllm.FakeVLLM() as server:
        with pytest.raises(EngineRefusal, match="ChatEngine"):
            ask(server, GenerateOptions(tools=(tool,)))
        assert not server.requests


def test_no_server_is_one_clear_error():
    with pytest.raises(EngineError, match="check that the server is up"):
        asyncio.run(VLLMEngine("toy", "http://127.0.0.1:9/v1").generate(CHAT))


def test_a_key_of_its_own_variable_is_sent(fake_vllm, monkeypatch):
    monkeypatch.setenv("MY_VLLM_KEY", "k-123456789")
    with fake_vllm.FakeVLLM(key="k-123456789") as server:
        assert ask(server, api_key_env_var="MY_VLLM_KEY")[0].trace is not None
        with pytest.raises(EngineAccessError, match="wants a key"):
            ask(server)


def test_it_is_an_engine():
    assert isinstance(VLLMEngine("toy", "http://127.0.0.1:9/v1"), Engine)
