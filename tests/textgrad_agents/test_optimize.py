"""`optimize` on a world whose true quality is a formula, and its promises about budget, gate, cache and errors."""

from __future__ import annotations

import asyncio
import json
import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from textgrad_agents.engines.scripted import ScriptedEngine
from textgrad_agents.errors import ConfigError, EngineAccessError, EngineError, EngineReplyError
from textgrad_agents.interfaces import GenerateOptions
from textgrad_agents.messages import Message, system, user
from textgrad_agents.ops.base import Grads, Op
from textgrad_agents.ops.llm import LLMCall
from textgrad_agents.optim import TGD, Optimizer, Outcome, Proposal
from textgrad_agents.optimize import Feedback, OptimizeResult, Round, aoptimize, contains, exact, optimize
from textgrad_agents.optimize.metrics import as_feedback
from textgrad_agents.seeds import derive_seed
from textgrad_agents.session import Session, count_calls, current_session
from textgrad_agents.variables.gradient import Gradient
from textgrad_agents.variables.variable import Variable

TOPICS = ["birds", "clocks", "drums", "eels", "ferns", "gates", "hills", "inks"]
SEED_PROMPT = "Answer the question."


def rule(topic: str) -> str:
    return f"For {topic}, count them twice."


def poison(topic: str) -> str:
    return f"For {topic}, guess."


def chance(prompt: str, topic: str) -> float:
    """Probability of a right answer: known to the tests, never to the optimizer."""
    if poison(topic) in prompt:
        return 0.02
    return 0.95 if rule(topic) in prompt else 0.2


def quality(prompt: str) -> float:
    return sum(chance(prompt, topic) for topic in TOPICS) / len(TOPICS)


def draw(*place: str | int) -> float:
    return random.Random(derive_seed(*place)).random()


def questions(kind: str, number: int) -> list[dict[str, str]]:
    return [
        {
            "question": f"{kind} question {place} about {TOPICS[place % len(TOPICS)]}",
            "topic": TOPICS[place % len(TOPICS)],
        }
        for place in range(number)
    ]


class World:
    """Actor and optimizer of the toy world behind one engine; every draw is a hash of the request."""

    def __init__(self, seed: int, write: Callable[[dict[str, Any], int], str]) -> None:
        self.seed = seed
        self.roles: Counter[str] = Counter()
        self.engine = ScriptedEngine(self.answer)
        self._write = write

    def answer(self, messages: Sequence[Message], options: GenerateOptions) -> str:
        self.roles[options.role] += 1
        if options.role == "optimizer":
            [block] = re.findall(r"^```json\n(.*?)\n```$", messages[1].text, re.MULTILINE | re.DOTALL)
            [(opening, closing)] = re.findall(
                r"between (<NEW_\w+>) and (</NEW_\w+>)\.$", messages[-1].text, re.MULTILINE
            )
            return f"{opening}\n{self._write(json.loads(block), options.seed or 0)}\n{closing}"
        prompt, question = messages[0].text, messages[1].text
        topic = question.rsplit(" ", 1)[1]
        return "right" if draw(self.seed, prompt, question) < chance(prompt, topic) else "wrong"


def learner(data: dict[str, Any], seed: int) -> str:
    """Adds the rules that the feedback names."""
    lines = data["value"].split("\n")
    for item in data["feedback"]:
        wanted = re.search(r"For \w+, count them twice\.", item["text"])
        if wanted and wanted.group() not in lines:
            lines.append(wanted.group())
    return "\n".join(lines)


def metric(output: str, example: dict[str, str]) -> Feedback:
    if output == "right":
        return Feedback(1.0)
    return Feedback(0.0, f"The answer is wrong. {rule(example['topic'])}")


async def ask(prompt: str, question: str) -> str:
    session = current_session()
    options = GenerateOptions(role="actor")
    return (await session.ask(session.engine("actor"), [system(prompt), user(question)], options)).text


class Answer(Op):
    """The model under a trainable prompt; its backward hands feedback to the prompt."""

    portable = True

    def __init__(self, prompt: Variable[str]) -> None:
        self._prompt = prompt

    def parameters(self) -> dict[str, Variable[str]]:
        return {"prompt": self._prompt}

    async def forward(self, question: str) -> str:
        return await ask(self._prompt.value, question)

    def backward(self, ctx: Any, input_args: Any, input_kwargs: Any, grad_output: Any, call_id: Any) -> Grads:
        return [], {"prompt": tuple(Gradient(one.text) for one in ctx.feedback)}


