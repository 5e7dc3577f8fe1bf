"""Adapters on a running server: a name per version, a window of versions, and the rules that make both necessary."""

import asyncio
from types import SimpleNamespace

import pytest

from textgrad_agents.engines.vllm_server import ServedAdapters, VLLMEngine
from textgrad_agents.errors import ConfigError, EngineAccessError, EngineRefusal, FileFormatError
from textgrad_agents.interfaces import Adapter, GenerateOptions
from textgrad_agents.messages import user

CHAT = (user("1+1?"),)
OPTIONS = GenerateOptions(seed=5, max_tokens=20)


class Constant:
    """A template that awaits nobody and gives the same prompt to all."""

    def prompt(self, messages):
        return SimpleNamespace(ids=(97,), spans=())

    def remember(self, prompt, action_ids, reply, stop):
        pass

    def decode(self, ids):
        return ""


@pytest.fixture
def adapter(tmp_path, fake_vllm):
    """``adapter(version)``: a handle and the folder with its weights."""

    def make(version, name="solver"):
        folder = tmp_path / f"{name}-{version}"
        folder.mkdir(exist_ok=True)
        (folder / "adapter_config.json").write_text("{}")
        (folder / fake_vllm.WEIGHTS).write_bytes(f"weights {version}".encode())
        return Adapter(name, version, f"{version:08d}" * 8, "base"), folder

    return make


def with_engine(server, talk, **settings):
    async def run():
        engine = VLLMEngine("toy", server.url, **settings)
        try:
            return await talk(engine)
        finally:
            await engine.aclose()

    return asyncio.run(run())


def test_the_latest_version_samples_and_the_trace_says_so(fake_vllm, adapter):
    async def talk(engine):
        replies = [await engine.generate(CHAT, OPTIONS)]
        for version in (1, 2):
            await engine.adapters.use(*adapter(version))
            replies.append(await engine.generate(CHAT, OPTIONS))
        await engine.adapters.use(None)
        return [*replies, await engine.generate(CHAT, OPTIONS)]

    with fake_vllm.FakeVLLM(end=-1) as server:
        base, first, second, again = (reply.trace for reply in with_engine(server, talk))
    tokens = [trace.action_ids.tolist() for trace in (base, first, second)]
    assert len({tuple(ids) for ids in tokens}) == 3
    assert again.action_ids.tolist() == tokens[0]
    assert [trace.adapter_version for trace in (base, first, second, again)] == [0, 1, 2, 0]
    assert second.adapter == adapter(2)[0].sha256
    assert server.sampled_by()[-2:] == ["solver-v2-00000002", "toy"]


def test_a_call_under_way_ends_with_the_version_it_began_with(fake_vllm, adapter):
    async def talk(engine):
        await engine.adapters.use(*adapter(1))
        await engine.generate(CHAT, OPTIONS)
        call = asyncio.create_task(engine.generate(CHAT, OPTIONS))
        await asyncio.sleep(0)  # the call is on its way
        await engine.adapters.use(*adapter(2))
        return await call, await engine.generate(CHAT, OPTIONS)

    with fake_vllm.FakeVLLM() as server:
        began, after = (reply.trace for reply in with_engine(server, talk, template=Constant()))
        assert sorted(server.sampled_by()[-2:]) == ["solver-v1-00000001", "solver-v2-00000002"]
    assert (began.adapter_version, after.adapter_version) == (1, 2)


def test_versions_beyond_the_window_leave_the_server(fake_vllm, adapter):
    async def talk(engine):
        for version in range(1, 6):
            await engine.adapters.use(*adapter(version))
            await engine.generate(CHAT, OPTIONS)
        return engine.adapters.loaded

    with fake_vllm.FakeVLLM(max_loras=3) as server:
        loaded = with_engine(server, talk, window=3)
        assert [each.version for each in loaded] == [3, 4, 5]
        assert list(server.known) == [ServedAdapters.wire_name(each) for each in loaded]
        assert len(server.reads) == 5  # nothing was evicted and read again


def test_other_names_have_a_window_of_their_own(fake_vllm, adapter):
    async def talk(engine):
        for version in (1, 2, 3):
            await engine.adapters.use(*adapter(version))
            await engine.adapters.use(*adapter(version, "critic"))
        return [(each.name, each.version) for each in engine.adapters.loaded]

    with fake_vllm.FakeVLLM() as server:
        assert with_engine(server, talk, window=2) == [("solver", 2), ("critic", 2), ("solver", 3), ("critic", 3)]


def test_what_the_server_evicted_itself_needs_no_unloading(fake_vllm, adapter):
    async def talk(engine):
        for version in (1, 2, 3, 4):
            await engine.adapters.use(*adapter(version))
            await engine.adapters.use(*adapter(version, "critic"))
        return [each.version for each in engine.adapters.loaded]

    with fake_vllm.FakeVLLM(max_loras=2) as server:
        assert with_engine(server, talk, window=2) == [3, 3, 4, 4]


