"""Evaluator and trainers: what is played, when is learned, what optimizers make of it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from rollouts import CountingAgent, CountingEnv  # tests/support

from envs import DummyEnv, DummyTaskDataset, EnvsTaskDataset
from textgrad_agents import ScriptedEngine, Session
from textgrad_agents.agents import MemoryAgent, ReActAgent, SimpleAgent
from textgrad_agents.errors import ConfigError
from textgrad_agents.interfaces import Criticism, CriticRequest, GenerateOptions
from textgrad_agents.messages import Completion, Message, ToolCall
from textgrad_agents.ops.rollout_loss import RolloutLoss
from textgrad_agents.optim import ChainedOptimizer, MemoryOptimizer
from textgrad_agents.transitions import Trajectory
from training.callbacks import Callback, MeanMetricsCallback, StoreTrajectoriesCallback
from training.runners import (
    APEOpt,
    Evaluator,
    EvaluatorConfig,
    MemoryOpt,
    OfflineTrainer,
    OfflineTrainerConfig,
    OnlineTrainer,
    OnlineTrainerConfig,
    PositiveMemoryOpt,
    TextualOpt,
    default_optimizer_factory,
)


class Heard(Callback):
    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    async def after_train_step(self, trajectories: Sequence[Trajectory]) -> None:
        self.counts.update(train_steps=1, train_trajectories=len(trajectories))

    async def before_eval_loop(self) -> None:
        self.counts["eval_begun"] += 1

    async def after_eval_step(self, trajectories: Sequence[Trajectory]) -> None:
        self.counts.update(eval_steps=1, eval_trajectories=len(trajectories))

    async def after_eval_loop(self) -> None:
        self.counts["eval_loops"] += 1

    async def after_update(self) -> None:
        self.counts["updates"] += 1


class Optimizer:
    """Notes what it is given."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def aggregate(self, trajectories: Any) -> None:
        self.events.append(len([*trajectories]))

    async def update(self) -> None:
        self.events.append("update")


def dataset(number: int) -> EnvsTaskDataset[Any]:
    return EnvsTaskDataset([CountingEnv() for _ in range(number)])


# -- evaluation --------------------------------------------------------------------------------


def test_an_evaluation_goes_once_through_the_dataset() -> None:
    heard, stored = Heard(), StoreTrajectoriesCallback()
    config = EvaluatorConfig(batch_size=2, num_rollouts_per_env=2, max_rollout_steps=1)
    asyncio.run(Evaluator(config, CountingAgent(), dataset(5), [heard, stored]).evaluate())
    assert heard.counts == {"eval_begun": 1, "eval_steps": 3, "eval_trajectories": 10, "eval_loops": 1}
    assert all(one.steps[0].action is not None and one.steps[0].action.is_leaf for one in stored.eval_trajectories)


def test_run_keeps_the_graph_and_takes_other_settings() -> None:
    heard, stored = Heard(), StoreTrajectoriesCallback()
    evaluator = Evaluator(EvaluatorConfig(), CountingAgent(), DummyTaskDataset(), [heard, stored])
    with pytest.raises(ConfigError, match="is endless"):
        asyncio.run(evaluator.run())
    asyncio.run(Evaluator(EvaluatorConfig(), CountingAgent(), dataset(1), [stored]).run(num_eval_iterations=3))
    assert len(stored.eval_trajectories) == 3
    assert stored.eval_trajectories[0].steps[0].action.call is not None  # type: ignore[union-attr]
    asyncio.run(evaluator.run(num_eval_iterations=0))
    assert "eval_steps" not in heard.counts


def test_failures_of_an_evaluation_are_counted() -> None:
    means = MeanMetricsCallback(eval_dataset=dataset(1))
    environments = EnvsTaskDataset([CountingEnv(), CountingEnv(fails_in="step")])
    asyncio.run(Evaluator(EvaluatorConfig(batch_size=2), CountingAgent(), environments, [means]).evaluate())
    assert means.eval_means["failures"] == 0.5


# -- trainers -----------------------------------------------------------------------------------