def prompt_variable(text: str = SEED_PROMPT) -> Variable[str]:
    return Variable(text, role_description="system prompt", name="prompt")


def plain_program(prompt: Variable[str]) -> Callable[[dict[str, str]], Any]:
    async def program(example: dict[str, str]) -> str:
        return await ask(prompt.value, example["question"])

    return program


def run(world: World, prompt: Variable[str], program: Callable[[Any], Any], **settings: Any) -> OptimizeResult:
    chosen = {"engine": world.engine, "budget": 600, "seed": world.seed, **settings}
    return optimize(program, questions("train", 24), questions("val", 40), metric, **chosen)


# -- it learns, and the gate holds ----------------------------------------------------------------------------------


def test_it_finds_the_planted_rules() -> None:
    found: list[float] = []
    for seed in range(10):
        world, prompt = World(seed, learner), prompt_variable()
        result = run(world, prompt, plain_program(prompt), parameters=[prompt])
        assert result.calls == sum(world.roles.values()) <= 600
        assert result.values == {"prompt": prompt.value}
        assert result.initial == {"prompt": SEED_PROMPT}
        assert result.accepted >= 1
        found.append(quality(prompt.value))
    assert quality(SEED_PROMPT) == pytest.approx(0.2)
    assert min(found) > 0.6
    assert sum(found) / len(found) > 0.85


@pytest.mark.parametrize("gate", ["sequential", "mean"])
def test_a_planted_worse_prompt_is_never_accepted(gate: str) -> None:
    """Every second proposal poisons what was learned; over 12 seeds none of them gets through."""
    poisoned = accepted = 0
    for seed in range(12):

        def write(data: dict[str, Any], call: int) -> str:
            better = learner(data, call)
            return better + "".join(f"\n{poison(topic)}" for topic in TOPICS) if call % 2 else better

        world, prompt = World(seed, write), prompt_variable()
        result = run(world, prompt, plain_program(prompt), parameters=[prompt], gate=gate, budget=400)
        for done in result.rounds:
            bad = any(poison("birds") in change.text for change in done.changes)
            poisoned += bad
            accepted += bad and done.decision == "accepted"
        assert quality(prompt.value) >= quality(SEED_PROMPT)
    assert poisoned > 50
    assert accepted == 0


def test_without_the_gate_a_worse_prompt_is_taken() -> None:
    world, prompt = World(0, lambda data, call: poison("birds")), prompt_variable()
    run(world, prompt, plain_program(prompt), parameters=[prompt], gate="none", budget=30)
    assert prompt.value == poison("birds")


def test_proposals_that_change_nothing_true_are_accepted_as_rarely_as_alpha_says() -> None:
    """Paraphrases have the same quality, so each acceptance is an error: at most 5 % of them, by Ville's inequality."""
    tried = wrong = 0
    for seed in range(25):
        world = World(seed, lambda data, call: f"Answer the question, variant {call}.")
        prompt = prompt_variable()
        result = run(world, prompt, plain_program(prompt), parameters=[prompt], budget=400)
        tried += sum(bool(done.changes) for done in result.rounds)
        wrong += result.accepted
    assert tried > 300
    assert wrong / tried <= 0.05


# -- gradients and parameters ---------------------------------------------------------------------------------------


def test_feedback_flows_through_the_graph_to_the_parameter_that_caused_it() -> None:
    world, prompt, other = World(1, learner), prompt_variable(), prompt_variable("Unused.")
    model = Answer(prompt)
    result = run(world, prompt, lambda example: model(example["question"]), parameters=[prompt, other], budget=300)
    assert quality(prompt.value) > 0.8
    assert other.value == "Unused."
    assert result.values == {"prompt": prompt.value, "prompt 2": "Unused."}
    assert all(done.changes[1].outcome == Outcome.NO_GRADIENT for done in result.rounds if done.changes)


