"""The backward walk: order, numbers, words, what it costs, and what it refuses."""

from __future__ import annotations

import asyncio
import gc
import json
import random
import subprocess
import sys
import time
import weakref
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textgrad_agents.errors import CycleError, GradientStructureError
from textgrad_agents.ops import FxnOp, op
from textgrad_agents.variables import (
    Gradient,
    Variable,
    abackward,
    acompute_grads,
    compute_grads,
    no_grad,
    topological_order,
)


def leaf(value: Any = 1.0, name: str = "", **options: Any) -> Variable:
    return Variable(value, role_description="input", name=name, **options)


identity = FxnOp(lambda x: x, "identity")


@op
def pair(a: Any, b: Any) -> Any:
    return a


def product_backward(ctx, input_args, input_kwargs, grad_output, call_id):
    return [], {"a": grad_output * input_kwargs["b"], "b": grad_output * input_kwargs["a"]}


product = FxnOp(lambda a, b: a * b, "product", backward=product_backward)


def judge(text: str) -> FxnOp:
    """An op whose backward gives every input the same new words."""

    def backward(ctx, input_args, input_kwargs, grad_output, call_id):
        return [text] * len(input_args), dict.fromkeys(input_kwargs, text)

    return FxnOp(lambda *x: x[0] if x else None, f"judge {text}", backward=backward)


# -- numbers ---------------------------------------------------------------------------------------------------------


def test_the_product_rule_and_sums_over_uses() -> None:
    x, y = leaf(3.0, "x"), leaf(4.0, "y")
    result = product(product(x, y), x)  # x²y
    assert compute_grads(result, 1.0) == {"x": 24.0, "y": 9.0}
    assert x.grad == 24.0
    assert result.grad == 1.0


def test_numeric_gradients_equal_torch_on_random_polynomials() -> None:
    torch = pytest.importorskip("torch")
    for seed in range(20):
        rng = random.Random(seed)
        ours = [leaf(rng.uniform(0.5, 1.5), f"x{i}") for i in range(4)]
        theirs = [torch.tensor(x.value, dtype=torch.float64, requires_grad=True) for x in ours]
        values, twins = list(ours), list(theirs)
        for _ in range(12):
            i, j = rng.randrange(len(values)), rng.randrange(len(values))
            values.append(product(values[i], values[j]))
            twins.append(twins[i] * twins[j])
        compute_grads(values[-1], 1.0)
        twins[-1].backward()
        for x, twin in zip(ours, theirs, strict=True):
            assert (x.grad or 0.0) == pytest.approx(0.0 if twin.grad is None else twin.grad.item())


def test_none_stops_and_zero_goes_on() -> None:
    seen: list[Any] = []

    def note(ctx, input_args, input_kwargs, grad_output, call_id):
        seen.append(grad_output)
        return [], {"x": grad_output}

    watched = FxnOp(lambda x: x, "watched", backward=note)
    stop = FxnOp(lambda x: x, "stop", backward=lambda *_: ([], {"x": None}))
    assert compute_grads(stop(watched(leaf(name="x")))) == {}
    assert seen == []
    assert compute_grads(identity(watched(leaf(name="x")))) == {"x": 0.0}
    assert seen == [0.0]


def test_compute_grads_prints_something_useful_for_plain_arguments() -> None:
    op_a = FxnOp(lambda x: 2 * x)
    assert compute_grads(op_a(3)) == {"x": 0.0}


def test_leaves_of_one_name_are_told_apart() -> None:
    assert compute_grads(product(leaf(3.0), leaf(4.0)), 1.0) == {"input": 4.0, "input #2": 3.0}


def test_trees_of_numbers_are_summed_leaf_by_leaf() -> None:
    def backward(ctx, input_args, input_kwargs, grad_output, call_id):
        return [], {"config": {"temperature": 0.5, "weights": [1.0, 2.0]}}

    use = FxnOp(lambda config: config, "use", backward=backward)
    config = leaf({"temperature": 1.0, "weights": [0, 0]}, "config")
    assert compute_grads(pair(use(config), use(config)))["config"] == {"temperature": 1.0, "weights": [2.0, 4.0]}


