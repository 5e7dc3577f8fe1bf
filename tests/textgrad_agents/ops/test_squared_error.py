"""The mean squared error and its gradient, beside torch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from textgrad_agents.ops.squared_error import MSELossOp
from textgrad_agents.variables import Variable


@pytest.mark.parametrize("shape", [(4,), (3, 5)])
def test_numbers_are_those_of_torch(shape: tuple[int, ...]) -> None:
    chance = np.random.default_rng(0)
    prediction, target = chance.random(shape), chance.random(shape)
    told = torch.tensor(prediction, requires_grad=True)
    expected = torch.nn.functional.mse_loss(told, torch.tensor(target))
    expected.backward()
    guess = Variable(prediction, role_description="prediction", name="guess")
    loss = MSELossOp()(guess, target)
    loss.compute_grads(3.0)
    assert loss.value == pytest.approx(expected.item())
    assert told.grad is not None
    np.testing.assert_allclose(guess.grad, 3.0 * told.grad.numpy())
    as_tensors = MSELossOp()(told.detach(), torch.tensor(target))
    assert torch.allclose(as_tensors.value, expected.detach())
