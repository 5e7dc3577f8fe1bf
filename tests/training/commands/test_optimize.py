"""The command `textgrad-agents optimize` against a server on loopback that follows the rules in a prompt."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from training.cli import main

NUMBERS = {"one": "1", "two": "2", "three": "3", "four": "4"}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A model that answers with the digit only if its prompt says so, and a writer that learns to say so."""
    path = Path(__file__).parents[2] / "support" / "chat_server.py"
    spec = importlib.util.spec_from_file_location("chat_server", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "chat_server", module)
    spec.loader.exec_module(module)

    def rule(request: Any) -> Any:
        messages = request.body["messages"]
        if "## Answer format: improved variable" in messages[-1]["content"]:
            [(opening, closing)] = re.findall(r"between (<NEW_\w+>) and (</NEW_\w+>)\.\n", messages[-1]["content"])
            place = "{question} " if "{question}" in messages[1]["content"] else ""
            reply = f"{opening}\n{place}Reply with the digit alone.\n{closing}"
        else:
            text = " ".join(message["content"] for message in messages)
            [word] = re.findall(r"digit is (\w+)\?", text)
            reply = NUMBERS[word] if "digit alone" in text else f"It is {word}."
        return module.make_reply(module.completion(reply))

    with module.ChatServer() as running:
        running.rule = rule
        yield running


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (tmp_path / "prompt.txt").write_text("Answer the question.\n")
    lines = [
        {"question": f"Which digit is {word}? ({place})", "answer": digit}
        for place in range(6)
        for word, digit in NUMBERS.items()
    ]
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    return tmp_path