def test_online_training_in_its_order() -> None:
    heard, optimizer = Heard(), Optimizer()
    config = OnlineTrainerConfig(
        batch_size=2, num_train_iterations=5, update_every=2, eval_every=3, num_rollouts_per_env=2, seed=1
    )
    trainer = OnlineTrainer(config, CountingAgent(), optimizer, dataset(4), dataset(2), [heard])
    asyncio.run(trainer.train())
    assert optimizer.events == [4, 4, "update", 4, 4, "update", 4]
    assert heard.counts["train_trajectories"] == 20
    assert (heard.counts["updates"], heard.counts["eval_loops"]) == (2, 3)


def test_failed_rollouts_teach_nothing_and_are_shown() -> None:
    heard, optimizer = Heard(), Optimizer()
    environments = EnvsTaskDataset([CountingEnv(), CountingEnv(fails_in="step")])
    config = OnlineTrainerConfig(batch_size=2, num_train_iterations=1, eval_before=False)
    asyncio.run(OnlineTrainer(config, CountingAgent(), optimizer, environments, callbacks=[heard]).train())
    assert optimizer.events == [1, "update"]
    assert heard.counts["train_trajectories"] == 2


def test_offline_training_goes_through_all_trajectories() -> None:
    heard, optimizer = Heard(), Optimizer()
    config = OfflineTrainerConfig(batch_size=2, num_epochs=2, update_every=2, seed=0)
    asyncio.run(OfflineTrainer(config, CountingAgent(), optimizer, [Trajectory()] * 5, [heard]).train())
    assert optimizer.events == [2, 2, "update", 1, 2, "update", 2, 1, "update"]
    assert heard.counts == {"train_steps": 6, "train_trajectories": 10, "updates": 3}
    alone = Optimizer()
    asyncio.run(OfflineTrainer(OfflineTrainerConfig(batch_size=3), CountingAgent(), alone, []).train())
    assert alone.events == [0, "update"]


def test_settings_that_do_not_fit_are_refused() -> None:
    config = OnlineTrainerConfig(batch_size=1, num_train_iterations=1, eval_every=1)
    with pytest.raises(ConfigError, match="pass an eval_dataset"):
        OnlineTrainer(config, CountingAgent(), Optimizer(), dataset(1))
    empty = OnlineTrainer(
        OnlineTrainerConfig(batch_size=1, num_train_iterations=1, eval_before=False),
        CountingAgent(),
        Optimizer(),
        dataset(0),
    )
    with pytest.raises(ConfigError, match="has no tasks"):
        asyncio.run(empty.train())


# -- optimizers ------------------------------------------------------------------------------------


def story(text: str) -> Completion:
    return Completion("", finish="tool_calls", tool_calls=(ToolCall.from_name("print_story", story=text),))


def test_a_memory_agent_remembers_what_it_did() -> None:
    agent = MemoryAgent()
    optimizer = default_optimizer_factory(agent)
    assert isinstance(optimizer, MemoryOpt)
    config = OnlineTrainerConfig(batch_size=1, num_train_iterations=2, eval_before=False)
    engine = ScriptedEngine([story("first"), story("second")])
    with Session(engine=engine):
        asyncio.run(OnlineTrainer(config, agent, optimizer, EnvsTaskDataset([DummyEnv()])).train())
    memories = [*agent._memory_op.memory_model.memories.values()]
    assert [one.value for one in memories] == [1.0, 1.0]
    assert "first" in memories[0].output
    assert memories[0].metadata == {"timestep": 0, "done": True, "truncated": False}
    assert memories[0].query == "Write a 5 word story via print_story"
    assert "first" in engine.calls[1].messages[-1].text
    assert (optimizer.steps, optimizer.example_buffer) == (2, [])


def test_only_what_paid_off_is_remembered() -> None:
    class Stingy(DummyEnv):
        async def step(self, action: Message) -> Any:
            obs, _, done, truncated = await super().step(action)
            return obs, -1.0, done, truncated

    agent = MemoryAgent()
    optimizer = ChainedOptimizer(PositiveMemoryOpt.from_agent(agent))
    config = OnlineTrainerConfig(batch_size=2, num_train_iterations=1, eval_before=False)
    with Session(engine=ScriptedEngine([story("a"), story("b")])):
        asyncio.run(OnlineTrainer(config, agent, optimizer, EnvsTaskDataset([DummyEnv(), Stingy()])).train())
    assert [one.value for one in agent._memory_op.memory_model.memories.values()] == [1.0]