def test_parameters_are_found_by_running_the_program() -> None:
    world, prompt = World(1, learner), prompt_variable()
    model = Answer(prompt)

    def program(example: dict[str, str]) -> Variable[Any]:
        return model(Variable(example["question"], role_description="question"))  # an input, though it needs a gradient

    result = run(world, prompt, program, budget=300)
    assert list(result.values) == ["prompt"]
    assert quality(prompt.value) > 0.8


def test_parameters_of_an_op_are_those_it_names() -> None:
    world, prompt = World(1, learner), prompt_variable()

    class Asked(Answer):
        async def forward(self, example: dict[str, str]) -> str:
            return await super().forward(example["question"])

    assert list(run(world, prompt, Asked(prompt), budget=40).values) == ["prompt"]


def test_a_program_without_parameters_says_so() -> None:
    with pytest.raises(ConfigError, match=r"pass parameters=\[…\]"):
        optimize(str.upper, ["a", "b"], ["c"], lambda output, example: 1.0, gate="mean")


def test_a_sync_program_may_wait_for_values_and_runs_concurrently() -> None:
    world, prompt = World(1, learner), prompt_variable()
    world.engine.latency = 0.02
    model = Answer(prompt)
    lock = threading.Lock()
    under_way = most = 0

    def program(example: dict[str, str]) -> str:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        answer = model(example["question"]).value.strip()
        with lock:
            under_way -= 1
        return answer

    run(world, prompt, program, parameters=[prompt], budget=120, concurrency=8)
    assert 4 < most <= 8


def test_concurrency_is_kept() -> None:
    world, prompt = World(1, learner), prompt_variable()
    under_way = most = 0

    async def program(example: dict[str, str]) -> str:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.001)
        answer = await ask(prompt.value, example["question"])
        under_way -= 1
        return answer

    run(world, prompt, program, parameters=[prompt], budget=80, concurrency=3)
    assert most == 3


def test_it_works_inside_a_running_loop() -> None:
    async def main() -> tuple[OptimizeResult, OptimizeResult]:
        world, prompt = World(1, learner), prompt_variable()
        sets = questions("train", 24), questions("val", 40), metric
        with Session(world.engine):
            sync = optimize(plain_program(prompt), *sets, parameters=[prompt], budget=100)
            prompt.value = SEED_PROMPT
            return sync, await aoptimize(plain_program(prompt), *sets, parameters=[prompt], budget=100)

    sync, other = asyncio.run(main())
    assert sync == other


def test_an_optimizer_of_ones_own() -> None:
    class Fixed(Optimizer):
        async def propose(self) -> tuple[Proposal, ...]:
            (one,) = self.parameters
            return (Proposal(one, one.value, "\n".join(map(rule, TOPICS)), Outcome.PROPOSED),)

    world, prompt = World(1, learner), prompt_variable()
    result = run(world, prompt, plain_program(prompt), optimizer=Fixed([prompt]), budget=100)
    assert quality(prompt.value) == pytest.approx(0.95)
    assert world.roles["optimizer"] == 0
    assert result.rounds[0].decision == "accepted"


def test_failed_proposals_reach_the_optimizer() -> None:
    poisons = " ".join(map(poison, TOPICS))
    histories: list[list[dict[str, str]]] = []

    def write(data: dict[str, Any], call: int) -> str:
        histories.append(data["history"])
        return f"{poisons} {len(histories)}"

    world, prompt = World(1, write), prompt_variable()
    run(world, prompt, plain_program(prompt), parameters=[prompt], budget=400)
    assert [entry["proposal"] for entry in histories[2]] == [f"{poisons} 1", f"{poisons} 2"]
    assert all(entry["outcome"].startswith("not taken: ") for entry in histories[2])


# -- budget, cache, record ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("budget", [1, 2, 7, 50, 51, 120])
def test_the_budget_is_never_exceeded(budget: int) -> None:
    world, prompt = World(3, learner), prompt_variable()
    world.engine.latency = 0.001
    result = run(world, prompt, plain_program(prompt), parameters=[prompt], budget=budget)
    assert result.calls == sum(world.roles.values()) == budget
    assert result.stopped == f"the budget of {budget} calls is spent"