def test_gradients_of_another_structure_are_refused() -> None:
    one = FxnOp(lambda x: x, "one", backward=lambda *_: ([], {"x": {"a": 1.0}}))
    other = FxnOp(lambda x: x, "other", backward=lambda *_: ([], {"x": {"b": 1.0}}))
    x = leaf({"a": 0, "b": 0}, "x")
    with pytest.raises(GradientStructureError, match=r"Mismatched gradient structures at x: \{a\} and \{b\}") as caught:
        compute_grads(pair(one(x), other(x)))
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (5, "must return"),
        (([], {}, {}), "must return"),
        (([1.0], {}), "1 positional gradients for 0"),
        (([], {"y": 1.0}), r"\['y'\] are not among \['x'\]"),
    ],
)
def test_a_backward_of_another_form_is_refused(returned: object, message: str) -> None:
    wrong = FxnOp(lambda x: x, "wrong", backward=lambda *_: returned)
    with pytest.raises(GradientStructureError, match=message) as caught:
        compute_grads(wrong(leaf()))
    assert "wrong" in str(caught.value)


def test_a_list_of_gradients_must_reach_every_value_in_the_argument() -> None:
    short = FxnOp(lambda items: items, "short", backward=lambda *_: ([], {"items": [1.0]}))
    with pytest.raises(GradientStructureError, match="short returned 1 gradients"):
        compute_grads(short([leaf(), leaf()]))


def test_gradients_follow_the_structure_of_the_argument() -> None:
    def backward(ctx, input_args, input_kwargs, grad_output, call_id):
        return ["rest"], {"tree": {"a": [None, "second"], "b": 2.0}}

    use = FxnOp(lambda tree, *rest: tree, "use", backward=backward)
    first, second, third, fourth, rest = (leaf(name=name) for name in "abcde")
    compute_grads(use({"a": [first, second], "b": third, "c": fourth}, rest))
    assert [one.gradient_text() for one in (first, second, third, fourth, rest)] == ["", "second", "", "", "rest"]
    assert [one.grad for one in (first, second, third, fourth, rest)] == [None, None, 2.0, None, None]


def test_replaced_backwards_are_found_by_name_then_class_name_then_class() -> None:
    x = leaf(2.0, "x")
    result = product(x, x)

    def constant(number: float) -> Any:
        return lambda ctx, args, kwargs, grad_output, call_id: (args, dict.fromkeys(kwargs, number))

    by_name = {"product": constant(1.0), "FxnOp": constant(2.0), FxnOp: constant(3.0)}
    for replaced, expected in [
        (by_name, 2.0),
        ({"FxnOp": constant(2.0), FxnOp: constant(3.0)}, 4.0),
        ({FxnOp: constant(3.0)}, 6.0),
        ({"other": constant(9.0)}, 4.0),
    ]:
        x.reset_gradients()
        assert compute_grads(result, 1.0, replaced)["x"] == expected


def test_every_call_keeps_its_own_gradients() -> None:
    x = leaf(3.0, "x")
    inner = product(x, 5.0)
    compute_grads(identity(inner), 2.0, {"identity": lambda ctx, a, k, g, c: ([], {"x": g})})
    assert inner.call is not None
    assert inner.call.get("grad_output") == 2.0
    assert inner.call.get("grad_input") == ([], {"a": 10.0, "b": 6.0})


# -- words -----------------------------------------------------------------------------------------------------------


def test_words_pass_straight_through_functions() -> None:
    x = leaf("draft")
    judge("too long")(identity(identity(x))).backward()
    assert [(g.text, g.origin) for g in x.gradients] == [("too long", "judge too long")]
    assert x.gradients[0].used_as == "output of judge too long"


def test_words_come_in_the_order_of_the_program() -> None:
    x = leaf("draft")
    losses = [judge(text)(x) for text in "abc"]
    pair(pair(losses[0], losses[1]), losses[2]).backward()
    assert [g.text for g in x.gradients] == ["a", "b", "c"]


