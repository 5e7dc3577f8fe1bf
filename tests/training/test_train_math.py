"""Training on mathematics from the command line: in words, in weights, in both."""

import json
import re
from pathlib import Path

import pytest
from local_models import character_tokenizer, tiny_module

ROOT = Path(__file__).parents[2]
QUICK = ["--num_iterations", "1", "--trajectories_per_iteration", "2", "--per_episode", "2", "--gate_episodes", "1"]
QUICK += ["--size", "20", "--progress", "none"]
EXPERIMENT = Path("experiments/math_exp")


@pytest.fixture
def run(script):
    """Runs the script's main in an empty folder; gives exit code, stdout, stderr."""
    return script("train_math")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A folder with a model of random weights."""
    folder = tmp_path_factory.mktemp("model")
    tiny_module().save_pretrained(folder)
    character_tokenizer().save_pretrained(folder)
    return folder


def local(model, *flags):
    words = ["--prompts", "bare", "--first_policy", "a", "--policy_words", "a b"]
    return ["--base_model", model, "--problems", "short", *words, *QUICK, "--siblings", 2, *flags]


@pytest.mark.parametrize("update", ["text", "weights", "both"])
def test_the_table_is_printed_and_kept(run, model, update):
    numeric = '{"max_tokens": 3, "algorithm": "sft"}'
    code, out, err = run(*local(model, "--update", update, "--numeric", numeric, "--test_tasks", 4))
    assert (code, err) == (0, "")
    assert "on 4 problems that nothing was learned from" in out
    rows = json.loads((EXPERIMENT / "summary.json").read_text())
    cells = rows[-1]["comparison"]
    assert [(cell["prompt"], cell["weights"]) for cell in cells] == [
        (prompt, weights) for prompt in ("old", "new") for weights in ("old", "new")
    ]
    assert {cell["tasks"] for cell in cells} == {4}
    policies = json.loads(Path("policies/policy.json").read_text())
    policy = policies["policies"]["iteration_1"]["agent_policies"]["solver"]
    assert policy["policy"] in ("a", "b")
    assert ("adapter" in policy) is (update != "text")
    assert (EXPERIMENT / "adapters").exists() is (update != "text")


def test_prompt_and_adapter_are_evaluated_together(run, model):
    numeric = '{"max_tokens": 3, "algorithm": "sft"}'
    assert run(*local(model, "--update", "both", "--numeric", numeric, "--test_tasks", 0))[0] == 0
    code, out, err = run(*local(model, "--numeric", numeric, "--evaluate", 2))
    assert (code, err) == (0, "")
    assert "2 episodes: mean" in out


def test_a_finished_run_is_compared_again_with_its_own_weights(run, model):
    flags = local(model, "--update", "both", "--numeric", '{"max_tokens": 3, "algorithm": "sft"}', "--test_tasks", 4)
    tables = [run(*flags)[1].partition("on 4 problems")[2] for _ in range(2)]
    assert tables[0] == tables[1] != ""


def test_no_table_if_none_is_wanted(run, model):
    code, out, _ = run(*local(model, "--update", "text", "--numeric", '{"max_tokens": 3}', "--test_tasks", 0))
    assert code == 0
    assert "nothing was learned from" not in out


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--base_model", "nowhere/at/all"], "nowhere/at/all"),
        (["--model", "gpt-4o-mini", "--update", "weights"], "base_model"),
        (["--problems", "riddles"], "problems come from"),
        (
            ["--problems", "math", "--options", '{"source": "bad.jsonl"}', "--update", "text", "--model", "auto"],
            "row 1",
        ),
        (["--options", "{"], "JSON object"),
        (["--numeric", '{"lr": 0}'], "numeric.lr"),
        (["--numeric", "{"], "numeric must be a JSON object"),
        (["--siblings", 3, "--trajectories_per_iteration", 4], "multiple of siblings"),
        (["--sampler", "http://127.0.0.1:9/v1"], "built-in model"),
    ],
)
def test_what_is_wrong_is_one_line_and_leaves_nothing_behind(run, flags, said):
    Path("bad.jsonl").write_text('{"problem": "1+1?", "answer": "2"}\n{"problem": "2+2?"}\n')
    code, _, err = run(*flags, "--progress", "none")
    assert code == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert said in err
    assert not Path("experiments").exists()
    assert not Path("policies").exists()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_words_and_weights_each_add_to_the_built_in_model(run):
    code, _, err = run("--num_iterations", 8, "--test_tasks", 400, "--progress", "none")
    assert code == 0, err
    cells = json.loads((EXPERIMENT / "summary.json").read_text())[-1]["comparison"]
    share = {(cell["prompt"], cell["weights"]): cell["mean"] for cell in cells}
    start = next(cell for cell in cells if (cell["prompt"], cell["weights"]) == ("old", "old"))
    assert min(share["new", "old"], share["old", "new"]) > start["high"]
    assert share["new", "new"] > max(share["new", "old"], share["old", "new"]) - 0.02


def test_the_published_prompt_and_adapter_do_what_their_description_says(run):
    flags = ["--config", ROOT / "policies/math/config.json", "--base_model", ROOT / "policies/math/tiny"]
    flags += ["--policy_path", ROOT / "policies/math/policy.json", "--split", "test", "--evaluate", 12]
    code, out, _ = run(*flags)
    assert code == 0
    mean = float(re.search(r"12 episodes: mean ([0-9.]+)", out)[1])
    assert mean > 0.85  # 96 problems; 0.962 of 504 were solved when it was published
