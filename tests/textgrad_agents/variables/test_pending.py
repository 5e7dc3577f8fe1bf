"""Values under way: concurrency of plain programs, errors, cancellation, loops."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import traceback
from contextvars import ContextVar

import pytest

from textgrad_agents.errors import GraphError, PortalError
from textgrad_agents.ops import FxnOp, op
from textgrad_agents.session import Session, current_session
from textgrad_agents.variables import Variable, abackward, eval_mode, get_call_id
from textgrad_agents.variables.pending import Pending, stopping_what_is_begun

topic: ContextVar[str] = ContextVar("topic", default="none")


@pytest.fixture(autouse=True)
def session():
    with Session() as session:
        yield session


@op
async def slow(x: float) -> float:
    await asyncio.sleep(0.03)
    return x + 1


@op
def double(x: float) -> float:
    return 2 * x


@op
async def fail(x: float) -> float:
    await asyncio.sleep(0)
    raise ZeroDivisionError(f"no {x}")


class Portable(FxnOp):
    portable = True


def leaf(value: object = 1) -> Variable:
    return Variable(value, role_description="input")


def test_a_plain_loop_runs_its_calls_concurrently() -> None:
    all_there = asyncio.Barrier(20)

    @op
    async def together(x: float) -> float:
        await asyncio.wait_for(all_there.wait(), 60)
        return x + 1

    losses = [double(together(together(leaf(i)))) for i in range(20)]
    assert [loss.value for loss in losses] == [2 * (i + 2) for i in range(20)]


def test_pending_until_read() -> None:
    result = slow(leaf())
    assert result.is_pending
    assert "pending" in repr(result)
    assert result.value == 2
    assert not result.is_pending
    assert "Variable(2," in repr(result)


def test_a_sync_op_on_pending_inputs_waits_on_their_behalf() -> None:
    first = slow(leaf())
    second = double(first)
    assert second.is_pending
    assert second.value == 4
    assert second.call is not None
    assert second.call.input_kwargs == {"x": 2}


def test_async_programs_await_variables() -> None:
    async def program() -> float:
        result = double(await slow(leaf()))
        assert (await result) is result
        return (await slow(result)).value

    assert asyncio.run(program()) == 5


def test_reading_what_the_running_loop_computes_is_an_error_with_the_way_out() -> None:
    async def program() -> None:
        result = slow(leaf())
        with pytest.raises(PortalError, match="await variable"):
            _ = result.value
        assert (await result).value == 2

    asyncio.run(program())


def test_reading_on_the_portal_thread_is_an_error_not_a_deadlock() -> None:
    @op
    async def outer(x: float) -> float:
        inner = Portable(fail._fxn)(x) if x < 0 else Portable(slow._fxn)(x)
        return inner.value

    with pytest.raises(PortalError, match="await variable"):
        _ = outer(leaf()).value


def test_plain_code_whose_inputs_were_pending_may_read_others_and_call_ops() -> None:
    @op
    def peek(x: float) -> float:
        return other.value + double(slow(x)).value

    other = slow(slow(slow(leaf(10))))
    assert peek(slow(leaf())).value == 13 + 6


def test_plain_code_that_takes_long_holds_up_no_call() -> None:
    """One plain function ends when an async call on the portal has, and that begins after it."""
    begun, done = threading.Event(), threading.Event()

    @op
    def long(x: float) -> float:
        begun.set()
        assert done.wait(60)
        return x

    @op
    async def call(x: float) -> float:
        await asyncio.sleep(0)
        done.set()
        return x

    result = long(slow(leaf()))
    assert begun.wait(60)
    assert call(leaf(5)).value == 5
    assert result.value == 2


def test_plain_functions_run_one_at_a_time_and_let_others_run_while_they_wait() -> None:
    running = most = 0

    @op
    def plain(x: float) -> float:
        nonlocal running, most
        running += 1
        most = max(most, running)
        time.sleep(0.001)
        running -= 1
        return x

    @op
    def waits(x: float) -> float:
        return plain(slow(x)).value + plain(slow(x)).value

    results = [waits(slow(leaf(i))) for i in range(12)]
    assert [result.value for result in results] == [2 * (i + 2) for i in range(12)]
    assert most == 1


def test_what_the_caller_does_to_a_list_afterwards_changes_no_call() -> None:
    @op
    async def count(items: list[float], table: dict[str, list[int]]) -> tuple[int, int]:
        await asyncio.sleep(0)
        return len(items), len(table["row"])

    items: list[object] = [1, slow(leaf())]
    table = {"row": [1, 2]}
    waiting = count(items, table)
    items.append(waiting)
    table["row"].append(3)
    plain: list[object] = [1]
    at_once = count(plain, table)
    plain.append(2)
    assert waiting.value == (2, 2)
    assert at_once.value == (1, 3)
    assert waiting.call is not None
    assert waiting.call.input_kwargs == {"items": [1, 2], "table": {"row": [1, 2]}}


def test_portable_ops_are_read_synchronously_inside_a_running_loop() -> None:
    """The situation of a notebook: a loop runs, and the cell is plain code."""

    async def cell() -> list[float]:
        results = [Portable(slow._fxn)(leaf(i)) for i in range(3)]
        return [result.value for result in results]

    assert asyncio.run(cell()) == [1, 2, 3]


def test_a_portable_op_with_inputs_of_the_running_loop_runs_there() -> None:
    async def cell() -> float:
        result = Portable(slow._fxn)(slow(leaf()))
        with pytest.raises(PortalError, match="await variable"):
            _ = result.value
        return (await result).value

    assert asyncio.run(cell()) == 3


def test_sync_backward_inside_a_running_loop() -> None:
    async def grade(ctx, input_args, input_kwargs, grad_output, call_id):
        await asyncio.sleep(0)
        return [], {"x": "better"}

    async def cell() -> str:
        x = leaf()
        loss = FxnOp(lambda x: x, "loss", backward=grade)(x)
        loss.backward()
        return x.gradient_text()

    assert asyncio.run(cell()) == "better"


def test_backward_of_a_pending_loss() -> None:
    async def grade(ctx, input_args, input_kwargs, grad_output, call_id):
        return [], {"x": f"was {input_kwargs['x']}"}

    loss_op = FxnOp(slow._fxn, "loss", backward=grade)
    x, y = leaf(1), leaf(2)
    loss = loss_op(double(x))
    assert loss.is_pending
    loss.backward()
    assert x.gradient_text() == "was 2"

    async def program() -> None:
        await abackward(loss_op(slow(y)))

    asyncio.run(program())
    assert y.gradient_text() == "was 3"


# -- errors ----------------------------------------------------------------------------------------------------------


def test_an_error_is_raised_where_the_value_is_read_with_op_and_line() -> None:
    result = fail(leaf())  # the line named in the note
    line = fail_line()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError, match="no 1") as caught:
            _ = result.value
        assert caught.value.__notes__ == [f"in fail, called at {__file__}:{line}"]
    assert "failed" in repr(result)


def fail_line() -> int:
    with open(__file__, encoding="utf-8") as file:
        return next(number for number, text in enumerate(file, 1) if "the line named in the note" in text)


def test_an_error_of_an_input_reaches_everything_made_from_it() -> None:
    result = double(slow(fail(leaf())))
    with pytest.raises(ZeroDivisionError) as caught:
        _ = result.value
    notes = "\n".join(caught.value.__notes__)
    assert notes.index("in fail") < notes.index("in slow") < notes.index("in double")

    async def program() -> None:
        await slow(fail(leaf()))

    with pytest.raises(ZeroDivisionError) as caught:
        asyncio.run(program())
    assert any("in fail" in note for note in caught.value.__notes__)


def test_an_input_that_has_failed_already_is_told_where_the_result_is_read() -> None:
    failed = fail(leaf())
    with pytest.raises(ZeroDivisionError):
        _ = failed.value
    for result in (slow(failed), double(failed)):
        with pytest.raises(ZeroDivisionError, match="no 1"):
            _ = result.value


def test_a_program_error_in_a_plain_op_is_raised_at_the_call() -> None:
    @op
    def broken(x: float) -> float:
        return x.no_such_name

    with pytest.raises(AttributeError) as caught:
        broken(leaf())
    assert "in broken, called at" in "".join(traceback.format_exception(caught.value))


def test_an_unread_error_disturbs_nobody() -> None:
    fail(leaf())
    fail(leaf())
    gc.collect()
    assert slow(leaf()).value == 2


# -- cancellation ----------------------------------------------------------------------------------------------------


def endless_op(cancelled: threading.Event) -> FxnOp:
    async def endless(x: float) -> float:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return x

    return FxnOp(endless)


def test_cancelling_a_value_stops_its_work() -> None:
    cancelled = threading.Event()
    result = endless_op(cancelled)(leaf())
    dependent = double(result)
    time.sleep(0.02)
    result.cancel()
    assert cancelled.wait(5)
    for variable in (result, dependent):
        with pytest.raises(GraphError, match="endless was cancelled"):
            _ = variable.value


def test_cancelling_before_the_work_started_leaves_no_warning() -> None:
    for _ in range(20):
        result = slow(leaf())
        result.cancel()
        if not result.is_pending:
            with pytest.raises(GraphError, match="was cancelled"):
                _ = result.value
    gc.collect()


def test_cancelling_who_awaits_does_not_cancel_the_value() -> None:
    async def program() -> float:
        result = slow(leaf())

        async def wait() -> None:
            await result

        waiting = asyncio.ensure_future(wait())
        await asyncio.sleep(0.005)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert waiting.cancelled()
        return (await result).value

    assert asyncio.run(program()) == 2


def test_a_cancelled_value_of_the_running_loop_is_not_mistaken_for_a_cancelled_reader() -> None:
    async def program() -> str:
        result = endless_op(threading.Event())(leaf())
        await asyncio.sleep(0)
        result.cancel()
        try:
            await result
        except GraphError as error:
            return str(error)
        return ""

    assert "endless was cancelled" in asyncio.run(program())


def test_reading_after_the_loop_that_computed_it_has_ended() -> None:
    async def program() -> Variable:
        return slow(leaf())

    result = asyncio.run(program())
    with pytest.raises(GraphError, match="event loop was closed"):
        _ = result.value


def test_reading_after_the_session_was_closed(session: Session) -> None:
    result = endless_op(threading.Event())(leaf())
    session.close()
    with pytest.raises(GraphError, match="before the session is closed"):
        _ = result.value


def test_interrupting_a_read_cancels_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    cancelled = threading.Event()
    result = endless_op(cancelled)(leaf())
    pending = result._pending
    assert isinstance(pending, Pending)

    def interrupted(timeout: float | None = None) -> None:
        time.sleep(0.02)
        raise KeyboardInterrupt

    monkeypatch.setattr(pending._future, "result", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _ = result.value
    assert cancelled.wait(5)


# -- context ---------------------------------------------------------------------------------------------------------


def test_ops_see_the_callers_context() -> None:
    @op
    async def read(x: float) -> tuple[str, Session, tuple[int, int]]:
        await asyncio.sleep(0)
        return topic.get(), current_session(), get_call_id()

    token = topic.set("bees")
    first = read(slow(leaf()))
    topic.reset(token)
    second = read(leaf())
    assert first.call is not None
    assert second.call is not None
    assert first.value == ("bees", current_session(), first.call.call_id)
    assert second.value == ("none", current_session(), second.call.call_id)
    with pytest.raises(GraphError, match="no op is running"):
        get_call_id()


def test_eval_mode_with_values_under_way() -> None:
    with eval_mode():
        result = double(slow(leaf()))
    assert result.value == 4
    assert result.is_leaf
    assert not result.requires_grad


def test_ops_called_inside_ops_and_from_worker_threads() -> None:
    @op
    async def outer(x: float) -> float:
        inner = await slow(double(x))
        return await asyncio.to_thread(lambda: slow(inner).value)

    assert outer(leaf(3)).value == 8


def test_a_value_set_meanwhile_wins() -> None:
    result = slow(leaf())
    result.value = 10
    assert result.value == 10
    assert not result.is_pending


def test_a_forward_that_returns_a_variable_is_refused() -> None:
    @op
    async def wraps(x: float) -> Variable:
        return leaf(x)

    @op
    def wraps_at_once(x: float) -> Variable:
        return leaf(x)

    with pytest.raises(GraphError, match="wraps returned a Variable"):
        _ = wraps(leaf()).value
    with pytest.raises(GraphError, match="wraps_at_once returned a Variable"):
        wraps_at_once(leaf())


def test_a_chain_of_a_thousand_values_under_way() -> None:
    result = slow(leaf(0))
    add_one = FxnOp(lambda x: x + 1)
    for _ in range(1000):
        result = add_one(result)
    assert result.value == 1001


def test_what_a_block_began_is_stopped_with_it_and_nothing_else() -> None:
    @op
    async def slow() -> None:
        await asyncio.sleep(3600)

    begun: list[Variable[None]] = []

    def begin_and_fail() -> None:
        with stopping_what_is_begun():
            begun.append(slow())
            raise ZeroDivisionError

    with Session():
        before = slow()
        with pytest.raises(ZeroDivisionError):
            begin_and_fail()
        with pytest.raises(GraphError, match="was cancelled"):
            _ = begun[0].value
        with stopping_what_is_begun():
            later = slow()
        assert before.is_pending
        assert later.is_pending
        before.cancel()
        later.cancel()
