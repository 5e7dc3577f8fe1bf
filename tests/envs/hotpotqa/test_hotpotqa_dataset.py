"""The questions, from files in the forms in which they are published; those here are made up."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from envs import TaskDataset
from envs.hotpotqa import HotPotQADataset, PageTable, WikipediaPages
from envs.rows import FOLDER_VARIABLE
from textgrad_agents.engines import ScriptedEngine
from textgrad_agents.errors import ConfigError, FileFormatError

ROWS = [
    {
        "_id": f"{number:024x}",
        "question": f"Which river is number {number}?",
        "answer": f"River {number}",
        "level": level,
    }
    for number, level in enumerate(["easy", "medium", "hard", "hard", "easy", "medium", "hard", "easy"])
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "hotpot_dev_fullwiki_v1.json"
    path.write_text(json.dumps(ROWS))
    return path


def questions(dataset: HotPotQADataset) -> list[str]:
    return [dataset.get_new_env_by_idx(index).question for index in range(len(dataset))]


def test_environments_of_the_dataset(path: Path) -> None:
    pages, engine = PageTable({"River 1": "A river."}), ScriptedEngine([])
    dataset = HotPotQADataset("dev", source=path, pages=pages, engine=engine, evaluation_mode="llm", correct_reward=2.0)
    env = dataset.get_new_env_by_idx(1)
    assert len(dataset) == 8
    assert (env.question, env.correct_answer, env.correct_reward) == ("Which river is number 1?", "River 1", 2.0)
    assert (env.pages, env.engine, env.evaluation_mode) == (pages, engine, "llm")
    assert asyncio.run(env.get_id()) == "000000000000000000000001"
    assert isinstance(HotPotQADataset("dev", source=path).pages, WikipediaPages)


def test_parts_of_the_data(path: Path) -> None:
    in_order = questions(HotPotQADataset("train", source=path))
    assert questions(HotPotQADataset("train", source=path, difficulty_level={"easy", "hard"})) == [
        in_order[number] for number in (0, 2, 3, 4, 6, 7)
    ]
    assert questions(HotPotQADataset("train", source=path, data_fraction=0.3)) == in_order[:2]
    shuffled = [questions(HotPotQADataset("train", source=path, shuffle_data=True, seed=seed)) for seed in (1, 1, 2)]
    assert shuffled[0] == shuffled[1] != shuffled[2]
    assert sorted(shuffled[0]) == sorted(in_order) != shuffled[0]
    half = HotPotQADataset("train", {"shuffle_data": True, "seed": 1}, source=path, data_fraction=0.5)
    assert questions(half) == shuffled[0][:4]


@pytest.mark.parametrize("split", ["dev", "val", "eval", "validation"])
def test_by_name_from_a_folder_of_data_sets(path: Path, split: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = path.parent / "hotpotqa"
    folder.mkdir()
    rows = [{"id": row["_id"], "question": row["question"], "answer": row["answer"]} for row in ROWS]
    (folder / "validation.jsonl").write_text("\n".join(map(json.dumps, rows)))
    monkeypatch.setenv(FOLDER_VARIABLE, str(path.parent))
    dataset = TaskDataset.from_name("hotpotqa", split=split)
    assert isinstance(dataset, HotPotQADataset)
    assert asyncio.run(dataset.get_new_env_by_idx(7).get_id()) == "000000000000000000000007"
    with pytest.raises(FileFormatError, match="row 0: there is no level; leave difficulty_level out"):
        TaskDataset.from_name("hotpotqa", split=split, difficulty_level={"easy"})


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"question": "Which?"}, "row 8: the answer must be a text or a number, not None"),
        ({"question": "Which?", "answer": ""}, "row 8: the answer must be a text or a number, not ''"),
        ({"question": "Which?", "answer": ["a"]}, "row 8: the answer must be"),
        ({"answer": "a"}, "row 8: there is no question"),
    ],
)
def test_rows_that_are_no_questions(path: Path, row: dict[str, Any], message: str) -> None:
    path.write_text(json.dumps([*ROWS, row]))
    with pytest.raises(FileFormatError, match=message):
        HotPotQADataset("dev", source=path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"split": "test"}, "splits train and dev with answers, not 'test'"),
        ({"split": "dev", "difficulty_level": {"brutal"}}, "difficulty_level"),
        ({"split": "dev", "data_fraction": 0}, "data_fraction must be greater than 0, not 0"),
        ({"split": "dev", "evaluation_mode": "vibes"}, "evaluation_mode must be"),
        ({"split": "dev", "proxy": "x"}, "there is no field proxy"),
    ],
)
def test_settings_that_are_wrong(path: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        HotPotQADataset(source=path, **settings)
