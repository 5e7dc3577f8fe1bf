"""The token store: what comes back is equal, nothing is overwritten, damage is one error that names the file."""

from __future__ import annotations

import json
import threading
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from token_episodes import episode, step

from textgrad_agents.errors import ConfigError, FileFormatError
from textgrad_agents.messages import PromptSpan
from training.numeric import Row, TokenStore, rows_of

text = st.text(st.characters(codec=None), max_size=6)
ids = st.integers(0, 2**31 - 1)
numbers = st.floats(allow_nan=False)


@st.composite
def rows(draw: st.DrawFn) -> Row:
    length = draw(st.integers(0, 4))

    def column(values: st.SearchStrategy[Any], kind: Any) -> Any:
        return np.array(draw(st.lists(values, min_size=length, max_size=length)), kind)

    return Row(
        prompt_ids=np.array(draw(st.lists(ids, max_size=4)), np.int32),
        action_ids=column(ids, np.int32),
        sampler_logprobs=column(st.floats(-100, 0, width=32), np.float32),
        mask=column(st.booleans(), np.bool_),
        reward=draw(numbers),
        advantage=draw(numbers),
        weights=column(st.floats(0, 2, width=32), np.float32) if draw(st.booleans()) else None,
        timesteps=column(ids, np.int32) if draw(st.booleans()) else None,
        group=tuple(draw(st.lists(text | st.integers(), max_size=5))),
        agent=draw(text),
        trajectory=draw(text),
        timestep=draw(ids),
        spans=tuple(draw(st.lists(st.builds(PromptSpan, ids, ids, text, text), max_size=2))),
        base=draw(text),
        adapter=draw(text),
        adapter_version=draw(ids),
        prompt_version=draw(text),
        temperature=draw(numbers),
        episode=draw(text),
        finish=draw(st.sampled_from([None, "stop", "length", "tool_calls"])),
    )


def assert_equal(one: Row, other: Row) -> None:
    for field in fields(Row):
        left, right = getattr(one, field.name), getattr(other, field.name)
        if isinstance(left, np.ndarray):
            assert left.dtype == right.dtype
            np.testing.assert_array_equal(left, right)
        else:
            assert (type(left), left) == (type(right), right), field.name


def some(*agents: str) -> tuple[Row, ...]:
    return rows_of([episode(*([step(agent, 0, 1.0)] for agent in agents))]).rows


