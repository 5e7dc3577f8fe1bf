"""Calls that are made at the same time go through a module together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import torch

from textgrad_agents.errors import ConfigError
from textgrad_agents.ops.torch_op.modes import torch_modes
from textgrad_agents.variables.modes import is_recording

Sample = dict[str, Any]


class AsyncTorchModule:
    """Collects concurrent calls into batches: ``await module(input=x)`` gives the output of this sample.

    A batch runs once it is full, or once its first sample has waited long enough. It runs on the event loop, which does
    nothing else meanwhile; in eval mode torch records nothing. All calls must be made from one event loop.

    Args:
        module: takes a batch by keyword and gives a batch.
        batch_size: most samples in a batch.
        max_wait_interval: seconds after which a batch that is not full runs.
        collate_fn: makes the batch of samples; stacks tensors along a new first axis if None.
        decollate_fn: makes the outputs of the batch's output, one per sample; takes it apart along its first axis if
            None.
        autocast_dtype: what torch computes in where that is safe; as outside if None.
        autocast_device_type: the kind of device that this goes for.

    Raises:
        ConfigError: a number is not positive.
    """

    def __init__(
        self,
        module: Callable[..., Any],
        batch_size: int,
        max_wait_interval: float,
        collate_fn: Callable[[Sequence[Sample]], Sample] | None = None,
        decollate_fn: Callable[[Any], Sequence[Any]] | None = None,
        *,
        autocast_dtype: torch.dtype | None = None,
        autocast_device_type: str = "cpu",
    ) -> None:
        if batch_size < 1 or max_wait_interval < 0:
            raise ConfigError(
                f"batch_size must be at least 1 and max_wait_interval at least 0, got {batch_size} and "
                f"{max_wait_interval}"
            )
        self.module = module
        self.batch_size = batch_size
        self.max_wait_interval = max_wait_interval
        self._collate = stacked if collate_fn is None else collate_fn
        self._decollate = taken_apart if decollate_fn is None else decollate_fn
        self._autocast = (autocast_dtype, autocast_device_type)
        self._work_buffer: list[tuple[Sample, asyncio.Future[Any]]] = []
        self._timer: asyncio.TimerHandle | None = None

    async def __call__(self, **sample: Any) -> Any:
        """The output of one sample."""
        loop = asyncio.get_running_loop()
        output: asyncio.Future[Any] = loop.create_future()
        self._work_buffer.append((sample, output))
        if len(self._work_buffer) >= self.batch_size:
            self._run()
        elif self._timer is None:
            self._timer = loop.call_later(self.max_wait_interval, self._run)
        return await output

    def _run(self) -> None:
        """Run the batch, and hand each caller its output, or all of them the error."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch = [(sample, output) for sample, output in self._work_buffer if not output.done()]  # others were cancelled
        self._work_buffer.clear()
        if not batch:
            return
        dtype, device_type = self._autocast
        grad = torch.is_grad_enabled() and is_recording()
        try:
            with torch_modes(grad=grad, autocast_dtype=dtype, autocast_device_type=device_type):
                outputs = self._decollate(self.module(**self._collate([sample for sample, _ in batch])))
            if len(outputs) != len(batch):
                raise ConfigError(f"a batch of {len(batch)} samples gave {len(outputs)} outputs; check decollate_fn")
        except Exception as error:  # what a module raises can be anything, and it is each caller's
            for _, output in batch:
                output.set_exception(error)
            return
        for (_, output), value in zip(batch, outputs, strict=True):
            output.set_result(value)


def stacked(samples: Sequence[Sample]) -> Sample:
    """Samples as a batch: each argument's tensors along a new first axis."""
    return {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}


def taken_apart(batch: Any) -> list[Any]:
    """A batch's output as one per sample, along its first axis."""
    return [*batch]
