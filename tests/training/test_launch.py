"""The training script as a user runs it: flags, one-line errors, exit codes, Ctrl-C."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "src" / "train_pistonball.py"
SMALL = ["--num_pistons", "3", "--max_cycles", "8", "--num_iterations", "2", "--progress", "plain", "--no-save_gif"]


def load_script():
    spec = importlib.util.spec_from_file_location("train_pistonball", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs the script's main in an empty folder; gives exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.endswith("_API_KEY"):
            monkeypatch.delenv(name)
    script = load_script()

    def call(*arguments):
        try:
            code = script.main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code
        out = capsys.readouterr()
        return code, out.out, out.err

    return call


def test_training_tells_what_it_uses_where_results_are_and_how_to_go_on(run, tmp_path):
    code, out, err = run(*SMALL)
    assert code == 0
    assert "engine: rulebook, the built-in rule learner (no key, no network)" in out
    assert "policy: policies/policy.json" in out
    assert "reward curve: experiments/pistonball_exp/reward_curve.png" in out
    assert "--config experiments/pistonball_exp/config.json --num_iterations 7" in out
    assert "iteration 1  average" in err
    assert len(json.loads((tmp_path / "experiments/pistonball_exp/summary.json").read_text())) == 2


def test_a_key_that_is_set_is_not_used_and_the_flag_that_would_is_named(run, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "canary-key")
    code, out, err = run(*SMALL, "--num_iterations", 1)
    assert code == 0
    assert "OPENAI_API_KEY is set and not used; --model gpt-4o-mini would use it" in out
    assert "canary-key" not in out + err
    for path in Path().rglob("*"):
        assert path.is_dir() or b"canary-key" not in path.read_bytes()


def test_going_on_with_more_iterations(run):
    run(*SMALL)
    code, out, err = run("--config", "experiments/pistonball_exp/config.json", "--num_iterations", 3)
    assert code == 0
    assert "what is finished in experiments/pistonball_exp is reused" in out
    assert "iteration 2  average" in err
    assert "iteration 1  average" not in err


def test_evaluate_only(run, tmp_path):
    run(*SMALL)
    before = (tmp_path / "policies/policy.json").read_bytes()
    code, out, _ = run("--evaluate", 3, "--num_pistons", 3, "--max_cycles", 8, "--no-save_gif")
    assert code == 0
    assert out.startswith("3 episodes: mean ")
    assert "95 % interval" in out
    [summary] = tmp_path.glob("experiments/evaluation_*/evaluation_summary.json")
    assert json.loads(summary.read_text())["num_episodes"] == 3
    assert (tmp_path / "policies/policy.json").read_bytes() == before


def test_the_rule_team_asks_no_model(run, tmp_path):
    code, out, _ = run(*SMALL, "--agent_type", "rule")
    assert code == 0
    assert "no model is asked and nothing is learned" in out
    assert not (tmp_path / "policies").exists()


def test_models_are_listed_without_a_run(run, tmp_path):
    code, out, _ = run("--list_models")
    assert code == 0
    for name in ("gpt-4o-mini", "gemini-pro", "deepseek-reasoner", "ollama-llama3", "OPENAI_API_KEY not set"):
        assert name in out
    assert not list(tmp_path.iterdir())


WRONG = {
    "--paradigm solo": "paradigm must be 'independent', 'central_global' or 'central_credit', not 'solo'",
    "--agent_type robot": "agent_type must be 'llm' or 'rule', not 'robot'",
    "--num_iterations -3": "num_iterations must be greater than or equal to 1, not -3",
    "--num_pistons 1": "num_pistons must be greater than or equal to 2, not 1",
    "--num_pistons many": "invalid int value: 'many'",
    "--exp_name ../up": "exp_name must be 1 to 100 letters",
    "--model gpt-4o-mini": "environment variable OPENAI_API_KEY, which is not set",
    "--model gemini-pro": "GOOGLE_API_KEY",
    "--model gpt-4o-mni": "the nearest names are gpt-4o-mini",
    "--base_url http://127.0.0.1:1/v1": "name it with --model",
    "--base_url ftp://x --model y": "base_url must look like",
    "--llm_config nowhere.json": "LLM config file nowhere.json does not exist",
    "--config nowhere.json": "config file nowhere.json does not exist",
    "--start_iteration 9": "start_iteration 9 must be below num_iterations",
    "--gate_episodes 2": "give at least 5",
    "--evaluate 0": "needs at least 1 episode, got 0",
    "--evaluate 2": "there is no policy file policies/policy.json",
    "--no_such_flag": "unrecognized arguments: --no_such_flag",
    "--policy_path broken.json": "policy file broken.json is not valid JSON",
    "--policy_path two.json": "policy file two.json is for 2 agents",
    "--config wrong.json": "config file wrong.json",
    "--experiments_dir file.txt": "cannot be written",
    "--budget_usd 0": "a budget must be a number above 0, got usd=0.0",
    "--budget_usd nan": "a budget must be a number above 0, got usd=nan",
    "--max_calls -1": "a budget must be a number above 0, got calls=-1",
    "--max_hours inf": "a budget must be a number above 0, got hours=inf",
    "--budget_usd 5 --model foo --base_url http://127.0.0.1:1/v1": "the price of foo is not known",
    "--dry_run --model gpt-4o-mni": "the nearest names are gpt-4o-mini",
}


@pytest.mark.parametrize("flags", WRONG)
def test_what_is_wrong_is_one_line_and_leaves_nothing_behind(run, tmp_path, flags):
    two = {"policies": {"iteration_0": {"agent_policies": {"a": {"policy": "x"}, "b": {"policy": "y"}}}}}
    given = {
        "broken.json": '{"policies": {"iteration_0"',
        "two.json": json.dumps({"current_iteration": 0, "num_agents": 2, **two}),
        "wrong.json": '{"num_pistons": "ten", "paradgm": "independent"}',
        "file.txt": "",
    }
    for name, text in given.items():
        (tmp_path / name).write_text(text)
    code, out, err = run(*flags.split(), "--num_iterations", 2) if "num_iter" not in flags else run(*flags.split())
    assert code == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert WRONG[flags] in err
    assert "Traceback" not in out + err
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(given)
    assert all((tmp_path / name).read_text() == text for name, text in given.items())


def test_a_limit_stops_with_a_code_of_its_own_and_the_same_command_goes_on(run):
    code, out, _ = run(*SMALL, "--max_calls", 20)
    assert code == 3
    assert "the budget of 20 calls is spent" in out
    assert "To go on: python src/train_pistonball.py --config experiments/pistonball_exp/config.json" in out
    assert "20 calls" in out
    code, out, _ = run(*SMALL)
    assert code == 0
    run(*SMALL, "--exp_name", "whole", "--policy_path", "whole.json")
    stopped, whole = (
        json.loads(Path(f"experiments/{name}/summary.json").read_text()) for name in ("pistonball_exp", "whole")
    )
    assert stopped == whole


def test_an_evaluation_keeps_limits_too(run):
    run(*SMALL)
    code, _, err = run("--evaluate", 3, "--num_pistons", 3, "--max_cycles", 8, "--no-save_gif", "--max_calls", 5)
    assert code == 3
    assert err.startswith("error: the budget of 5 calls is spent")


def test_a_dry_run_needs_no_key_and_leaves_nothing(run, tmp_path):
    code, out, err = run(*SMALL, "--model", "gpt-4o-mini", "--dry_run")
    assert (code, err) == (0, "")
    assert "at most, for 2 iterations" in out
    assert "in all 1," in out
    assert "$" in out
    assert list(tmp_path.iterdir()) == []
    code, out, _ = run(*SMALL, "--model", "foo", "--base_url", "http://127.0.0.1:1/v1", "--dry_run")
    assert code == 0
    assert "calls, price unknown" in out
    assert run("--agent_type", "rule", "--dry_run")[0] == 0


def test_a_dry_run_leaves_out_what_is_finished(run):
    run(*SMALL)
    assert "at most, for 0 iterations" in run(*SMALL, "--dry_run")[1]
    assert "at most, for 2 iterations" in run(*SMALL, "--num_iterations", 4, "--dry_run")[1]
    assert "at most, for 2 iterations" in run(*SMALL, "--dry_run", "--overwrite")[1]
    assert "at most, for 2 iterations" in run(*SMALL, "--dry_run", "--seed", 1)[1]


def start(folder):
    """A run whose first episodes take some seconds, asked when it is in the middle of them."""
    command = [sys.executable, str(SCRIPT), "--num_pistons", "150", "--no-save_gif", "--progress", "plain"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("engine: rulebook")
    time.sleep(1)
    return process


def test_ctrl_c_once_saves_and_tells_how_to_go_on(tmp_path):
    process = start(tmp_path)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "press Ctrl-C again to stop at once" in out
    assert "stopped as asked; everything finished is saved. To go on: python src/train_pistonball.py --config" in out
    assert "Traceback" not in err
    assert len(list(tmp_path.glob("experiments/pistonball_exp/iteration_0/episode_*/episode.json"))) == 3
    assert not list(tmp_path.rglob("*.part"))


def test_ctrl_c_twice_stops_at_once(tmp_path):
    process = start(tmp_path)
    process.send_signal(signal.SIGINT)
    assert "press Ctrl-C again" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.rstrip().splitlines()[-1].startswith("error: stopped at once")
    assert "Traceback" not in err
    assert not list(tmp_path.rglob("*.part"))
