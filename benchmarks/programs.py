"""Programs of TextGrad's users, written against a module `tg` that is either library.

The batch is the training loop of TextGrad's own prompt optimization script with a judge for a loss; the chain is a text
that eight calls rewrite one after the other.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

EVALUATION = "You are an evaluator. Is the answer right, and does it follow from its steps? Be brief."


@dataclass
class Times:
    """Wall seconds of the phases, and CPU seconds of the whole program."""

    forward: float
    backward: float
    step: float
    cpu: float
    prompt: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"wall": self.forward + self.backward + self.step}


def batch(tg: Any, engine: Any, size: int, *, trainable_inputs: bool = False) -> Times:
    """One step of prompt optimization on a batch: answer, judge, go back, improve the prompt."""
    tg.set_backward_engine(engine, override=True)
    started, cpu = time.perf_counter(), time.process_time()
    system_prompt = tg.Variable(
        "Answer the question.", requires_grad=True, role_description="system prompt to the language model"
    )
    model = tg.BlackboxLLM(engine, system_prompt)
    loss_fn = tg.TextLoss(EVALUATION)
    optimizer = tg.TextualGradientDescent(engine=engine, parameters=[system_prompt])
    optimizer.zero_grad()
    losses = []
    for number in range(size):
        question = tg.Variable(
            f"What is {number} plus {number}?",
            requires_grad=trainable_inputs,
            role_description="question to the language model",
        )
        losses.append(loss_fn(model(question)))
    total = tg.sum(losses)
    _ = total.value
    return finish(total, optimizer, system_prompt, started, cpu)


def chain(tg: Any, engine: Any, length: int) -> Times:
    """A text goes through `length` calls, each with the same prompt, and the last one is judged."""
    tg.set_backward_engine(engine, override=True)
    started, cpu = time.perf_counter(), time.process_time()
    system_prompt = tg.Variable(
        "Rewrite the text.", requires_grad=True, role_description="system prompt to the language model"
    )
    model = tg.BlackboxLLM(engine, system_prompt)
    text = tg.Variable("First text.", requires_grad=False, role_description="text")
    for _ in range(length):
        text = model(text)
    loss = tg.TextLoss(EVALUATION)(text)
    _ = loss.value
    optimizer = tg.TextualGradientDescent(engine=engine, parameters=[system_prompt])
    return finish(loss, optimizer, system_prompt, started, cpu)


def finish(loss: Any, optimizer: Any, parameter: Any, started: float, cpu: float) -> Times:
    """Backward and step, with their times."""
    forward = time.perf_counter()
    loss.backward()
    backward = time.perf_counter()
    optimizer.step()
    step = time.perf_counter()
    return Times(forward - started, backward - forward, step - backward, time.process_time() - cpu, parameter.value)