@settings(max_examples=60, deadline=None)
@given(batches=st.lists(st.lists(rows(), max_size=3), max_size=3), data=st.data())
def test_what_comes_back_is_equal(
    batches: list[list[Row]], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("store")
    store = TokenStore(folder)
    kept: dict[int, Row] = {}
    for batch in batches:
        for row_id, row in zip(store.append(batch), batch, strict=True):
            kept[row_id] = row
    for reader in (store, TokenStore(folder)):
        assert len(reader) == len(kept)
        wanted = data.draw(st.permutations(sorted(kept)))
        for row_id, row in zip(wanted, reader.rows(wanted), strict=True):
            assert_equal(row, kept[row_id])
        for row_id, row in enumerate(reader.rows()):
            assert_equal(row, kept[row_id])


def test_the_same_rows_again_are_the_same_ids_and_no_file(tmp_path: Path) -> None:
    store = TokenStore(tmp_path)
    assert store.append(some("a", "b")) == range(2)
    assert store.append(some("c")) == range(2, 3)
    before = sorted(path.name for path in tmp_path.iterdir())
    assert TokenStore(tmp_path).append(some("a", "b")) == range(2)
    assert store.append([]) == range(0)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_many_shards_are_read_though_few_stay_open(tmp_path: Path) -> None:
    store = TokenStore(tmp_path)
    names = [f"agent_{i}" for i in range(20)]
    for name in names:
        store.append(some(name))
    order = [*range(19, -1, -1), *range(20)]
    assert [row.agent for row in store.rows(order)] == [names[i] for i in order]


def test_appends_of_several_writers_are_all_there(tmp_path: Path) -> None:
    found: list[range] = []
    names = [f"agent_{i}" for i in range(6)]

    def write(name: str) -> None:
        found.append(TokenStore(tmp_path).append(some(name)))

    threads = [threading.Thread(target=write, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.start for one in found) == list(range(6))
    assert sorted(row.agent for row in TokenStore(tmp_path).rows()) == names


# -- batches -----------------------------------------------------------------------------------------------------------


def test_a_batch_is_rows_prompts_and_credit_and_has_a_hash(tmp_path: Path) -> None:
    store, other = TokenStore(tmp_path / "one"), TokenStore(tmp_path / "other")
    for one in (store, other):
        one.append(some("a", "b"))
    view = store.view([1, 0], prompt_version="p1", credit="steps")
    assert [row.agent for row in store.rows(view.ids)] == ["b", "a"]
    assert other.view([1, 0], prompt_version="p1", credit="steps") == view
    different = [
        store.view([0, 1], prompt_version="p1", credit="steps"),
        store.view([1, 0], prompt_version="p2", credit="steps"),
        store.view([1, 0], prompt_version="p1"),
        store.view([1], prompt_version="p1", credit="steps"),
    ]
    assert len({one.hash for one in [view, *different]}) == 5
    with pytest.raises(ConfigError, match="has the rows 0 to 1, not 2"):
        store.view([2])


# -- damage ------------------------------------------------------------------------------------------------------------


def shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("shard-*"))


@pytest.mark.parametrize("damage", ["cut", "changed", "missing"])
def test_a_damaged_shard_is_named_and_the_others_are_read(damage: str, tmp_path: Path) -> None:
    store = TokenStore(tmp_path)
    store.append(some("a"))
    store.append(some("b"))
    path = shards(tmp_path)[1]
    data = path.read_bytes()
    if damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "changed":
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    else:
        path.unlink()
    again = TokenStore(tmp_path)
    assert [row.agent for row in again.rows([0])] == ["a"]
    with pytest.raises(FileFormatError) as caught:
        again.rows([1])
    assert str(path) in str(caught.value)
    assert "restore it from a copy" in str(caught.value)
    left = {one: one.read_bytes() for one in shards(tmp_path)}
    assert again.append(some("c")) == range(2, 3)
    assert {one: one.read_bytes() for one in left} == left
    assert [row.agent for row in again.rows([2, 0])] == ["c", "a"]


def test_an_append_that_breaks_off_leaves_nothing_that_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = TokenStore(tmp_path)
    store.append(some("a"))

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("training.numeric.store.write_json", full)
        with pytest.raises(ConfigError, match="cannot be written: No space left on device"):
            store.append(some("b"))
    assert len(shards(tmp_path)) == 2
    assert len(TokenStore(tmp_path)) == len(store) == 1
    assert store.append(some("c")) == range(1, 2)
    assert store.append(some("b")) == range(2, 3)
    assert [row.agent for row in TokenStore(tmp_path).rows()] == ["a", "c", "b"]


@pytest.mark.parametrize(
    ("index", "complaint"),
    [
        ('{"schema_version": 1, "shards": [', "not valid JSON"),
        ('{"schema_version": 2, "shards": []}', "has schema_version 2; this version reads 1"),
        ('{"shards": []}', "schema_version"),
        ('{"schema_version": 1, "shards": [{"sha256": "x", "rows": 0}]}', "sha256"),
    ],
)
def test_a_damaged_index_is_one_error_and_nothing_is_written(index: str, complaint: str, tmp_path: Path) -> None:
    store = TokenStore(tmp_path)
    store.append(some("a"))
    (tmp_path / "index.json").write_text(index)
    for attempt in (lambda: TokenStore(tmp_path), lambda: store.append(some("b"))):
        with pytest.raises(FileFormatError, match=complaint):
            attempt()
    assert (tmp_path / "index.json").read_text() == index
    assert len(shards(tmp_path)) == 1


def test_a_shard_that_is_of_another_number_of_rows_is_refused(tmp_path: Path) -> None:
    TokenStore(tmp_path).append(some("a"))
    index = json.loads((tmp_path / "index.json").read_text())
    index["shards"][0]["rows"] = 2
    (tmp_path / "index.json").write_text(json.dumps(index))
    with pytest.raises(FileFormatError, match=r"it holds 1 rows, index\.json says 2"):
        TokenStore(tmp_path).rows()