def test_ape_rewrites_the_prompt_of_an_agent_from_what_its_rollouts_earned() -> None:
    def answer(messages: Sequence[Message], options: GenerateOptions) -> str:
        if options.role != "optimizer":
            return "Thought: hm.\nAction: get_random_int\nAction Input:"
        asked = messages[-1].text
        opening = next(word for word in asked.split() if word.startswith("<NEW_"))
        return f"{opening}Tell a story with {{tools}} out of {{tool_names}}.{opening.replace('<', '</')}"

    agent = ReActAgent(single_prompt=True)
    optimizer = default_optimizer_factory(agent, "APEOpt", good_reward_threshold=0.5)
    assert isinstance(optimizer, APEOpt)
    config = OnlineTrainerConfig(batch_size=1, num_train_iterations=1, eval_before=False, max_rollout_steps=2)
    engine = ScriptedEngine(answer)
    with Session(engine=engine):
        asyncio.run(OnlineTrainer(config, agent, optimizer, EnvsTaskDataset([DummyEnv()])).train())
    (prompt,) = agent.parameters().values()
    assert prompt.value == "Tell a story with {tools} out of {tool_names}."
    assert "get_random_int" in engine.calls[-1].messages[-1].text


class Critic:
    """Says that the prompt should ask for cats."""

    async def criticise(self, request: CriticRequest) -> dict[str, Criticism]:
        return {one.name: Criticism("ask for cats") for one in request.inputs if one.wanted}


def test_what_a_critic_says_of_rollouts_changes_the_prompt() -> None:
    def answer(messages: Sequence[Message], options: GenerateOptions) -> str | Completion:
        if options.role != "optimizer":
            return story("dogs")
        asked = messages[-1].text
        assert "ask for cats" in asked
        opening = next(word for word in asked.split() if word.startswith("<NEW_"))
        return f"{opening}Write of cats.{opening.replace('<', '</')}"

    agent = SimpleAgent(sys_prompt="Write.")
    optimizer = default_optimizer_factory(agent)
    assert isinstance(optimizer, TextualOpt)
    config = OnlineTrainerConfig(batch_size=2, num_train_iterations=1, eval_before=False)
    with Session(engine=ScriptedEngine(answer), critic=Critic()):
        trainer = OnlineTrainer(config, agent, optimizer, EnvsTaskDataset([DummyEnv(), DummyEnv()]), loss=RolloutLoss())
        asyncio.run(trainer.train())
    assert [one.value for one in agent.parameters().values()] == ["Write of cats."]


def test_optimizers_of_records_take_rollouts_too() -> None:
    kept: list[Any] = []
    optimizer = MemoryOptimizer(kept.append)
    config = OnlineTrainerConfig(batch_size=1, num_train_iterations=1, eval_before=False)
    with Session(engine=ScriptedEngine([story("a")])):
        asyncio.run(OnlineTrainer(config, SimpleAgent(), optimizer, EnvsTaskDataset([DummyEnv()])).train())
    assert [(one.query, one.output, one.value) for one in kept] == [
        ("Write a 5 word story via print_story", "print_story(story='a')", 1.0)
    ]


def test_optimizers_that_do_not_suit_are_refused() -> None:
    with pytest.raises(ConfigError, match="has no memory"):
        default_optimizer_factory(SimpleAgent(), "MemoryOpt")
    with pytest.raises(ConfigError, match="no optimizer is called 'MemoryOp'; did you mean MemoryOpt"):
        default_optimizer_factory(MemoryAgent(), "MemoryOp")
    with pytest.raises(ConfigError, match="has no PromptOp"):
        default_optimizer_factory(SimpleAgent(), APEOpt)
    with pytest.raises(ConfigError, match="got no parameters"):
        default_optimizer_factory(SimpleAgent())


def test_settings_are_written_and_read() -> None:
    config = OnlineTrainerConfig(batch_size=1, num_train_iterations=2, timeout=3)
    assert OnlineTrainerConfig(**json.loads(config.model_dump_json())) == config