def test_words_that_come_by_several_ways_count_once() -> None:
    x = leaf("draft")
    middle = identity(x)
    judge("too long")(pair(pair(middle, x), middle)).backward()
    assert [g.text for g in x.gradients] == ["too long"]


def test_equal_words_of_two_judges_count_twice() -> None:
    x = leaf("draft")
    pair(judge("same")(x), judge("same")(x)).backward()
    assert [g.text for g in x.gradients] == ["same", "same"]


def test_one_gradient_for_two_inputs_that_meet_again_counts_once() -> None:
    gradient = Gradient(text="once")
    both = FxnOp(lambda a, b: a, "both", backward=lambda *_: ([], {"a": gradient, "b": gradient}))
    x = leaf("draft")
    both(identity(x), identity(x)).backward()
    assert [g.text for g in x.gradients] == ["once"]


def test_several_gradients_for_one_input() -> None:
    several = (Gradient(text="a"), Gradient(text="b", weight=2.0), Gradient(number=0.5))
    x = leaf("draft")
    FxnOp(lambda x: x, "several", backward=lambda *_: ([], {"x": several}))(x).backward()
    assert [(g.text, g.weight) for g in x.gradients] == [("a", 1.0), ("b", 2.0)]
    assert x.grad == 0.5


def test_feedback_and_objective_as_a_backward_sees_them() -> None:
    seen: list[tuple[str, bool, list[str | None]]] = []

    def note(ctx, input_args, input_kwargs, grad_output, call_id):
        seen.append((ctx.call.op.name, ctx.is_objective, [g.text for g in ctx.feedback]))
        assert [path for path, _ in ctx.wanted] == [("x",)]
        return [], {"x": ctx.words}

    def watch(name: str) -> FxnOp:
        return FxnOp(lambda x, y: x, name, backward=note)

    x, fixed = leaf("draft"), leaf("data", requires_grad=False)
    watch("last")(judge("hm")(watch("first")(x, fixed)), fixed).backward()
    compute_grads(watch("alone")(x, fixed))
    assert seen == [("last", True, []), ("first", False, ["hm"]), ("alone", False, [])]
    assert fixed.gradients == ()


def test_the_objective_is_handed_on_by_functions_and_lists() -> None:
    objectives: list[str] = []

    def note(ctx, input_args, input_kwargs, grad_output, call_id):
        if ctx.is_objective:
            objectives.append(ctx.output.value)

    loss = FxnOp(lambda x: x, "loss", backward=note)
    x = leaf("a")
    joined = FxnOp(lambda losses: losses, "join")([loss(x), identity(loss(leaf("b")))])
    joined.backward()
    assert objectives == ["b", "a"]
    assert x.gradients == ()


def test_gradients_are_added_until_they_are_reset() -> None:
    x = leaf("draft")
    loss = judge("again")(x)
    loss.backward()
    loss.backward()
    assert len(x.gradients) == 2
    x.reset_gradients()
    assert (x.gradients, x.grad) == ((), None)


# -- where no gradient is wanted -------------------------------------------------------------------------------------


def test_nothing_runs_where_no_parameter_is_upstream() -> None:
    def never(*_: object) -> None:
        raise AssertionError("no backward is wanted here")

    quiet = FxnOp(lambda x: x, "quiet", backward=never)
    fixed, x = leaf("data", requires_grad=False), leaf("draft")
    quiet(fixed).backward()
    judge("hm")(pair(quiet(fixed), x)).backward()
    with no_grad():
        untracked = quiet(x)
    untracked.backward()
    pair(untracked, x).backward()
    assert fixed.grad is None
    assert x.gradient_text() == "hm"


def test_inputs_that_want_no_gradient_receive_none() -> None:
    fixed, x = leaf("data", requires_grad=False), leaf("draft")
    judge("hm")(fixed, x).backward()
    assert (fixed.gradients, fixed.grad) == ((), None)
    assert x.gradient_text() == "hm"