def test_runs_without_engine_calls_count_too() -> None:
    prompt = prompt_variable("0")
    seen: list[str] = []

    def program(example: int) -> str:
        seen.append(prompt.value)
        return prompt.value

    engine = World(0, lambda data, call: str(int(data["value"]) + 1)).engine
    result = optimize(
        program, range(10), range(100, 120), lambda output, example: 0.0, parameters=[prompt], engine=engine, budget=40
    )
    assert 40 <= result.calls <= 48
    assert len(seen) <= result.calls


def test_no_example_is_scored_twice_with_the_same_values() -> None:
    world, prompt = World(5, learner), prompt_variable()
    asked: Counter[tuple[str, str]] = Counter()

    async def program(example: dict[str, str]) -> str:
        asked[prompt.value, example["question"]] += 1
        return await ask(prompt.value, example["question"])

    run(world, prompt, program, parameters=[prompt], budget=300)
    recorded_first = 4  # the first minibatch tells that the program stands in no graph
    assert sum(count - 1 for count in asked.values()) <= recorded_first


def test_it_stops_when_nothing_is_left_to_improve() -> None:
    world, prompt = World(0, learner), prompt_variable("\n".join(map(rule, TOPICS)))
    always = {"question": "about birds", "topic": "birds"}
    result = optimize(
        plain_program(prompt),
        [always] * 6,
        [always] * 8,
        lambda output, example: 1,
        parameters=[prompt],
        engine=world.engine,
    )
    assert result.stopped == "every training example is perfect"
    assert world.roles["optimizer"] == 0
    assert (result.score.mean, result.score.examples) == (1.0, 8)


def test_it_stops_when_nothing_new_is_proposed() -> None:
    class Stubborn(Optimizer):
        async def propose(self) -> tuple[Proposal, ...]:
            (one,) = self.parameters
            return (Proposal(one, one.value, "\n".join(map(rule, TOPICS)), Outcome.PROPOSED),)

    world, prompt = World(1, learner), prompt_variable()
    result = run(world, prompt, plain_program(prompt), optimizer=Stubborn([prompt]), budget=5000)
    assert result.stopped == "nothing new was proposed for any training example"
    assert result.score.examples == result.initial_score.examples == 40


def test_a_run_that_failed_is_tried_again() -> None:
    world, prompt = World(1, learner), prompt_variable()
    tries: Counter[tuple[str, str]] = Counter()

    async def program(example: dict[str, str]) -> str:
        tries[prompt.value, example["question"]] += 1
        if tries[prompt.value, example["question"]] == 1 and "val" in example["question"]:
            raise EngineReplyError("the reply is empty")
        return await ask(prompt.value, example["question"])

    run(world, prompt, program, parameters=[prompt], budget=400)
    assert max(tries.values()) > 1


def test_feedback_with_half_a_character_can_be_saved(tmp_path: Path) -> None:
    prompt = prompt_variable()
    engine = ScriptedEngine(World(1, learner).answer)
    sets = questions("train", 8), questions("val", 8)
    result = optimize(
        plain_program(prompt), *sets, lambda *_: (0, "half \ud83d"), parameters=[prompt], engine=engine, budget=20
    )
    result.save(tmp_path / "result.json")
    assert json.loads((tmp_path / "result.json").read_text())["rounds"][0]["changes"][0]["feedback"][0] == "half ?"


def test_the_same_seed_gives_the_same_result() -> None:
    def once(seed: int) -> OptimizeResult:
        world, prompt = World(4, learner), prompt_variable()
        return run(world, prompt, plain_program(prompt), parameters=[prompt], seed=seed, budget=200)

    assert once(1) == once(1)
    assert once(1).rounds[0].examples != once(2).rounds[0].examples


def test_the_result_is_saved_with_its_lineage(tmp_path: Path) -> None:
    world, prompt = World(2, learner), prompt_variable()
    told: list[Round] = []
    result = run(world, prompt, plain_program(prompt), parameters=[prompt], progress=told.append)
    assert tuple(told) == result.rounds
    result.save(tmp_path / "out" / "best.json")
    saved = json.loads((tmp_path / "out" / "best.json").read_text())
    assert saved["schema_version"] == 1
    assert saved["values"] == {"prompt": prompt.value}
    assert saved["score"]["mean"] > saved["initial_score"]["mean"]
    versions = {saved["rounds"][0]["parent"]}
    for done in saved["rounds"]:
        assert done["parent"] in versions
        if done["decision"] in ("accepted", "draft"):
            versions.add(done["version"])
        for change in done["changes"]:
            assert change["model"] == "scripted"
            assert change["feedback"]
    calls = [done["calls"] for done in saved["rounds"]]
    assert calls == sorted(calls)


