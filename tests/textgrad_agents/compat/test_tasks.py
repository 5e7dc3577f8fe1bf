"""Datasets by TextGrad's names, from local files."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

import textgrad_agents.compat.textgrad as tg
from textgrad_agents.compat.textgrad.loss import MultiFieldTokenParsedEvaluation
from textgrad_agents.compat.textgrad.tasks import DataLoader, load_instance_task, load_task
from textgrad_agents.compat.textgrad.tasks.answers import (
    eval_string_based,
    parse_integer_answer,
    string_based_equality_fn,
)
from textgrad_agents.compat.textgrad.tasks.big_bench_hard import BigBenchHard
from textgrad_agents.compat.textgrad.tasks.gpqa import GPQA
from textgrad_agents.compat.textgrad.tasks.gsm8k import GSM8K, GSM8K_DSPy
from textgrad_agents.compat.textgrad.tasks.mmlu import MMLU
from textgrad_agents.compat.textgrad.tasks.multimodal import load_multimodal_instance_task
from textgrad_agents.errors import ConfigError, FileFormatError

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 8


class Reply(tg.EngineLM):
    model_string = "reply"
    is_multimodal = True

    def __init__(self, text: str = "fine") -> None:
        self.text = text
        self.asked: list[Any] = []

    def generate(self, prompt: Any, system_prompt: str | None = None, **kwargs: Any) -> str:
        self.asked.append(prompt)
        return self.text


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps(row) for row in rows))


def write_csv(path: Path, rows: list[list[str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        ("Answer: 12", 12),
        ("first 3, then\nAnswer: $1,234.", 1234),
        ("it is 7.5", 7),
        ("none", 0),
        ("", 0),
        ("12 apples\nand 5", 5),
    ],
)
def test_the_last_number_counts(answer: str, number: int) -> None:
    assert parse_integer_answer(answer) == number


def test_the_first_line_alone() -> None:
    assert parse_integer_answer("12 apples\nand 5", only_first_line=True) == 12


def test_equal_numbers() -> None:
    def var(text: str) -> tg.Variable:
        return tg.Variable(text, role_description="answer")

    assert string_based_equality_fn(var("so 5"), var("5")) == 1
    assert string_based_equality_fn(var("so 6"), var("5")) == 0


def test_letters() -> None:
    assert eval_string_based("so\nAnswer: (B", "B") == 0.0
    assert eval_string_based("so\nanswer : b", "B") == 1.0
    assert eval_string_based("Answer: A", "B") == 0.0


@pytest.fixture
def counting(tmp_path: Path) -> Path:
    examples = [{"input": f"q{number}", "target": str(number)} for number in range(250)]
    (tmp_path / "object_counting.json").write_text(json.dumps({"canary": "c", "examples": examples}))
    return tmp_path


def test_big_bench_hard(counting: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [BigBenchHard("object_counting", counting, split) for split in ("train", "val", "test")]
    assert [len(part) for part in parts] == [50, 100, 100]
    assert [part[0] for part in parts] == [("q0", "0"), ("q50", "50"), ("q150", "150")]
    assert len(list(parts[0])) == 50
    monkeypatch.setenv("TEXTGRAD_DATA", str(counting))
    assert len(BigBenchHard("object_counting")) == 50
    assert "step by step" in parts[0].get_task_description()


def test_textgrads_own_copy_is_read_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_csv(tmp_path / "textgrad" / "word_sorting" / "train.csv", [["", "x", "y"], ["0", "b a", "a b"]])
    monkeypatch.delenv("TEXTGRAD_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert BigBenchHard("word_sorting")[0] == ("b a", "a b")


def test_a_missing_file_says_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(
        FileFormatError, match=r"word_sorting\.json is missing; get it from https://github\.com/suzgunmirac"
    ):
        BigBenchHard("word_sorting", tmp_path)


def test_a_damaged_file(tmp_path: Path) -> None:
    (tmp_path / "word_sorting.json").write_text("{")
    with pytest.raises(FileFormatError, match=r"word_sorting\.json cannot be read"):
        BigBenchHard("word_sorting", tmp_path)


def test_an_unknown_split(counting: Path) -> None:
    with pytest.raises(ConfigError, match="split must be one of train, val, test, got 'dev'"):
        BigBenchHard("object_counting", counting, "dev")


def test_loading_a_task_with_a_judge(tmp_path: Path) -> None:
    (tmp_path / "word_sorting.json").write_text(json.dumps({"examples": [{"input": "b a", "target": "a b"}] * 200}))
    engine = Reply("<ACCURACY> 1 </ACCURACY>")
    train, _, _, judge = load_task("BBH_word_sorting", engine, root=tmp_path)
    assert isinstance(judge, MultiFieldTokenParsedEvaluation)
    parts = [tg.Variable(text, role_description="part") for text in (*train[0], "a b")]
    assert judge.parse_output(judge(parts)) == "1"
    with pytest.raises(ConfigError, match="there is no task 'SQuAD'"):
        load_task("SQuAD", engine)


def test_gsm8k(tmp_path: Path) -> None:
    for name, count in (("train", 600), ("test", 400)):
        rows = [{"question": f"{name} {n}", "answer": f"so\n#### {n * 1000:,}"} for n in range(count)]
        write_jsonl(tmp_path / "gsm8k" / f"{name}.jsonl", rows)
    assert [len(GSM8K("main", tmp_path, split)) for split in ("train", "val", "test")] == [500, 100, 300]
    assert GSM8K("main", tmp_path, "val")[0] == ("Question: train 0", "so\n#### 0")
    parts = [GSM8K_DSPy(tmp_path, split) for split in ("train", "val", "test")]
    assert [len(part) for part in parts] == [200, 300, 400]
    question, answer = parts[0][0]
    assert int(answer) == 1000 * int(question.split()[-1])
    assert {question for question, _ in parts[0]}.isdisjoint(question for question, _ in parts[1])
    train, _, test, evaluate = load_task("GSM8K_DSPy", Reply(), root=tmp_path)
    assert (len(train), len(test)) == (200, 400)
    inputs = {name: tg.Variable("5", role_description=name) for name in ("prediction", "ground_truth_answer")}
    assert evaluate(inputs).value == "1"


@pytest.fixture
def choices(tmp_path: Path) -> Path:
    write_csv(tmp_path / "mmlu" / "test" / "anatomy_test.csv", [["Which {one}?", "w", "x", "y", "z", "C"]] * 3)
    columns = ["Question", "Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3"]
    write_csv(tmp_path / "gpqa" / "gpqa_diamond.csv", [columns, ["Which?", " right ", "wrong 1", "wrong 2", "wrong 3"]])
    return tmp_path


def test_mmlu(choices: Path) -> None:
    assert MMLU("anatomy", choices, "test")[0] == ("Question: Which {one}?\nChoices:\nA. w\nB. x\nC. y\nD. z", "C")
    assert len(load_instance_task("MMLU_anatomy", Reply(), root=choices, max_samples=2)) == 2


@pytest.mark.parametrize("name", ["MMLU_anatomy", "GPQA_diamond"])
def test_multiple_choice_instances(choices: Path, name: str) -> None:
    engine = Reply("examined")
    question, answer, loss, test = load_instance_task(name, engine, root=choices)[0]
    assert question.endswith(("D) z", "D) wrong 2", "D) wrong 3", "D) right", "D) wrong 1"))
    assert f"{answer}) " in question
    prediction = tg.Variable(f"so\nAnswer: {answer}", role_description="prediction")
    assert test(prediction) == 1.0
    assert loss(prediction).value == "examined"
    assert question in engine.asked[0]


def test_gpqa_letters_are_right(choices: Path) -> None:
    question, answer = GPQA("gpqa_diamond", choices)[0]
    assert f"{answer}) right" in question
    with pytest.raises(ConfigError, match="gpqa_small"):
        GPQA("gpqa_small", choices)


def test_leetcode(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "leetcode-hard.jsonl", [{"task_id": "1", "prompt": "p", "test": "t"}])
    data = load_instance_task("LeetCodeHardEval", Reply(), root=tmp_path)
    assert list(data) == [("1", "p", "t")]
    with pytest.raises(ConfigError, match="there is no task 'Else'"):
        load_instance_task("Else", Reply())


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for name in ("mathvista/images/1.png", "scienceqa/images/test/7/image.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_bytes(PNG)
    rows = {
        "1": {
            "image": "images/1.png",
            "question_type": "multi_choice",
            "answer_type": "text",
            "precision": None,
            "choices": ["red", "blue"],
            "query": "Which colour?",
            "answer": "blue",
        },
        "2": {
            "image": "images/1.png",
            "question_type": "free_form",
            "answer_type": "float",
            "precision": 1.0,
            "choices": None,
            "query": "How long?",
            "answer": "2.5",
        },
    }
    (tmp_path / "mathvista" / "testmini.json").write_text(json.dumps(rows))
    problems = {
        "7": {
            "split": "test",
            "image": "image.png",
            "question": "Which?",
            "choices": ["ice", "fire"],
            "answer": 1,
            "hint": "warm",
        },
        "8": {"split": "test", "image": None, "question": "", "choices": [], "answer": 0, "hint": ""},
        "9": {"split": "train", "image": "image.png", "question": "", "choices": [], "answer": 0, "hint": ""},
    }
    (tmp_path / "scienceqa" / "problems.json").write_text(json.dumps(problems))
    return tmp_path


def test_mathvista(pictures: Path) -> None:
    engine = Reply("(B)")
    data = load_multimodal_instance_task("mathvista", engine, root=pictures)
    image, query, answer, details, loss, test = data[0]
    assert (image, answer, details["pid"], len(data)) == (PNG, "blue", "1", 2)
    assert query.endswith("Which colour?")
    assert test("blue")[0] == test("(B)")[0] == test("The answer is (B).")[0] == 1
    assert test("(A)")[0] == 0
    assert engine.asked == []
    assert test(tg.Variable("It looks like the sea", role_description="answer"))[0] == 1  # the engine reads it as (B)
    assert "It looks like the sea" in engine.asked[0]
    assert loss(tg.Variable("red", role_description="answer")).value == "(B)"
    assert PNG in engine.asked[1]


def test_mathvista_numbers(pictures: Path) -> None:
    *_, test = load_multimodal_instance_task("mathvista", Reply("2.46"), root=pictures)[1]
    assert [test(reply)[0] for reply in ("2.5", "2.46", "2.4", "about two and a half")] == [1, 1, 0, 1]


def test_scienceqa(pictures: Path) -> None:
    data = load_multimodal_instance_task("scienceqa", Reply(), root=pictures)
    assert len(data) == 1
    _, query, answer, details, _, test = data[0]
    assert "Context: warm" in query
    assert "(A) ice (B) fire" in query
    assert (answer, details["pid"]) == (1, "7")
    replies = [
        "Answer: (B) fire",
        "Answer: B",
        "so it is fire\nAnswer: fire",
        "Answer: (A) ice",
        "Answer: both",
        "I see",
    ]
    assert [test(reply)[0] for reply in replies] == [1, 1, 1, 0, 0, 0]
    with pytest.raises(ConfigError, match="there is no task 'else'"):
        load_multimodal_instance_task("else", Reply())


def test_batches_of_columns() -> None:
    rows = [(f"x{number}", f"y{number}") for number in range(7)]
    loader = DataLoader(rows, batch_size=3, shuffle=False)
    assert list(loader) == [
        (("x0", "x1", "x2"), ("y0", "y1", "y2")),
        (("x3", "x4", "x5"), ("y3", "y4", "y5")),
        (("x6",), ("y6",)),
    ]
    assert [list(batch) for batch in DataLoader(["a", "b", "c"], batch_size=2, shuffle=False)] == [["a", "b"], ["c"]]


def test_every_epoch_has_an_order_of_its_own_and_every_run_the_same() -> None:
    def epochs() -> list[list[str]]:
        loader = DataLoader([str(number) for number in range(20)], batch_size=20)
        return [list(batch) for _ in range(2) for batch in loader]

    first, second = epochs()
    assert sorted(first) == sorted(second)
    assert first != second
    assert epochs() == [first, second]


def test_batches_are_not_empty() -> None:
    with pytest.raises(ConfigError, match="batch_size must be at least 1, got 0"):
        DataLoader([1], batch_size=0)