# -- errors ----------------------------------------------------------------------------------------------------------


def test_a_cycle_is_refused() -> None:
    x = leaf()
    result = identity(identity(x))
    x.call = result.call
    for walk in (compute_grads, Variable.backward, topological_order):
        with pytest.raises(CycleError, match="depends on itself"):
            walk(result)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_an_error_in_a_backward_names_the_op_and_leaves_no_half_written_gradients(asynchronous: bool) -> None:
    def broken(*_: object) -> None:
        raise KeyError("oops")

    async def broken_later(*_: object) -> None:
        await asyncio.sleep(0)
        broken()

    x = leaf("draft")
    first = FxnOp(lambda x: x, "broken", backward=broken_later if asynchronous else broken)(x)
    slow = later("slow", 0.01)(x)
    with pytest.raises(KeyError, match="oops") as caught:
        pair(pair(judge("kept back")(x), slow), first).backward()
    assert any(note.startswith("in the backward of broken, called at") for note in caught.value.__notes__)
    assert x.gradients == ()


def test_what_was_not_awaited_after_an_error_leaves_no_warning() -> None:
    def broken(*_: object) -> None:
        raise KeyError("oops")

    x = leaf("draft")
    with pytest.raises(KeyError):
        pair(FxnOp(lambda x: x, "broken", backward=broken)(x), later("a", 0.0)(x)).backward()
    gc.collect()


# -- concurrency -----------------------------------------------------------------------------------------------------


def later(text: str, latency: float, wait=asyncio.sleep) -> FxnOp:
    """As `judge`, after a while; handed-on feedback comes first."""

    async def backward(ctx, input_args, input_kwargs, grad_output, call_id):
        await wait(latency)
        grad = (*ctx.words, Gradient(text=text))
        return [grad] * len(input_args), dict.fromkeys(input_kwargs, grad)

    return FxnOp(lambda x, *rest: x, f"later {text}", backward=backward)


def test_what_is_ready_runs_concurrently_along_the_critical_path() -> None:
    all_there = asyncio.Barrier(16)

    async def together(_: float) -> None:
        await asyncio.wait_for(all_there.wait(), 60)

    x = leaf("draft")
    losses = [later(f"loss {i}", 0, together)(later(f"model {i}", 0, together)(x)) for i in range(16)]
    total = FxnOp(lambda losses: losses, "join")(losses)
    total.backward()  # 32 calls, 16 at once
    assert [g.text for g in x.gradients] == [f"{kind} {i}" for i in range(16) for kind in ("loss", "model")]


def test_a_slow_branch_does_not_hold_up_another() -> None:
    finished: list[str] = []

    def step(name: str, latency: float) -> FxnOp:
        async def backward(ctx, input_args, input_kwargs, grad_output, call_id):
            await asyncio.sleep(latency)
            finished.append(name)
            return [], {"x": ctx.words}

        return FxnOp(lambda x: x, name, backward=backward)

    quick = step("q1", 0.001)(step("q2", 0.001)(step("q3", 0.001)(leaf())))
    pair(step("slow", 0.1)(leaf()), quick).backward()
    assert finished == ["q1", "q2", "q3", "slow"]


def test_sync_and_async_walks_write_the_same() -> None:
    def gradients(run: Any) -> list[Gradient]:
        x = leaf("draft")
        run(pair(later("a", 0.002)(x), later("b", 0.0)(judge("c")(x))))
        return list(x.gradients)

    plain = gradients(Variable.backward)
    assert plain == gradients(lambda loss: asyncio.run(abackward(loss)))
    x = leaf(3.0, "x")
    assert asyncio.run(acompute_grads(product(x, x), 1.0)) == {"x": 6.0}


# -- random graphs ---------------------------------------------------------------------------------------------------


@st.composite
def dags(draw: st.DrawFn, largest: int = 120) -> list[list[int]]:
    """Inputs of each op call, as numbers of the values before it (0 to 2 are leaves)."""
    size = draw(st.integers(1, largest))
    return [draw(st.lists(st.integers(0, 2 + i), min_size=1, max_size=4)) for i in range(size)]


