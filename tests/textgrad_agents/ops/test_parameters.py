"""PromptOp, ConfigOp, identity, stop, templates."""

from __future__ import annotations

import asyncio

import pytest

from textgrad_agents.errors import ConfigError
from textgrad_agents.ops import ConfigOp, IdentityOp, PromptOp, RewardLoss, StopGradOp
from textgrad_agents.ops.template import fill, placeholders
from textgrad_agents.variables import Variable, compute_grads


def leaf(value: object, name: str = "x") -> Variable:
    return Variable(value, role_description="input", name=name)


def test_a_prompt_is_a_parameter_and_is_filled_in() -> None:
    prompt_op, memory = PromptOp("Recall {memories} and {n}.", name="memory prompt"), leaf("bees")
    result = prompt_op(memories=memory, n=3)
    assert result.value == "Recall bees and 3."
    assert prompt_op.prompt.name == "memory prompt"
    RewardLoss()(result, 0.0, "vague").backward()
    assert [prompt_op.prompt.gradient_text(), memory.gradient_text()] == ["vague", "vague"]
    assert compute_grads(prompt_op({"memories": "x"}, n=1)) == {"memory prompt": 0.0, "prompt_kwargs": 0.0, "n": 0.0}


def test_a_prompt_may_be_given_as_a_variable() -> None:
    prompt = Variable("Say {x}.", role_description="prompt", requires_grad=False)
    assert PromptOp(prompt)(x=1).value == "Say 1."
    assert PromptOp(prompt).prompt is prompt


def test_a_prompt_is_awaitable_and_its_value_of_the_time_counts() -> None:
    async def program() -> list[str]:
        prompt_op = PromptOp("{x}")
        first = await prompt_op(x="a")
        prompt_op.prompt.value = "{x}!"
        return [first.value, (await prompt_op(x="a")).value]

    assert asyncio.run(program()) == ["a", "a!"]


def test_a_missing_place_is_an_error_that_names_it() -> None:
    with pytest.raises(ConfigError, match=r"no value for \{y\}, only for \['x'\]") as caught:
        PromptOp("{x} {y}")(x=1)
    assert any("PromptOp" in note for note in caught.value.__notes__)


@pytest.mark.parametrize(
    ("template", "values", "text"),
    [
        ("{a} {{b}} {a}", {"a": "{b}"}, "{b} {b} {b}"),
        ("{the problem}", {"the problem": 1}, "1"),
        ("{x:.2f} {x!r}", {"x": 1.5}, "1.50 1.5"),
        ("plain", {"unused": 1}, "plain"),
    ],
)
def test_templates(template: str, values: dict[str, object], text: str) -> None:
    assert fill(template, values) == text


@pytest.mark.parametrize(
    "template", ["{", "}", "{x", "{}", "{0}", "{x.__class__}", "{x[0]}", "{x:{y.z}}", "{x:d}", "{x!z}"]
)
def test_templates_that_reach_further_or_are_malformed_are_refused(template: str) -> None:
    with pytest.raises(ConfigError, match="cannot be filled in"):
        fill(template, {"x": "text", "y": "z"})


def test_names_of_places() -> None:
    assert placeholders("{b} {a} {b} {{c}}") == ("b", "a")


def test_a_config_is_a_parameter() -> None:
    config_op = ConfigOp({"temperature": 0.1, "name": "m"}, name="config")
    result = config_op()
    assert result.value == {"temperature": 0.1, "name": "m"}
    assert result.role_description == "config"
    grad = {"temperature": 2.0, "name": 0.0}
    assert compute_grads(result, grad) == {"config": grad}
    assert config_op.config.grad == grad


def test_identity_and_stop() -> None:
    x, y = leaf(3.0, "x"), leaf(4.0, "y")
    assert IdentityOp()(x).value == 3.0
    assert IdentityOp()(x).role_description == "input"
    assert compute_grads(IdentityOp()(x), 5.0) == {"x": 5.0}
    assert compute_grads(StopGradOp()(y), 5.0) == {}
    RewardLoss()(IdentityOp()(StopGradOp()(y)), 0.0, "hm").backward()
    RewardLoss()(IdentityOp()(x), 0.0, "hm").backward()
    assert (x.gradient_text(), y.gradient_text()) == ("hm", "")
