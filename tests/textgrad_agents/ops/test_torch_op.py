"""TorchOp: numbers as torch's own autograd gives them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from textgrad_agents.errors import GraphError  # noqa: E402
from textgrad_agents.ops import RewardLoss  # noqa: E402
from textgrad_agents.ops.torch_op import TorchOp, TorchParamBackwardEstimator  # noqa: E402
from textgrad_agents.variables import Variable, compute_grads, no_grad  # noqa: E402


def leaf(value: Any, name: str) -> Variable:
    return Variable(value, role_description="input", name=name)


def module() -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))


def test_gradients_of_inputs_and_parameters_equal_torch() -> None:
    ours, theirs = module(), module()
    x = [0.1, -0.2, 0.3]
    first, second = TorchOp(ours, name="net"), TorchOp(lambda a, b: (a * b).sum(), name="dot")
    result = second(first(leaf(x, "x")), leaf(2.5, "scale"))
    grads = compute_grads(result, 3.0)

    twin = torch.tensor(x, requires_grad=True)
    scale = torch.tensor(2.5, requires_grad=True)
    expected = (theirs(twin) * scale).sum()
    (3.0 * expected).backward()
    assert float(result.value) == pytest.approx(expected.item())
    assert grads["x"] == pytest.approx(twin.grad.tolist())
    assert grads["scale"] == pytest.approx(scale.grad.item())
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(mine.grad, other.grad)


def test_a_value_used_twice_and_parameters_that_accumulate() -> None:
    net = torch.nn.Linear(1, 1, bias=False)
    op, x = TorchOp(net), leaf([2.0], "x")
    compute_grads(TorchOp(torch.add)(op(x), op(x)), 1.0)
    weight = net.weight.item()
    assert x.grad == pytest.approx([2 * weight])
    assert net.weight.grad.item() == pytest.approx(4.0)


def test_gradients_have_the_form_of_the_values() -> None:
    values = {
        "tensor": torch.tensor([1.0, 2.0]),
        "array": np.array([1.0, 2.0]),
        "list": [1.0, 2.0],
        "number": 3.0,
        "integer": 4,
        "text": "x",
    }
    op = TorchOp(lambda tensor, array, list, number, integer, text: (tensor * array * number * integer).sum() + list[0])
    grads = compute_grads(op(**{name: leaf(value, name) for name, value in values.items()}), 1.0)
    assert torch.equal(grads["tensor"], torch.tensor([12.0, 24.0]))
    assert isinstance(grads["array"], np.ndarray)
    assert grads["list"] == [1.0, 0.0]
    assert grads["number"] == pytest.approx(20.0)
    assert set(grads) == {"tensor", "array", "list", "number"}


def test_variables_inside_a_list_get_their_own_gradient() -> None:
    a, b = leaf(2.0, "a"), leaf(3.0, "b")
    compute_grads(TorchOp(torch.prod)([a, b, 4.0]), 1.0)
    assert (a.grad, b.grad) == pytest.approx((12.0, 8.0))


def test_words_go_straight_through() -> None:
    x = leaf([1.0], "x")
    RewardLoss()(TorchOp(lambda x: x.sum())(x), 0.0, "too small").backward()
    assert x.gradient_text() == "too small"
    assert x.grad == [0.0]


def test_without_recording_torch_records_nothing_either() -> None:
    net = module()
    with no_grad():
        result = TorchOp(net)([0.0, 0.0, 0.0])
    assert not result.value.requires_grad
    assert result.call is None


def test_the_values_given_are_not_touched() -> None:
    tensor = torch.tensor([1.0])
    compute_grads(TorchOp(torch.sum)(leaf(tensor, "x")), 1.0)
    assert not tensor.requires_grad
    assert tensor.grad is None


def test_one_tensor_is_what_a_module_gives() -> None:
    with pytest.raises(GraphError, match="must give one tensor, got a tuple"):
        TorchOp(lambda x: (x, x), name="pair")(1.0)


def test_arguments_have_the_names_of_the_modules_parameters() -> None:
    class Scaled(torch.nn.Module):
        def forward(self, x: Any, y: Any, *more: Any, scale: float = 1.0) -> Any:
            return (x + y + sum(more)) * scale

    result = TorchOp(Scaled())(leaf(2.0, "a"), leaf(3.0, "b"), leaf(4.0, "c"), scale=leaf(5.0, "d"))
    compute_grads(result, 1.0)
    assert (list(result.call.input_kwargs), result.call.input_args) == (["x", "y", "scale"], [4.0])
    assert [variable.grad for _, variable in result.call.inputs] == [5.0, 5.0, 5.0, 9.0]


def test_gradients_of_weights_can_be_kept_call_by_call() -> None:
    net = torch.nn.Linear(1, 1)
    op = TorchOp(net, name="net")
    results = [op(leaf([factor], "x")) for factor in (2.0, 3.0)]
    for result in results:
        compute_grads(result, 1.0, backward_fns={"net": TorchParamBackwardEstimator(net).backward})
    assert [result.call.get("grad_params")["weight"].item() for result in results] == [2.0, 3.0]
    assert net.weight.grad is None


def test_autocast_holds_for_the_call_alone() -> None:
    op = TorchOp(torch.nn.Linear(2, 2), autocast_dtype=torch.bfloat16)
    assert op([1.0, 2.0]).value.dtype == torch.bfloat16
    assert not torch.is_autocast_enabled("cpu")
