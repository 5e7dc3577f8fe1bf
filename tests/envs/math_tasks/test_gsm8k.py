"""GSM8K's format from local files; the problems here are made up."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from envs import TaskConfig
from envs.math_tasks import CalculatorEnvConfig, GSM8kDataset
from envs.rows import FOLDER_VARIABLE
from textgrad_agents.errors import ConfigError, FileFormatError

ROWS = [
    {"question": "A crate holds 12 jars and a shelf holds 6 crates. How many jars?", "answer": "12 * 6 = 72\n#### 72"},
    {"question": "Ten owls hatch three owlets each. How many owlets?", "answer": "10 * 3 = <<10*3=30>>30\n#### 30"},
    {"question": "A mill grinds 1,200 sacks a week. How many in a year of 50 weeks?", "answer": "#### 60,000"},
    {"question": "Half of 5 loaves?", "answer": "5 / 2\n#### 2.5"},
    {"question": "It was 3 degrees and fell by 10. How many degrees now?", "answer": "3 - 10\n#### -7"},
    {"question": "A path has 99 stones; 33 break. How many are whole?", "answer": "99 - 33\n#### 66"},
    {"question": "How many legs have 7 spiders?", "answer": "7 * 8\n#### 56"},
]


@pytest.fixture
def jsonl(tmp_path: Path) -> Path:
    path = tmp_path / "train.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS) + "\n")
    return path


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    path = tmp_path / "train.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)
    return path


async def describe(dataset: GSM8kDataset) -> list[tuple[str, Any]]:
    environments = [dataset.get_new_env_by_idx(index) for index in range(len(dataset))]
    return [(await env.get_id(), env.answer) for env in environments]


@pytest.mark.parametrize(
    ("split", "problems"),
    [
        ("train_full", [("train_full_0", 72), ("train_full_1", 30), ("train_full_2", 60000), ("train_full_3", 2.5)]),
        ("train", [("train_1", 30), ("train_2", 60000), ("train_3", 2.5), ("train_4", -7), ("train_6", 56)]),
        ("val", [("val_0", 72), ("val_5", 66)]),
        ("test", [("test_0", 72), ("test_1", 30)]),
    ],
)
@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_splits(form: str, split: str, problems: list[tuple[str, float]], request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(form)
    found = asyncio.run(describe(GSM8kDataset(split, source=path)))
    assert found[: len(problems)] == problems
    assert len(found) == {"train": 5, "val": 2}.get(split, 7)


def test_environments_of_the_dataset(jsonl: Path) -> None:
    dataset = GSM8kDataset("val", config={"correct_reward": 5.0}, source=str(jsonl))
    env = dataset.get_new_env_by_idx(1)
    assert env.problem == ROWS[5]["question"]
    assert env.config == CalculatorEnvConfig(correct_reward=5.0)
    batches = list(dataset.iter_batches(1))
    assert [batch[0].answer for batch in batches] == [72, 66]


def test_a_folder_of_data_sets(jsonl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = jsonl.parent / "gsm8k"
    folder.mkdir()
    jsonl.rename(folder / jsonl.name)
    monkeypatch.setenv(FOLDER_VARIABLE, str(jsonl.parent))
    assert len(GSM8kDataset("train")) == 5


def test_as_an_entry_of_a_config(jsonl: Path) -> None:
    config = TaskConfig(
        name="gsm8k",
        task_kwargs={"source": str(jsonl)},
        train_kwargs={"split": "train"},
        eval_kwargs={"split": "val", "config": {"rel_tol": 0.0}},
    )
    assert len(config.make_dataset("train")) == 5
    assert config.make_dataset("eval").get_new_env_by_idx(0).config.rel_tol == 0


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"question": "How many?"}, "row 7: the answer ends with #### and a number, or is a number, not None"),
        ({"question": "How many?", "answer": None}, "row 7: the answer"),
        ({"question": "How many?", "answer": "a dozen\n#### twelve"}, "row 7: the answer ends with ####"),
        ({"question": "How many?", "answer": "no mark"}, "not 'no mark'"),
        ({"question": " ", "answer": "#### 1"}, "row 7: there is no question"),
        ({"answer": "#### 1"}, "row 7: there is no question"),
        (["How many?", "#### 1"], "row 7: must be an object with fields"),
    ],
)
def test_rows_that_are_no_problems(jsonl: Path, row: Any, message: str) -> None:
    with jsonl.open("a") as stream:
        stream.write(json.dumps(row))
    with pytest.raises(FileFormatError, match=message):
        GSM8kDataset("train_full", source=jsonl)


def test_numbers_may_be_answers(jsonl: Path) -> None:
    jsonl.write_text('{"question": "How many?", "answer": 12}\n{"question": "How many?", "answer": 1.5}')
    assert [env.answer for (env,) in GSM8kDataset("test", source=jsonl).iter_batches(1)] == [12, 1.5]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.jsonl", None, "cannot be read: No such file"),
        ("missing.json", None, "does not exist"),
        ("missing.parquet", None, "is no Parquet file that can be read"),
        ("bad.jsonl", b'{"question": "x", "answer": "#### 1"}\n{"question": ', r"line 2 is no JSON"),
        ("bad.jsonl", b"\xff\xfe", "line 1 is no JSON"),
        ("bad.json", b'{"question": "x"}', "must hold a list of rows, not a dict"),
        ("bad.parquet", b"PAR1 not really PAR1", "is no Parquet file that can be read"),
    ],
)
def test_files_that_hold_something_else(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(FileFormatError, match=message):
        GSM8kDataset("test", source=tmp_path / name)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"split": "dev"}, "has the splits train_full, train, val, test, not 'dev'"),
        ({"split": "test", "config": {"reward": 1}}, "there is no field reward"),
        ({"split": "test", "config": {"rel_tol": "loose"}}, "rel_tol must be a valid number"),
    ],
)
def test_settings_that_are_wrong(jsonl: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        GSM8kDataset(source=jsonl, **settings)


class TestHub:
    @pytest.fixture
    def hub(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], list[Any]]:
        """Stands in for the library that reads the hub; gives the calls."""
        monkeypatch.delenv(FOLDER_VARIABLE, raising=False)

        def answering(answer: Any) -> list[Any]:
            calls: list[Any] = []

            def load_dataset(*arguments: Any, **settings: Any) -> Any:
                calls.append((*arguments, settings))
                if isinstance(answer, Exception):
                    raise answer
                return answer

            module = ModuleType("datasets")
            module.load_dataset = load_dataset  # type: ignore[attr-defined]
            monkeypatch.setitem(sys.modules, "datasets", module)
            return calls

        return answering

    def test_the_published_splits_are_asked_for(self, hub: Callable[[Any], list[Any]]) -> None:
        calls = hub(ROWS)
        assert len(GSM8kDataset("train")) == 5
        assert len(GSM8kDataset("test")) == 7
        GSM8kDataset("val", source="somebody/copy")
        assert calls == [
            ("openai/gsm8k", "main", {"split": "train"}),
            ("openai/gsm8k", "main", {"split": "test"}),
            ("somebody/copy", None, {"split": "train"}),
        ]

    @pytest.mark.parametrize("error", [ConnectionError("Couldn't reach\n 'openai/gsm8k'"), ValueError("Unknown split")])
    def test_no_network_is_one_clear_error(self, hub: Callable[[Any], list[Any]], error: Exception) -> None:
        hub(error)
        with pytest.raises(ConfigError) as caught:
            GSM8kDataset("train")
        said = str(caught.value)
        assert "the hub does not give split 'train' of 'openai/gsm8k'" in said
        assert "pass a local file as source, or set TEXTGRAD_AGENTS_DATA to a folder with gsm8k/train.jsonl" in said
        assert "\n" not in said

    def test_without_the_library(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
        monkeypatch.setitem(sys.modules, "datasets", None)
        with pytest.raises(ConfigError, match=r"needs datasets; install textgrad-agents\[data\]"):
            GSM8kDataset("train")
        monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
        with pytest.raises(ConfigError, match=r"Parquet files needs pyarrow.*; install textgrad-agents\[data\]"):
            GSM8kDataset("train", source="x.parquet")
