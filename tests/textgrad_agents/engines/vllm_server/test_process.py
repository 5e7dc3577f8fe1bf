"""vLLM as a process: started, found ready, stopped with its workers; what goes wrong is told with its log."""

import asyncio
import os
import sys
import time
from pathlib import Path

import pytest

from textgrad_agents.engines.vllm_server import VLLMServer
from textgrad_agents.errors import ConfigError, EngineAccessError
from textgrad_agents.interfaces import Adapter, GenerateOptions
from textgrad_agents.messages import user

FAKE = Path(__file__).parents[3] / "support" / "fake_vllm.py"
PYTHON = "TEXTGRAD_AGENTS_VLLM_PYTHON"


@pytest.fixture
def python(tmp_path):
    """An interpreter whose vLLM is the test server."""
    path = tmp_path / "python"
    path.write_text(f'#!/bin/sh\necho $$ > {tmp_path}/pid\nexec {sys.executable} -I {FAKE} "$@"\n')
    path.chmod(0o755)
    return path


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def ask(engine, **options):
    try:
        return await engine.generate((user("1+1?"),), GenerateOptions(seed=1, max_tokens=6, **options))
    finally:
        await engine.aclose()


def test_a_server_is_started_asked_and_stopped(python, tmp_path):
    with VLLMServer("some/model", python, window=3) as server:
        pid = int((tmp_path / "pid").read_text())
        assert is_alive(pid)
        completion = asyncio.run(ask(server.engine()))
        log = server.log
    assert completion.model == "some/model"
    assert completion.trace is not None
    assert not is_alive(pid)
    assert not log.exists()
    with pytest.raises(ConfigError, match="does not run"):
        server.engine()


def test_a_server_of_ours_takes_adapters_and_says_processed_log_probabilities(python, tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    (tmp_path / "adapter_model.safetensors").write_bytes(b"weights")

    async def talk(engine):
        await engine.adapters.use(Adapter("solver", 1, "0" * 64), tmp_path)
        return await ask(engine, temperature=0.7)

    with VLLMServer("toy", python) as server:
        assert asyncio.run(talk(server.engine())).trace.adapter_version == 1


def test_a_server_that_ends_is_said_with_its_log(python):
    server = VLLMServer("toy", python, arguments=["--fail"])
    with pytest.raises(EngineAccessError, match=r"exit code 1.*no such device"):
        server.start()
    assert server.url == ""


def test_a_server_that_is_not_ready_in_time_is_stopped(tmp_path):
    path = tmp_path / "python"
    path.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\necho loading\nexec sleep 100\n")
    path.chmod(0o755)
    with pytest.raises(EngineAccessError, match=r"not ready after 1 s.*loading"):
        VLLMServer("toy", path, start_seconds=1).start()
    assert not is_alive(int((tmp_path / "pid").read_text()))


def test_workers_that_outlive_their_server_are_stopped(tmp_path):
    path = tmp_path / "python"
    path.write_text(f"#!/bin/sh\n(trap '' TERM; exec sleep 100) &\necho $! > {tmp_path}/pid\nexit 3\n")
    path.chmod(0o755)
    with pytest.raises(EngineAccessError, match="exit code 3"):
        VLLMServer("toy", path).start()
    worker = int((tmp_path / "pid").read_text())
    until = time.monotonic() + 10
    while _runs(worker) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _runs(worker)


def _runs(pid):
    """Whether a process runs; one that ended and that nobody has asked about does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_no_key_and_no_path_of_ours_reaches_the_server(tmp_path, monkeypatch):
    path = tmp_path / "python"
    path.write_text("#!/bin/sh\nenv\nexit 1\n")
    path.chmod(0o755)
    monkeypatch.setenv("OPENAI_API_KEY", "k-secret")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    with pytest.raises(EngineAccessError, match="VLLM_ALLOW_RUNTIME_LORA_UPDATING=True") as caught:
        VLLMServer("toy", path, environment={"VLLM_CPU_KVCACHE_SPACE": "1"}).start()
    assert "k-secret" not in str(caught.value)
    assert "/somewhere" not in str(caught.value)


@pytest.mark.parametrize("missing", ["nowhere/bin/python", "."])
def test_a_wrong_interpreter_is_said(missing):
    with pytest.raises(ConfigError, match="bin/python"):
        VLLMServer("toy", missing).start()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(PYTHON not in os.environ, reason=f"{PYTHON} names no interpreter with vLLM")
def test_real_vllm_serves_a_built_in_model(tmp_path):
    """With vllm-cpu, `VLLM_CPU_KVCACHE_SPACE=1` is set here; nothing else is needed."""
    from training.numeric.tiny import tiny_model

    model = tiny_model(cache=os.environ.get("XDG_CACHE_HOME"))
    arguments = ["--dtype", "float32", "--max-model-len", "256"]
    environment = {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"}
    with VLLMServer(model, os.environ[PYTHON], name="tiny", arguments=arguments, environment=environment) as server:
        completion = asyncio.run(ask(server.engine(), temperature=0.7))
    assert len(completion.trace.logprobs) == len(completion.trace.action_ids) > 0