class Build:
    """A graph whose calls record their backward and hand on what came from below.

    Every `every`-th call gives each input words of its own besides.
    """

    def __init__(self, inputs: list[list[int]], latencies: list[float] | None = None, every: int = 1) -> None:
        self.ran: list[int] = []
        self.leaves = [leaf(i, f"leaf {i}") for i in range(3)]
        self.values = list(self.leaves)
        self.inputs = inputs
        self.every = every
        for number, places in enumerate(inputs):
            latency = latencies[number % len(latencies)] if latencies else None
            self.values.append(self.make(number, latency)([self.values[place] for place in places]))

    def make(self, number: int, latency: float | None) -> FxnOp:
        def grad(ctx, i: int) -> Any:
            said = (Gradient(text=f"{number}.{i}"),) if number % self.every == 0 else ()
            return (*ctx.words, *said, Gradient(number=1.0))

        def grads(ctx) -> Any:
            self.ran.append(number)
            return [], {"x": [grad(ctx, i) for i in range(len(self.inputs[number]))]}

        def backward(ctx, input_args, input_kwargs, grad_output, call_id):
            return grads(ctx)

        async def backward_later(ctx, input_args, input_kwargs, grad_output, call_id):
            await asyncio.sleep(latency or 0)
            return grads(ctx)

        return FxnOp(lambda x: number, f"op {number}", backward=backward if latency is None else backward_later)

    def expected(self) -> tuple[list[int], list[Counter[str]]]:
        """Calls below the last one, and the words that each leaf must receive; by sets, which double nothing."""
        words: list[set[str]] = [set() for _ in self.values]
        reached = {len(self.values) - 1}
        for place in range(len(self.values) - 1, 2, -1):
            number = place - 3
            if place in reached:
                for i, child in enumerate(self.inputs[number]):
                    words[child] |= words[place] | ({f"{number}.{i}"} if number % self.every == 0 else set())
                    reached.add(child)
        return sorted(place - 3 for place in reached if place > 2), [Counter(words[i]) for i in range(3)]

    def check(self) -> None:
        calls, words = self.expected()
        assert sorted(self.ran) == calls
        position = {number: index for index, number in enumerate(self.ran)}
        for number in calls:
            for child in self.inputs[number]:
                assert child < 3 or position[number] < position[child - 3]
        assert [Counter(g.text for g in one.gradients) for one in self.leaves] == words


@given(dags())
@settings(max_examples=60, deadline=None)
def test_each_backward_runs_once_after_its_consumers_and_all_words_arrive_once(inputs: list[list[int]]) -> None:
    build = Build(inputs)
    build.values[-1].backward()
    build.check()


@given(st.integers(300, 2000), st.integers(0, 2**32))
@settings(max_examples=8, deadline=None)
def test_the_same_on_graphs_of_up_to_two_thousand_calls(size: int, seed: int) -> None:
    rng = random.Random(seed)
    inputs = [[max(0, 2 + i - int(rng.expovariate(0.3))) for _ in range(rng.randint(1, 3))] for i in range(size)]
    build = Build(inputs, every=29)
    build.values[-1].backward()
    build.check()


@given(dags(40), st.lists(st.sampled_from([0.0, 0.0005, 0.001, 0.002]), min_size=5, max_size=11))
@settings(max_examples=25, deadline=None)
def test_what_is_written_does_not_depend_on_what_finishes_first(
    inputs: list[list[int]], latencies: list[float]
) -> None:
    plain, uneven = Build(inputs), Build(inputs, latencies)
    plain.values[-1].backward()
    uneven.values[-1].backward()
    uneven.check()
    assert [one.gradients for one in plain.leaves] == [one.gradients for one in uneven.leaves]
    assert [one.grad for one in plain.leaves] == [one.grad for one in uneven.leaves]


