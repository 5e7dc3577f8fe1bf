"""A model that cannot be used: one clear error, and nothing asked or made where that can be known before."""

import importlib.util
import json
import os
from pathlib import Path

import fault_server
import pytest

from textgrad_agents.engines import RulebookEngine
from textgrad_agents.engines.middleware import retry

SCRIPT = Path(__file__).parents[2] / "src" / "train_pistonball.py"
SMALL = ["--num_pistons", "3", "--max_cycles", "8", "--num_iterations", "1", "--trajectories_per_iteration", "1"]
SMALL += ["--gate", "none", "--progress", "none", "--no-save_gif"]


@pytest.fixture
def errors(tmp_path, monkeypatch, capsys):
    """Runs the script in an empty folder; gives its exit code and the lines that say ``error``."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.endswith("_API_KEY"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(retry, "_LONGEST_WAIT", 0.001)
    spec = importlib.util.spec_from_file_location("train_pistonball", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)

    def call(*arguments):
        with pytest.raises(SystemExit) as stop:
            script.main([*SMALL, *arguments])
        return stop.value.code, [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]

    return call


SERVERS = {
    "401": ("wants a key; set api_key_env_var", 1),
    "403": ("may not use anything", 1),
    "404": ("does not serve the model 'anything'", 1),
    "302": ("redirects to http://127.0.0.1:9/v1/chat/completions; redirects are not followed", 1),
    "bomb": ("is longer than 32 MB; no model writes as much: check that base_url", 1),
    "page": ("answered with a web page", 3),
}


@pytest.mark.parametrize("kind", SERVERS)
def test_a_server_that_serves_no_model(errors, tmp_path, kind):
    said, tries = SERVERS[kind]
    plan = fault_server.Plan(rate=1.0, kinds={kind: 1.0}, lasts=99, seed=5)
    with fault_server.faulty(plan, RulebookEngine()) as (server, url):
        code, lines = errors("--base_url", url, "--model", "anything")
    assert code == 1
    assert len(lines) == 1
    assert said in lines[0]
    assert url in lines[0]
    assert max(server.tries.values()) == tries
    assert sum(server.tries.values()) <= 3 * tries  # of the first turn, one call per piston
    policies = json.loads((tmp_path / "policies" / "policy.json").read_text())["policies"]
    assert list(policies) == ["iteration_0"]  # nothing was learned from it


FILES = {
    '"nonsense": 1': "there is no field nonsense; known are name, model_string",
    '"input_price_per_million": NaN': "NaN is not a JSON number",
    '"output_price_per_million": 1e999': "the number 1e999 is too large",
    '"input_price_per_million": -1': "input_price_per_million must be greater than or equal to 0, not -1",
    '"base_url": "ftp://models.example/v1"': "base_url must look like https://host/v1",
    '"base_url": "https://me:password@models.example/v1"': "base_url must not hold a user name or password",
    '"api_key": "two words"': "the key in api_key holds spaces",
}


@pytest.mark.parametrize("field", FILES)
def test_an_llm_config_that_cannot_be_used(errors, tmp_path, field):
    (tmp_path / "model.json").write_text(f'{{"name": "m", "model_string": "m", {field}}}')
    code, lines = errors("--llm_config", "model.json")
    assert code == 2
    assert len(lines) == 1
    assert FILES[field] in lines[0]
    assert "password@" not in lines[0]
    assert [path.name for path in tmp_path.iterdir()] == ["model.json"]


def test_a_name_that_no_model_has(errors, tmp_path):
    code, lines = errors("--model", "gpt-4o-mnii")
    assert code == 2
    assert len(lines) == 1
    assert "no model is known as 'gpt-4o-mnii'; the nearest names are gpt-4o-mini" in lines[0]
    assert not list(tmp_path.iterdir())
