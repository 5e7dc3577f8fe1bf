"""Concurrent calls of a module run as batches."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import torch

from textgrad_agents.errors import ConfigError
from textgrad_agents.ops.torch_op import AsyncTorchModule, torch_modes
from textgrad_agents.variables import eval_mode


class Counted:
    """Doubles what it gets, and notes how much came at once."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(x))
        return 2 * x


async def together(module: AsyncTorchModule, number: int) -> list[Any]:
    return await asyncio.gather(*(module(x=torch.tensor([float(n)])) for n in range(number)))


@pytest.mark.parametrize(("number", "sizes"), [(1, [1]), (4, [4]), (9, [4, 4, 1])])
def test_each_caller_gets_its_own_output(number: int, sizes: list[int]) -> None:
    counted = Counted()
    module = AsyncTorchModule(counted, batch_size=4, max_wait_interval=0.01)

    async def run() -> None:
        for _ in range(2):
            assert [one.item() for one in await together(module, number)] == [2.0 * n for n in range(number)]

    asyncio.run(run())
    assert counted.sizes == sizes * 2


def test_functions_of_ones_own_make_batches_and_take_them_apart() -> None:
    module = AsyncTorchModule(
        lambda texts: ", ".join(texts).upper(),
        2,
        0.01,
        collate_fn=lambda samples: {"texts": [one["text"] for one in samples]},
        decollate_fn=lambda said: said.split(", "),
    )

    async def run() -> list[str]:
        return list(await asyncio.gather(module(text="a"), module(text="b")))

    assert asyncio.run(run()) == ["A", "B"]


def test_an_error_is_each_callers_and_the_next_batch_runs() -> None:
    fails = iter([True, False])

    def module(x: torch.Tensor) -> torch.Tensor:
        if next(fails):
            raise ValueError("no")
        return x

    batched = AsyncTorchModule(module, 2, 0.01)

    async def run() -> None:
        calls = [batched(x=torch.ones(1)) for _ in range(2)]
        assert [type(one) for one in await asyncio.gather(*calls, return_exceptions=True)] == [ValueError] * 2
        assert len(await asyncio.gather(*(batched(x=torch.ones(1)) for _ in range(2)))) == 2

    asyncio.run(run())


def test_who_no_longer_waits_is_left_out() -> None:
    counted = Counted()
    module = AsyncTorchModule(counted, 3, 0.01)

    async def run() -> None:
        first = asyncio.ensure_future(module(x=torch.ones(1)))
        await asyncio.sleep(0)
        first.cancel()
        assert (await module(x=torch.ones(1))).item() == 2.0

    asyncio.run(run())
    assert counted.sizes == [1]


def test_numbers_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ConfigError, match="batch_size"):
        AsyncTorchModule(Counted(), 0, 0.1)
    wrong = AsyncTorchModule(lambda x: x[:1], 2, 0.01)
    with pytest.raises(ConfigError, match="2 samples gave 1 outputs"):
        asyncio.run(together(wrong, 2))


def test_modes_hold_for_the_batch_alone() -> None:
    module = AsyncTorchModule(torch.nn.Linear(1, 1), 1, 0.0, autocast_dtype=torch.bfloat16)

    async def run() -> Any:
        with eval_mode():
            return await module(input=torch.ones(1))

    output = asyncio.run(run())
    assert (output.dtype, output.requires_grad) == (torch.bfloat16, False)
    assert torch.is_grad_enabled()


def test_modes_of_plain_calls_do_not_meet() -> None:
    async def call(grad: bool) -> None:
        for _ in range(10):
            with torch_modes(grad=grad):
                assert torch.is_grad_enabled() == grad
            await asyncio.sleep(0)
            assert torch.is_grad_enabled()

    async def run() -> None:
        await asyncio.gather(*(call(number % 2 == 0) for number in range(10)))

    asyncio.run(run())
