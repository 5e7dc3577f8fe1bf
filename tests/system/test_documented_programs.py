"""Programs in the documentation run as they stand, one after the other in one folder; so do the commands users know."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_examples import find_examples

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", "docs/pistonball.md", "docs/rulebook.md"]

COMMANDS = {  # as users of the multi-agent trainer type them: exit code, and what is said
    "--paradigm central_global --num_iterations 5": (0, "iteration 4  average"),
    "--model gpt-4o --paradigm central_credit": (2, "OPENAI_API_KEY, which is not set"),
    "--model gemini-pro": (2, "GOOGLE_API_KEY, which is not set"),
    "--config experiments/my_exp/config.json --start_iteration 3": (
        0,
        "what is finished in experiments/my_exp is reused",
    ),
    "--list_models": (0, "deepseek-reasoner"),
    "--agent_type rule --num_pistons 20": (0, "iteration 4  average"),
    "--llm_config path/to/my_llm.json": (1, "127.0.0.1"),
}
MY_LLM = """{
    "name": "my-custom-model",
    "model_string": "my-model-id",
    "base_url": "http://127.0.0.1:9/v1",
    "api_key": "my-key",
    "max_tokens": 4096,
    "input_price_per_million": 0.0,
    "output_price_per_million": 0.0
}"""


@pytest.mark.timeout(900)  # the first that asks for the built-in model makes it
@pytest.mark.parametrize("page", PAGES)
def test_python_blocks_of_a_page_run_one_after_the_other(page, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = [one for one in find_examples(ROOT / page) if one.prefix.startswith("python")]
    for block in blocks:
        source = "\n" * block.start_line + block.source
        exec(compile(source, str(ROOT / page), "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out or not blocks


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_documented_commands_run_in_one_folder(tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    script = [sys.executable, str(ROOT / "src" / "train_pistonball.py")]

    def run(flags):
        command = [*script, *flags.split(), "--progress", "plain"]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    (tmp_path / "path" / "to").mkdir(parents=True)
    (tmp_path / "path" / "to" / "my_llm.json").write_text(MY_LLM)
    assert run("--exp_name my_exp --num_iterations 5 --max_cycles 30 --no-save_gif").returncode == 0
    for flags, (code, told) in COMMANDS.items():
        done = run(flags)
        assert done.returncode == code, (flags, done.stderr)
        assert told in done.stdout + done.stderr, (flags, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        if code:
            assert done.stderr.count("error: ") == 1
    assert b"my-key" not in b"".join(path.read_bytes() for path in tmp_path.glob("experiments/**/*") if path.is_file())