def test_going_back_to_a_loaded_version_loads_nothing(fake_vllm, adapter):
    async def talk(engine):
        for version in (1, 2):
            await engine.adapters.use(*adapter(version))
        await engine.adapters.use(adapter(1)[0])
        return await engine.generate(CHAT, OPTIONS)

    with fake_vllm.FakeVLLM() as server:
        assert with_engine(server, talk).trace.adapter_version == 1
        assert len(server.reads) == 2


def test_a_call_may_name_its_weights(fake_vllm, adapter):
    async def talk(engine):
        for version in (1, 2):
            await engine.adapters.use(*adapter(version))
        asked = [
            {"adapter": "solver"},
            {"adapter": "solver", "adapter_sha256": adapter(1)[0].sha256},
            {"adapter": None},
        ]
        options = [GenerateOptions(max_tokens=2, extra=extra) for extra in asked]
        replies = [await engine.generate(CHAT, each) for each in options]
        with pytest.raises(EngineRefusal, match="there is solver-v1-00000001, solver-v2-00000002"):
            await engine.generate(CHAT, GenerateOptions(extra={"adapter": "critic"}))
        return [reply.trace.adapter_version for reply in replies]

    with fake_vllm.FakeVLLM() as server:
        assert with_engine(server, talk) == [2, 1, 0]
        assert not any("adapter" in body for path, body in server.requests if path == "/v1/completions")


def test_what_an_earlier_run_loaded_is_used(fake_vllm, adapter):
    async def talk(engine):
        await engine.adapters.use(*adapter(1))
        return await engine.generate(CHAT, OPTIONS)

    with fake_vllm.FakeVLLM() as server:
        one, two = (with_engine(server, talk).trace.action_ids.tolist() for _ in range(2))
        assert one == two
        assert len(server.reads) == 1


def test_loading_over_a_name_would_answer_from_its_cache(fake_vllm, adapter):
    """The rule that makes a name per version necessary, as the test server keeps it."""
    (handle, first), (_, second) = adapter(1), adapter(2)
    name = ServedAdapters.wire_name(handle)
    with fake_vllm.FakeVLLM() as server:
        server.answer("/v1/load_lora_adapter", {"lora_name": name, "lora_path": str(first)})
        server.answer("/v1/load_lora_adapter", {"lora_name": name, "lora_path": str(second), "load_inplace": True})
        assert server._weights(name) == b"weights 1"


def test_a_restarted_server_is_said_and_can_be_loaded_again(fake_vllm, adapter):
    async def talk(engine):
        await engine.adapters.use(*adapter(1))
        server.forget()
        with pytest.raises(EngineAccessError, match="load it again"):
            await engine.generate(CHAT, OPTIONS)
        await engine.adapters.use(*adapter(1))
        return await engine.generate(CHAT, OPTIONS)

    with fake_vllm.FakeVLLM() as server:
        assert with_engine(server, talk).trace.adapter_version == 1


def test_a_version_that_was_evicted_and_whose_files_are_gone_is_said(fake_vllm, adapter):
    async def talk(engine):
        await engine.generate(CHAT, OPTIONS)
        await engine.adapters.use(*adapter(1))
        await engine.adapters.use(*adapter(2))
        (adapter(1)[1] / fake_vllm.WEIGHTS).unlink()
        await engine.adapters.use(adapter(1)[0])
        _handle, folder = adapter(1)
        (folder / fake_vllm.WEIGHTS).unlink()
        with pytest.raises(EngineAccessError, match="--max-loras"):
            await engine.generate(CHAT, OPTIONS)

    with fake_vllm.FakeVLLM(max_loras=1) as server:
        with_engine(server, talk, window=2)


@pytest.mark.parametrize("rule", [{"allow_updates": False}, {"enable_lora": False}])
def test_a_server_that_loads_no_adapters_is_said(fake_vllm, adapter, rule):
    async def talk(engine):
        await engine.adapters.use(*adapter(1))

    with fake_vllm.FakeVLLM(**rule) as server, pytest.raises(ConfigError, match="VLLM_ALLOW_RUNTIME_LORA_UPDATING"):
        with_engine(server, talk)


def test_a_folder_without_an_adapter_is_said_before_the_server_is_asked(fake_vllm, adapter, tmp_path):
    async def talk(engine):
        await engine.adapters.use(adapter(1)[0], tmp_path)

    with fake_vllm.FakeVLLM() as server:
        with pytest.raises(FileFormatError, match="no adapter"):
            with_engine(server, talk)
        assert not server.requests


def test_a_new_version_needs_a_folder_and_a_hash(fake_vllm, adapter):
    async def without_folder(engine):
        await engine.adapters.use(adapter(1)[0])

    async def without_hash(engine):
        await engine.adapters.use(Adapter("solver", 1), adapter(1)[1])

    with fake_vllm.FakeVLLM() as server:
        with pytest.raises(ConfigError, match="in which folder"):
            with_engine(server, without_folder)
        with pytest.raises(ConfigError, match="no hash"):
            with_engine(server, without_hash)


def test_a_window_of_one_is_refused():
    with pytest.raises(ConfigError, match="at least 2"):
        VLLMEngine("toy", "http://127.0.0.1:9/v1", window=1)