def test_accuracies_are_scored_on_validation_examples() -> None:
    """The mean that is reported is the mean of what the program really scored there."""
    world, prompt = World(6, learner), prompt_variable()
    result = run(world, prompt, plain_program(prompt), parameters=[prompt], gate="mean")
    val = questions("val", 40)
    right = [draw(6, prompt.value, one["question"]) < chance(prompt.value, one["topic"]) for one in val]
    assert result.score.examples == 40
    assert result.score.mean == pytest.approx(sum(right) / 40)


# -- errors ---------------------------------------------------------------------------------------------------------


def test_a_program_error_comes_through_with_the_example_and_the_values_are_restored() -> None:
    world, prompt = World(1, learner), prompt_variable()

    async def program(example: dict[str, str]) -> str:
        if prompt.value != SEED_PROMPT:
            raise ZeroDivisionError("a bug in the program")
        return "wrong"

    with pytest.raises(ZeroDivisionError, match="a bug") as caught:
        run(world, prompt, program, parameters=[prompt])
    assert any(re.fullmatch(r"in train example \d+", note) for note in caught.value.__notes__)
    assert prompt.value == SEED_PROMPT


@pytest.mark.parametrize("returned", ["good", None, float("nan"), (1, 2, 3), {"score": 1}])
def test_a_metric_that_returns_no_number_is_refused(returned: Any) -> None:
    prompt = prompt_variable()
    with pytest.raises(ConfigError, match="a metric must return a finite number"):
        run(
            World(1, learner), prompt, lambda example: "x", parameters=[prompt], metric=None
        ) if returned == 0 else optimize(
            lambda example: "x", [1, 2], [3], lambda output, example: returned, parameters=[prompt], gate="mean"
        )


def test_an_example_that_gets_no_reply_is_left_out() -> None:
    world, prompt = World(1, learner), prompt_variable()

    async def program(example: dict[str, str]) -> str:
        if "birds" in example["question"]:
            raise EngineReplyError("the reply is empty")
        return await ask(prompt.value, example["question"])

    result = run(world, prompt, program, parameters=[prompt], budget=300)
    assert rule("birds") not in prompt.value
    assert rule("clocks") in prompt.value
    assert result.score.examples < 40


def test_engines_that_serve_nobody_end_the_work() -> None:
    prompt = prompt_variable()
    away = ScriptedEngine(lambda messages, options: EngineAccessError("no key"))
    with pytest.raises(EngineAccessError, match="no key"):
        optimize(plain_program(prompt), questions("t", 8), questions("v", 8), metric, parameters=[prompt], engine=away)
    down = ScriptedEngine(lambda messages, options: EngineError("the server is down"))
    with pytest.raises(EngineError, match="failed on all 4 examples, first with: the server is down"):
        optimize(plain_program(prompt), questions("t", 8), questions("v", 8), metric, parameters=[prompt], engine=down)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"gate": "t-test"}, "gate must be one of sequential, mean, none"),
        ({"budget": 0}, "budget must be at least 1, got 0"),
        ({"minibatch": 0}, "minibatch must be at least 1"),
        ({"concurrency": 0}, "concurrency must be at least 1"),
        ({"alpha": 2.0}, "alpha"),
        ({"alpha": 1e-30}, "can accept nothing at alpha 1e-30"),
        ({"optimizer": TGD([prompt_variable()])}, "either parameters or an optimizer"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], says: str) -> None:
    prompt = prompt_variable()
    with pytest.raises(ConfigError, match=says):
        run(World(0, learner), prompt, plain_program(prompt), parameters=[prompt], **settings)