@pytest.fixture
def run(folder: Path, server: Any, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(*flags: str, model: tuple[str, ...] | None = None, metric: str = "exact") -> tuple[int, str, str]:
        given = model if model is not None else ("--model", "any", "--base_url", server.url)
        try:
            code = main(["optimize", "prompt.txt", "--data", "data.jsonl", "--metric", metric, *given, *flags])
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return call


def test_a_better_prompt_is_written_beside_the_prompt(run: Any, folder: Path, server: Any) -> None:
    code, out, err = run("--budget_calls", "80")
    assert code == 0
    assert (folder / "prompt.txt").read_text() == "Answer the question.\n"
    assert (folder / "prompt.optimized.txt").read_text() == "Reply with the digit alone.\n"
    record = json.loads((folder / "prompt.optimized.record.json").read_text())
    assert record["values"] == {"prompt": "Reply with the digit alone."}
    assert record["calls"] == len(server.requests) <= 80
    assert "before, 1.000 (over" in out
    assert "better prompt: prompt.optimized.txt" in out
    assert "12 examples to learn from, 12 to decide" in err
    assert "round 1: better: +1 per example over" in err


def test_a_second_run_keeps_the_first_and_write_replaces_the_prompt(run: Any, folder: Path) -> None:
    run("--budget_calls", "80")
    code, out, _ = run("--budget_calls", "80", "--write", "--seed", "1")
    assert code == 0
    assert (folder / "prompt.optimized_2.txt").exists()
    assert (folder / "prompt.txt").read_text() == "Reply with the digit alone.\n"
    assert "replaced: prompt.txt" in out


def test_a_template_is_filled_in_and_keeps_its_fields(run: Any, folder: Path, server: Any) -> None:
    (folder / "prompt.txt").write_text("Please: {question}")
    code, _, _ = run("--budget_calls", "80", "--out", "found/best.txt")
    assert code == 0
    assert (folder / "found" / "best.txt").read_text() == "{question} Reply with the digit alone."
    assert server.requests[0].body["messages"][0]["role"] == "user"
    assert server.requests[0].body["messages"][0]["content"].startswith("Please: Which digit is ")


def test_a_metric_of_ones_own(run: Any, folder: Path) -> None:
    (folder / "my_metric.py").write_text(
        "def short(output, example):\n    return (1.0 if len(output) == 1 else 0.0), 'Be shorter.'\n\nlimit = 3\n"
    )
    code, out, _ = run("--budget_calls", "80", metric="my_metric:short")
    assert code == 0
    assert "better prompt" in out


def test_without_a_better_prompt_only_the_record_is_written(run: Any, folder: Path) -> None:
    (folder / "prompt.txt").write_text("Reply with the digit alone.\n")
    code, out, _ = run("--budget_calls", "80", "--write")
    assert code == 0
    assert "stopped: every training example is perfect" in out
    assert "no prompt was shown to be better" in out
    assert not (folder / "prompt.optimized.txt").exists()
    assert (folder / "prompt.optimized.record.json").exists()


@pytest.mark.parametrize(
    ("flags", "metric", "says"),
    [
        (["--data", "none.jsonl"], "exact", "none.jsonl cannot be read: No such file"),
        (["--answer_field", "solution"], "exact", "data.jsonl, line 1 has no field 'solution'; it has"),
        (["--input_field", "q"], "contains", "line 1 has no field 'q'"),
        (["--out", "data.jsonl"], "exact", "--out data.jsonl is there already"),
        (["--val_fraction", "1.5"], "exact", "val_fraction must be between 0 and 1, got 1.5"),
        (["--val_fraction", "0.1"], "exact", "with 2 validation examples the sequential gate can accept nothing"),
        (["--budget_calls", "0"], "exact", "budget must be at least 1, got 0"),
        (["--gate", "t-test"], "exact", "invalid choice: 't-test'"),
        ([], "close", "--metric must be exact, contains or MODULE:FUNCTION, got 'close'"),
        ([], "no_such_module:f", "--metric no_such_module:f: No module named 'no_such_module'"),
        ([], "json:no_such_function", "the module json has no function 'no_such_function'"),
        ([], "math:pi", "the module math has no function 'pi'"),
    ],
)
def test_what_cannot_be_used_is_one_clear_line(
    run: Any, folder: Path, server: Any, flags: list[str], metric: str, says: str
) -> None:
    code, out, err = run(*flags, metric=metric)
    assert (code, out) == (2, "")
    assert says in err
    assert err.splitlines()[-1].startswith("error: ")
    assert server.requests == []
    assert sorted(one.name for one in folder.iterdir()) == ["data.jsonl", "prompt.txt"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty; write a first prompt"),
        (b" \n", "is empty"),
        (b"\xff\xfe", "is not a UTF-8 text"),
        (b"{question} for {person}", "line 1 has no field 'person'"),
    ],
)
def test_a_prompt_file_that_cannot_be_used(run: Any, folder: Path, content: bytes, says: str) -> None:
    (folder / "prompt.txt").write_bytes(content)
    code, _, err = run()
    assert code == 2
    assert says in err


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "holds no examples"),
        ('{"question": "a", "answer": "b"}\n{"question"', "line 2 is not JSON (column 12"),
        ('{"question": "a", "answer": "b"}\n\n[1]', "line 3 must hold a JSON object, it holds a list"),
        ('{"question": "a", "question": "b"}', "line 1 cannot be read"),
        ('{"question": "a", "answer": "b"}', "1 example cannot be parted"),
    ],
)
def test_a_data_file_that_cannot_be_used(run: Any, folder: Path, content: str, says: str) -> None:
    (folder / "data.jsonl").write_text(content)
    code, _, err = run()
    assert code == 2
    assert says in err


def test_models_that_cannot_answer_are_refused_before_anything_is_spent(run: Any) -> None:
    code, _, err = run(model=("--model", "auto"))
    assert code == 2
    assert "the built-in engine (auto) plays by rules and answers no questions" in err
    code, _, err = run(model=("--model", "gpt-4o-mini"))
    assert code == 2
    assert "OPENAI_API_KEY" in err
    code, _, err = run(model=("--model", "no-such-model"))
    assert code == 2
    assert "no-such-model" in err


def test_help_names_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["optimize", "--help"])
    shown = capsys.readouterr().out
    assert end.value.code == 0
    for flag in ("--data", "--metric", "--model", "--budget_calls", "--val_fraction", "--write", "--seed", "--out"):
        assert flag in shown
