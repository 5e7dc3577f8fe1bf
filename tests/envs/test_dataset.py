"""Datasets of tasks, and their entries in a config file."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from envs import DummyEnv, DummyTaskDataset, EnvsTaskDataset, TaskConfig, TaskDataset
from envs.registry import TASK_DATASET_REGISTRY
from textgrad_agents.errors import ConfigError


class Stories(TaskDataset[DummyEnv]):
    """Stories about numbers."""

    def __init__(self, count: int = 3, prefix: str = "") -> None:
        self.count = count
        self.prefix = prefix

    def __len__(self) -> int:
        return self.count

    def get_new_env_by_idx(self, idx: int) -> DummyEnv:
        return DummyEnv(task=f"{self.prefix}{idx}")


def tasks(batches: Any) -> list[list[str | None]]:
    return [[env.task for env in batch] for batch in batches]


@given(count=st.integers(0, 12), batch_size=st.integers(1, 5))
def test_a_finite_dataset_is_gone_through_once(count: int, batch_size: int) -> None:
    batches = tasks(Stories(count).iter_batches(batch_size))
    assert list(itertools.chain(*batches)) == [str(number) for number in range(count)]
    assert all(len(batch) == batch_size for batch in batches[:-1])


def test_shuffling() -> None:
    in_order = [str(number) for number in range(50)]
    orders = [
        list(itertools.chain(*tasks(Stories(50).iter_batches(7, shuffle=True, seed=seed)))) for seed in (1, 1, 2, None)
    ]
    assert all(sorted(order) == sorted(in_order) and order != in_order for order in orders)
    assert orders[0] == orders[1] != orders[2]


def test_an_endless_dataset_goes_on() -> None:
    batches = list(itertools.islice(TaskDataset.from_name("dummy").iter_batches(2), 3))
    assert [len(batch) for batch in batches] == [2, 2, 2]
    assert len({id(env) for batch in batches for env in batch}) == 6
    assert bool(DummyTaskDataset())


def test_batches_have_a_size() -> None:
    with pytest.raises(ConfigError, match="batch_size must be at least 1, not 0"):
        Stories().iter_batches(0)


def test_environments_that_are_there_already() -> None:
    one, two = DummyEnv(), DummyEnv()
    assert len(EnvsTaskDataset(one)) == 1
    dataset = EnvsTaskDataset([one, two])
    assert [dataset.get_new_env_by_idx(place) for place in range(len(dataset))] == [one, two]


def test_what_a_dataset_does_not_offer() -> None:
    class Nothing(TaskDataset[DummyEnv]): ...

    with pytest.raises(TypeError, match="a Nothing has no length"):
        len(Nothing())
    for method, arguments in (("get_new_env_by_idx", (0,)), ("get_new_env", ()), ("get_new_env_by_args", ())):
        with pytest.raises(NotImplementedError, match=f"Nothing.*{method}"):
            getattr(Nothing(), method)(*arguments)


@pytest.fixture
def stories(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TASK_DATASET_REGISTRY, "stories", Stories)


@pytest.mark.usefixtures("stories")
class TestNames:
    def test_by_name(self) -> None:
        dataset = TaskDataset.from_name("stories", count=2)
        assert isinstance(dataset, Stories)
        assert len(dataset) == 2
        with pytest.raises(ConfigError, match=r"dataset 'stories': .*'size'; it takes count, prefix"):
            TaskDataset.from_name("stories", size=2)
        with pytest.raises(ConfigError, match="no dataset is called 'storys'; did you mean stories"):
            TaskDataset.from_name("storys")

    @pytest.mark.parametrize(("split", "prefix"), [("train", "a"), ("eval", "e"), ("test", "t")])
    def test_an_entry_of_a_config_file(self, split: Any, prefix: str) -> None:
        config = TaskConfig(
            name="stories",
            task_kwargs={"count": 2, "prefix": "a"},
            eval_kwargs={"prefix": "e"},
            test_kwargs={"prefix": "t"},
        )
        assert TaskConfig.model_validate_json(config.model_dump_json()) == config
        dataset = config.make_dataset(split)
        assert isinstance(dataset, Stories)
        assert (dataset.count, dataset.prefix) == (2, prefix)

    def test_what_is_no_entry(self) -> None:
        with pytest.raises(ConfigError, match="train, eval or test, not 'dev'"):
            TaskConfig(name="stories").make_dataset("dev")  # type: ignore[arg-type]
        with pytest.raises(ValidationError, match="kwargs"):
            TaskConfig(name="stories", kwargs={})  # type: ignore[call-arg]

    def test_models_may_be_parameters(self) -> None:
        class Options(BaseModel):
            loud: bool = True

        options = Options()
        assert TaskConfig(name="stories", task_kwargs={"options": options}).task_kwargs["options"] is options