@pytest.mark.parametrize(
    ("train", "val", "gate", "says"),
    [
        ([], [1], "mean", "no training examples"),
        ([1], [], "mean", "no validation examples"),
        ([1], [1], "sequential", "with 1 validation examples the sequential gate can accept nothing"),
    ],
)
def test_too_few_examples_are_refused(train: list[int], val: list[int], gate: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        optimize(str, train, val, lambda output, example: 1.0, parameters=[prompt_variable()], gate=gate)


# -- metrics --------------------------------------------------------------------------------------------------------


def test_exact_and_contains() -> None:
    assert exact()(" 4\n", {"answer": 4}).score == 1
    assert as_feedback(np.bool_(True)) == as_feedback(np.float32(1)) == as_feedback((1, "")) == Feedback(1.0)
    assert exact("y")("the 4", {"y": "4"}) == Feedback(0.0, "The output must be exactly '4', it was 'the 4'.")
    assert contains()("it is 4!", {"answer": "4"}).score == 1
    assert contains("y")("5", {"y": "4"}) == Feedback(0.0, "The output must contain '4', it was '5'.")
    with pytest.raises(ConfigError, match="no field 'answer'; it has"):
        exact()("4", {"reply": "4"})


def test_a_metric_may_be_async_and_return_a_pair() -> None:
    feedback: list[str] = []

    async def judged(output: str, example: dict[str, str]) -> tuple[bool, str]:
        await asyncio.sleep(0)
        return output == "right", f"look again. {rule(example['topic'])}"

    def write(data: dict[str, Any], call: int) -> str:
        feedback.extend(item["text"] for item in data["feedback"])
        return learner(data, call)

    world, prompt = World(1, write), prompt_variable()
    sets = questions("train", 24), questions("val", 40)
    optimize(plain_program(prompt), *sets, judged, parameters=[prompt], engine=world.engine, budget=60)
    assert feedback
    assert all(text.startswith("look again. For ") for text in feedback)


def test_a_number_alone_becomes_words() -> None:
    feedback: list[str] = []

    def write(data: dict[str, Any], call: int) -> str:
        feedback.extend(item["text"] for item in data["feedback"])
        return "x"

    world, prompt = World(1, write), prompt_variable()
    sets = questions("train", 24), questions("val", 40)
    optimize(
        plain_program(prompt), *sets, lambda output, example: 0.25, parameters=[prompt], engine=world.engine, budget=20
    )
    assert set(feedback) == {"The output scored 0.25; 1 is perfect."}


# -- counting calls -------------------------------------------------------------------------------------------------


def test_calls_are_counted_across_tasks_and_threads_and_refused_beyond_the_limit() -> None:
    engine = ScriptedEngine(lambda messages, options: "reply")
    model = Answer(prompt_variable())
    with Session(engine), count_calls() as outer:
        with count_calls(limit=3) as inner:
            results = [model(f"q {number}") for number in range(3)]
            assert [one.value for one in results] == ["reply"] * 3
            with pytest.raises(EngineAccessError, match="the budget of 3 engine calls is spent"):
                _ = model("one more").value
        assert model("outside").value == "reply"
    assert (inner.made, inner.left, inner.refused) == (3, 0, True)
    assert (outer.refused, len(engine.calls)) == (False, 4)


def test_a_model_call_of_the_library_gets_its_gradient_from_a_critic() -> None:
    """LLMCall as the program: metric -> critic -> prompt -> optimizer, and one critic call per imperfect example."""
    world, prompt = World(2, learner), prompt_variable()

    def answer(messages: Sequence[Message], options: GenerateOptions) -> str:
        if options.role != "critic":
            return world.answer(messages, options)
        world.roles["critic"] += 1
        [block] = re.findall(r"^```json\n(.*?)\n```$", messages[1].text, re.MULTILINE | re.DOTALL)
        [wanted] = re.findall(r"For \w+, count them twice\.", json.dumps(json.loads(block)["feedback"]))
        opening, closing = re.findall(r"</?GRADIENTS_\w+>", messages[1].text)[-2:]
        return opening + json.dumps({"system_prompt": f"Tell it: {wanted}"}) + closing

    world.engine = ScriptedEngine(answer)
    model = LLMCall(system_prompt=prompt)
    result = run(world, prompt, lambda example: model(example["question"]), budget=400)
    assert quality(prompt.value) > 0.6
    assert world.roles["critic"] > 0
    assert result.rounds[0].changes[0].feedback[0].startswith("Tell it: For ")
