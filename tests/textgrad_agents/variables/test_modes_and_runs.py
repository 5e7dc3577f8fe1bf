"""Modes and runs: per context, nestable, shareable, as context managers and decorators."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from textgrad_agents.errors import GraphError
from textgrad_agents.ops import FxnOp, op
from textgrad_agents.session import Session
from textgrad_agents.variables import (
    Variable,
    compute_graph,
    eval_mode,
    get_call_id,
    get_run_id,
    is_recording,
    no_grad,
    op_call,
    running_call,
    train_mode,
)

identity = FxnOp(lambda x: x, "identity")


def leaf() -> Variable:
    return Variable("x", role_description="input")


def test_modes_nest() -> None:
    assert is_recording()
    with eval_mode():
        assert not is_recording()
        with train_mode():
            assert is_recording()
        with no_grad():
            assert not is_recording()
        assert not is_recording()
    assert is_recording()


def test_modes_as_decorators() -> None:
    @eval_mode()
    def plain(x: Variable) -> Variable:
        return identity(x)

    @no_grad()
    async def waiting(x: Variable) -> Variable:
        await asyncio.sleep(0)
        return identity(x)

    assert plain(leaf()).call is None
    assert asyncio.run(waiting(leaf())).call is None
    assert plain.__name__ == "plain"
    assert identity(leaf()).call is not None


def test_one_mode_entered_by_many_tasks_and_threads() -> None:
    mode = eval_mode()

    async def use(delay: float) -> tuple[bool, bool]:
        async with mode:
            await asyncio.sleep(delay)
            inside = is_recording()
        return inside, is_recording()

    async def program() -> list[tuple[bool, bool]]:
        return await asyncio.gather(*(use(0.001 * (3 * i % 5)) for i in range(10)))

    assert set(asyncio.run(program())) == {(False, True)}

    def in_thread(_: int) -> tuple[bool, bool]:
        with mode:
            inside = is_recording()
        return inside, is_recording()

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(in_thread, range(32))) == {(False, True)}


def test_a_mode_is_left_when_an_error_passes() -> None:
    def fail() -> None:
        with eval_mode():
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert is_recording()


def test_calls_of_a_run_are_numbered() -> None:
    with Session(), compute_graph():
        run = get_run_id()
        results = [identity(leaf()) for _ in range(3)]
        with compute_graph():
            assert get_run_id() == run
    ids = [result.call.call_id for result in results if result.call]
    assert [one.run_id for one in ids] == [run] * 3
    assert [one.fwd_id for one in ids] == [0, 1, 2]
    assert ids[0] == (run, 0)
    with pytest.raises(GraphError, match="no run is open"):
        get_run_id()


def test_runs_as_decorators_and_async() -> None:
    @compute_graph()
    async def episode() -> int:
        await asyncio.sleep(0)
        return get_run_id()

    @compute_graph()
    def plain() -> int:
        return get_run_id()

    async def program() -> list[int]:
        async with compute_graph():
            outer = get_run_id()
            assert await episode() == plain() == outer
        return list(await asyncio.gather(*(episode() for _ in range(5))))

    with Session():
        assert len(set(asyncio.run(program()))) == 5
        assert plain() != plain()


def test_results_of_another_run_are_refused() -> None:
    with Session():
        outside = identity(leaf())
        with compute_graph():
            first = identity(leaf())
            with pytest.raises(GraphError, match=r"identity got a result of run 0 inside run 1.*variable\.value"):
                identity(outside)
            identity(outside.value)
            with eval_mode():
                identity(outside)
        with compute_graph(), pytest.raises(GraphError, match="run 1 inside run 2"):
            identity([first])
        identity(first)


def test_a_forward_knows_its_call() -> None:
    @op
    def inner(x: str) -> tuple[int, int]:
        return get_call_id()

    @op
    def outer(x: str) -> tuple[tuple[int, int], tuple[int, int]]:
        before = get_call_id()
        inner(x)
        running_call().update("note", x)
        assert get_call_id() == before
        return before

    with compute_graph():
        result = outer("hi")
    assert result.call is not None
    assert result.value == result.call.call_id
    assert result.call.get("note") == "hi"
    assert result.call.get("other", 3) == 3
    assert repr(result.call).startswith("OpCall(outer, ")


def test_code_that_is_no_op_has_an_identity_inside_op_call() -> None:
    @op_call()
    async def identified() -> tuple[int, int]:
        await asyncio.sleep(0)
        with op_call():
            return get_call_id()

    async def run() -> list[tuple[int, int]]:
        async with compute_graph():
            return await asyncio.gather(*(identified() for _ in range(10)))

    assert len(set(asyncio.run(run()))) == 10
    with pytest.raises(GraphError, match="not inside compute graph context"):
        asyncio.run(identified())
    with pytest.raises(GraphError, match="no op is running here"):
        get_call_id()


def test_inside_an_op_the_identity_is_that_of_its_call() -> None:
    def told(x: int) -> tuple[tuple[int, int], tuple[int, int]]:
        with op_call():
            return get_call_id(), running_call().call_id

    with compute_graph(), op_call():
        outer = get_call_id()
        first, second = FxnOp(told)(1).value
        assert get_call_id() == outer
    assert first == second != outer
    assert len(set(FxnOp(told)(1).value)) == 1  # also where no run is open