PROGRAM = """
from textgrad_agents.ops import FxnOp
from textgrad_agents.variables import Variable

def judge(text):
    return FxnOp(lambda *x: x[0], text, backward=lambda ctx, a, k, g, c: ([text + str(i) for i in range(len(a))], {}))

xs = [Variable(str(i), role_description=f"input {i}") for i in range(5)]
outs = [judge(f"op {i}")(*(xs[(i * j) % 5] for j in range(4))) for i in range(8)]
FxnOp(lambda outs: outs, "join")(outs).backward()
print([[(g.text, g.origin, g.used_as) for g in x.gradients] for x in xs])
"""


def test_order_does_not_depend_on_the_process() -> None:
    outputs = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(outputs) == 1
    assert "op 3" in outputs.pop()


# -- size ------------------------------------------------------------------------------------------------------------


def test_a_chain_of_a_hundred_thousand_calls() -> None:
    x = result = leaf("draft")
    for _ in range(100_000):
        result = identity(result)
    judge("deep")(result).backward()
    assert x.gradient_text() == "deep"
    assert len(topological_order(result)) == 100_001


def test_a_ladder_of_a_thousand_diamonds_takes_linear_time() -> None:
    def seconds(rungs: int) -> float:
        x = result = leaf("draft")
        for _ in range(rungs):
            result = pair(identity(result), identity(result))
        loss = judge("once")(result)
        start = time.process_time()
        loss.backward()
        elapsed = time.process_time() - start
        assert x.gradient_text() == "once"
        return elapsed

    short = min(seconds(100) for _ in range(3))
    assert min(seconds(1000) for _ in range(3)) < 30 * short + 0.02


def test_numbers_on_a_ladder_of_a_thousand_diamonds() -> None:
    x = result = leaf(1.0, "x")
    add = FxnOp(lambda a, b: a, "add", backward=lambda ctx, a, k, grad, c: ([], {"a": grad, "b": grad}))
    for _ in range(1000):
        result = add(result, result)
    assert compute_grads(result, 1.0) == {"x": 2.0**1000}
    assert x.grad == 2.0**1000


def test_nothing_stays_in_memory_after_the_result_is_dropped() -> None:
    class Text(str):
        """A text that can be referred to weakly."""

    texts: list[weakref.ref[Text]] = []

    def remember() -> Text:
        text = Text("x" * 1000)
        texts.append(weakref.ref(text))
        return text

    parameter = leaf("prompt")
    make = FxnOp(lambda x: remember(), "make")
    gc.disable()
    try:
        result = parameter
        for _ in range(500):
            result = pair(make(result), parameter)
        judge("hm")(result).backward()
        nodes = [weakref.ref(one) for one in topological_order(result)]
        del result
        assert sum(one() is not None for one in nodes) == 1  # the parameter, without the help of the collector
        assert sum(one() is not None for one in texts) == 0
    finally:
        gc.enable()
    assert parameter.gradient_text() == "hm"


def test_async_graphs_are_freed_too() -> None:
    async def work(x: Any) -> Any:
        await asyncio.sleep(0)
        return x

    parameter = leaf("prompt")
    result = FxnOp(work)(FxnOp(work)(parameter))
    later("hm", 0.0)(result).backward()
    nodes = [weakref.ref(one) for one in topological_order(result)]
    del result
    gc.collect()
    assert sum(one() is not None for one in nodes) == 1


def test_cost_of_a_call_and_of_its_backward() -> None:
    """About twice what it costs to write and read a small message as JSON; only a change of kind fails."""

    def cost(calls: int) -> tuple[float, float, float]:
        result = leaf("draft")
        start = time.process_time()
        for _ in range(calls):
            result = identity(result)
        middle = time.process_time()
        result.backward()
        end = time.process_time()
        for _ in range(calls):
            json.loads(json.dumps({"role": "user", "content": "draft"}))
        return middle - start, end - middle, time.process_time() - end

    forward, backward, message = (min(column) for column in zip(*(cost(5000) for _ in range(3)), strict=True))
    assert forward < 8 * message
    assert backward < 8 * message
